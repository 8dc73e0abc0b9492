"""`taketwo import`: what was captured elsewhere comes into the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import click

from taketwo.capture.fetch import FetchLimits
from taketwo.capture.imports.imported import Unread
from taketwo.cli.calls import SOUNDS, import_from, import_recording, keeping_recordings
from taketwo.cli.settings import opened_store, settings, store_option
from taketwo.config import Settings
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, MissingExtra, TraceUnreadable
from taketwo.report.words import counted, items_in_words, plain
from taketwo.store import Store
from taketwo.store.importing import Tally, import_file

UNREAD_SHOWN = 20
"""How many records that could not be read are named one by one; the others are counted."""
NOT_KNOWN_SHOWN = 10
"""How many kinds of gaps are told, each with the conversation that has it first."""


@click.command("import")
@click.argument("paths", nargs=-1, metavar="[PATH…]", type=click.Path(path_type=Path))
@click.option(
    "--format", "file_format", metavar="F", help="One of those above; guessed from the content when left out."
)
@click.option("--from", "platform", metavar="PLATFORM", help="Ask vapi or retell for calls; set TAKETWO_VAPI_KEY.")
@click.option("--base-url", metavar="URL", help="Where the platform's API is, if not at its usual place.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many calls of a platform.")
@click.option("--no-recordings", is_flag=True, help="Leave recordings where they are; their addresses expire.")
@click.option(
    "--caller-channel",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Which channel of a plain recording has the caller; a transcript beside it tells this, too.",
)
@click.option("--private-addresses", is_flag=True, help="Fetch recordings from private networks, too.")
@click.option("--project", metavar="P", help="Project to put them in.  [default: default]")
@store_option
def import_command(
    paths: tuple[Path, ...],
    file_format: str | None,
    platform: str | None,
    base_url: str | None,
    limit: int | None,
    no_recordings: bool,
    caller_channel: int,
    private_addresses: bool,
    project: str | None,
    store_url: str | None,
) -> None:
    """Read traces, chats and calls from files, folders or a platform into the store. Importing again changes nothing.

    Recordings are heard: call.wav with each party on a channel, and what was said in call.txt if somebody has written
    it down. Recordings that calls refer to are fetched and kept beside the store.

    What cannot be read is named, and the rest goes in; the exit code is 2 then. What conversations lack is told, too.
    docs/imports.md tells how to export from each tool.

    \b
    otlp              what exporters and the OpenTelemetry Collector write
    phoenix, langfuse, langsmith, parquet
                      exports of these tools
    openai-chat       JSON lines with `messages`
    openai-responses  requests and responses of the Responses API
    livekit-session   session reports of LiveKit Agents
    vapi, retell, elevenlabs
                      calls and chats of these platforms
    tau-bench, tau2-bench, sharegpt
                      trajectories and transcripts
    """  # noqa: D301 - this backslash is meant: click does not rewrap what stands below it
    here = settings()
    into = project or here.project or "default"
    if not paths and platform is None:
        raise BadSetting("nothing to import", todo="name files, or a platform with --from")
    limits = None if no_recordings else FetchLimits(private=private_addresses)
    with opened_store(store_url) as store:
        keep = keeping_recordings(store, into, limits)
        read = partial(_read, store, here=here, file_format=file_format, caller_channel=caller_channel - 1)
        tallies = [_import(str(path), keep, partial(read, path, into)) for path in _files(paths)]
        if platform is not None:
            asking = partial(import_from, store, platform, into, here=here, base_url=base_url, most=limit)
            tallies.append(_import(platform, keep, asking))
    if any(tally.unread for tally in tallies):
        raise SystemExit(2)


def _read(
    store: Store,
    path: Path,
    project: str,
    *,
    here: Settings,
    file_format: str | None,
    caller_channel: int,
    tally: Tally,
) -> None:
    if file_format is None and path.suffix.lower() in SOUNDS:
        import_recording(store, path, project, tally, here, caller_channel=caller_channel)
    else:
        import_file(store, path, file_format, project, tally)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The files themselves; of a folder all files in it, except hidden ones."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        if not inside:
            raise TraceUnreadable("the folder has no files in it", where=str(path))
        found += inside
    return found


def _import(what: str, keep: Callable[[Conversation], Conversation], read: Callable[..., None]) -> Tally:
    """Import from one place and say what came of it; one that cannot be read at all does not keep the others out."""
    tally = Tally(lambda unread: _name(unread, tally.unread), keep)
    try:
        read(tally=tally)
    except (TraceUnreadable, MissingExtra) as error:
        tally.unread += 1
        click.echo(f"taketwo: {error}", err=True)
    click.echo(f"{plain(what)}: {_in_words(tally)}")
    for why, lack in islice(tally.not_known.items(), NOT_KNOWN_SHOWN):
        others = f" and {counted(lack.conversations - 1, 'other')}" if lack.conversations > 1 else ""
        click.echo(f"  not known: {plain(lack.first)}{others}: {plain(lack.where)}: {plain(why)}", err=True)
    if (more := len(tally.not_known) - NOT_KNOWN_SHOWN) > 0:
        click.echo(f"  not known: {more:,} more; taketwo list --sort -gaps finds them", err=True)
    return tally


def _name(unread: Unread, number: int) -> None:
    if number <= UNREAD_SHOWN:
        click.echo(f"  not read: {plain(unread.where)}: {plain(unread.why)}", err=True)


def _in_words(tally: Tally) -> str:
    """One line."""
    unread = f", {tally.unread:,} not read" if tally.unread else ""
    return f"{items_in_words(tally.read)} read, {tally.new:,} new{unread}"

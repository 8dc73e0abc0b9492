"""`taketwo project`, `delete` and `expire`: how long what is kept, what is redacted, and what goes at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from taketwo.cli.settings import json_option, opened_store, settings, store_option
from taketwo.errors import BadSetting, NotFound, NotUnique
from taketwo.report.words import counted, plain
from taketwo.store import Store
from taketwo.store.project import Deleted, ProjectSettings

MOST_DAYS = 36_500
"""A hundred years; whoever wants longer says `forever`."""

_DAYS = {"d": 1, "w": 7, "y": 365}


@click.group("project")
def project_command() -> None:
    """Say how long a project keeps its conversations, and what is redacted before they are stored.

    As in `taketwo project set shop --keep-for 30d --redact personal`.
    """


@project_command.command("list")
@json_option
@store_option
def list_projects(as_json: bool, store_url: str | None) -> None:
    """List the projects and how each is treated."""
    with opened_store(store_url) as store:
        found = {name: store.project(name) for name in store.projects()}
    if as_json:
        click.echo(json.dumps([{"name": name, **said.to_builtins()} for name, said in found.items()], indent=2))
        return
    for name, said in found.items():
        click.echo(_in_words(name, said))
    if not found:
        click.echo("none found", err=True)


@project_command.command("show")
@click.argument("name")
@json_option
@store_option
def show_project(name: str, as_json: bool, store_url: str | None) -> None:
    """Show how a project is treated."""
    with opened_store(store_url) as store:
        said = store.project(name)
    click.echo(said.to_json() if as_json else _in_words(name, said))


@project_command.command("set")
@click.argument("name")
@click.option("--keep-for", metavar="30d", help="Delete conversations after so many days, as in 30d, 8w, 1y, forever.")
@click.option(
    "--redact",
    type=click.Choice(["none", "secrets", "personal"]),
    help="Replace by pseudonyms, in whatever comes from now on: nothing, secrets, or personal data too.",
)
@click.option(
    "--spans-per-s",
    type=click.IntRange(min=0),
    metavar="N",
    help="Let it send so many spans a second in the long run; 0 for as many as the server takes.",
)
@click.option(
    "--stored",
    metavar="20GB",
    help="Let it keep so much of spans and log records, as in 500MB, 20GB; 0 for as much as there is room for.",
)
@click.option(
    "--replays",
    type=click.IntRange(min=0),
    metavar="N",
    help="Let it have so many replays at a time; 0 for any number.",
)
@click.option(
    "--model-usd-a-day",
    type=click.FloatRange(min=0),
    metavar="5.0",
    help="Let a server spend so many US dollars a day on language models for it; 0 for any sum.",
)
@click.option(
    "--score-share",
    type=click.FloatRange(0, 1),
    metavar="0.1",
    help="Let a server judge this share of what comes in by its evaluators; 0 for none.",
)
@store_option
def set_project(name: str, store_url: str | None, **given: Any) -> None:
    """Say how a project is treated from now on; what is not named stays as it is."""
    said = {option: value for option, value in given.items() if value is not None}
    if not said:
        todo = "see `taketwo project set --help`"
        raise BadSetting("there is nothing to set", where="taketwo project set", todo=todo)
    changed = {_FIELDS[option][0]: _FIELDS[option][1](value) for option, value in said.items()}
    with opened_store(store_url) as store:
        settings = store.project(name).but(**changed)
        store.set_project(name, settings)
    click.echo(_in_words(name, settings))


@click.command("delete")
@click.option("--session", "session_id", metavar="ID", help="Delete this conversation.")
@click.option("--user", "user_id", metavar="ID", help="Delete every conversation of this user.")
@click.option("--project", metavar="P", help="The project that it is in; needed with --user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
def delete_command(
    session_id: str | None, user_id: str | None, project: str | None, yes: bool, store_url: str | None
) -> None:
    """Delete a conversation or a user: spans, log records, results of replays, kept audio. It cannot be undone.

    Scenario files in repositories, and backups, are not touched. The store's file is written anew, so that nothing of
    it is left there; others wait meanwhile, some seconds a gigabyte.
    """
    project = project or settings().project
    if (session_id is None) == (user_id is None):
        raise BadSetting("name either a session or a user", where="taketwo delete", todo="give --session or --user")
    if user_id is not None and project is None:
        raise BadSetting("user ids are a project's own", where="taketwo delete", todo="name it with --project")
    with opened_store(store_url) as store:
        if session_id is not None:
            what = _conversation_in_words(store, session_id, project)
        else:
            what = f"every conversation of user {user_id} in project {project}"
        if not yes:
            click.confirm(f"Delete {plain(what)}?", abort=True, err=True)
        if session_id is not None:
            done = store.delete_session(session_id, project)
        else:
            done = store.delete_user(str(user_id), str(project))
    click.echo(f"deleted {_counts(done)}")


@click.command("expire")
@click.option("--compact", is_flag=True, help="Give freed space back to the disk; others wait meanwhile.")
@store_option
def expire_command(compact: bool, store_url: str | None) -> None:
    """Delete what is older than its project keeps it. A running server does this by itself every hour."""
    with opened_store(store_url) as store:
        done = store.expire(datetime.now(UTC))
        if compact:
            store.compact()
    click.echo(f"deleted {_counts(done)}")


def _conversation_in_words(store: Store, id: str, project: str | None) -> str:
    """What the id means; an id that redaction has changed is known only by what it was."""
    try:
        found = store.conversation(id, project)
    except NotUnique:
        raise
    except NotFound:
        return f"conversation {id}"
    return f"conversation {found.id} of project {found.project}"


def days(text: str, *, where: str) -> int | None:
    """Days, or None for `forever`. Raises BadSetting."""
    if text.strip().lower() in ("forever", "ever"):
        return None
    match = re.fullmatch(r"(\d{1,6})\s*([dwy]?)", text.strip().lower())
    number = int(match[1]) * _DAYS[match[2] or "d"] if match else 0
    if not 0 < number <= MOST_DAYS:
        raise BadSetting(f"{text!r} is no length of time", where=where, todo="say 30d, 8w, 1y or forever")
    return number


def _in_words(name: str, said: ProjectSettings) -> str:
    kept = "for ever" if said.keep_for_days is None else f"for {counted(said.keep_for_days, 'day')}"
    quotas = [
        "" if said.spans_per_s is None else f", takes {counted(said.spans_per_s, 'span')} a second",
        "" if said.stored_bytes is None else f", keeps {said.stored_bytes:,} bytes at most",
        "" if said.replays is None else f", has {counted(said.replays, 'replay')} at a time",
        "" if said.model_usd_a_day is None else f", spends {said.model_usd_a_day:g} US dollars a day on models",
    ]
    judged = f", judges {said.score_share:.0%} of them" if said.score_share else ""
    return f"{plain(name)}: keeps conversations {kept}, redacts {said.redact}{''.join(quotas)}{judged}"


def byte_count(text: str) -> int | None:
    """Bytes, or None for 0. Raises BadSetting."""
    match = re.fullmatch(r"(\d{1,9})\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise BadSetting(f"{text!r} is no size", where="--stored", todo="say 500MB, 20GB, or 0 for no limit")
    return int(match[1]) * 1000 ** " kmgt".index(match[2] or " ") or None


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "keep_for": ("keep_for_days", lambda text: days(text, where="--keep-for")),
    "redact": ("redact", str),
    "spans_per_s": ("spans_per_s", lambda number: number or None),
    "stored": ("stored_bytes", byte_count),
    "replays": ("replays", lambda number: number or None),
    "model_usd_a_day": ("model_usd_a_day", lambda usd: usd or None),
    "score_share": ("score_share", float),
}
"""Each option: the setting that it says, and how it is read."""


def _counts(done: Deleted) -> str:
    counts = {
        "conversation": done.conversations,
        "span": done.spans,
        "result": done.results,
        "recording": done.recordings,
        "server record": done.copies,
    }
    return ", ".join(counted(number, thing) for thing, number in counts.items() if number) or "nothing"

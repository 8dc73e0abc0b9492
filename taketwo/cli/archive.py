"""`taketwo archive`: old conversations out of the store into one file, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from taketwo.cli.privacy import days
from taketwo.cli.settings import opened_store, project_option, store_option
from taketwo.errors import BadSetting
from taketwo.report.words import counted, plain


@click.group("archive")
def archive_command() -> None:
    """Keep old conversations in a Parquet file that is searched, shown and replayed as a store is.

    As in `taketwo archive write 2026.parquet --older-than 90d`, then
    `taketwo sessions --store archive:///2026.parquet`; in a bucket, `archive:s3://BUCKET/2026.parquet`.
    """


@archive_command.command("write")
@click.argument("file", metavar="FILE|s3://BUCKET/KEY")
@click.option("--older-than", metavar="90d", required=True, help="Those that ended so long ago, as in 30d, 8w, 1y.")
@project_option
@store_option
def write(file: str, older_than: str, project: str | None, store_url: str | None) -> None:
    """Write old conversations into FILE, with their spans, scores and recordings. The store keeps them, too.

    The file is read again and held against the store before it gets its name; where something reads otherwise it is
    named, and the exit code is 2.
    """
    from taketwo.store.archive import write_archive

    age = days(older_than, where="--older-than")
    if age is None:
        raise BadSetting("nothing is older than for ever", where="--older-than", todo="say 30d, 8w or 1y")
    with opened_store(store_url) as store:
        done = write_archive(store, file, before=datetime.now(UTC) - timedelta(days=age), project=project)
    if done is None:
        click.echo("nothing is that old", err=True)
        return
    counts = {"conversation": done.conversations, "span": done.spans, "recording": done.recordings}
    click.echo(f"{file}: {', '.join(counted(number, thing) for thing, number in counts.items() if number)}")
    if done.different:
        named = ", ".join(map(plain, done.different[:5]))
        click.echo(f"{counted(len(done.different), 'conversation')} read otherwise out of it: {named}", err=True)
        raise SystemExit(2)


@archive_command.command("restore")
@click.argument("file", metavar="FILE|s3://BUCKET/KEY")
@store_option
def restore(file: str, store_url: str | None) -> None:
    """Put the conversations of FILE into the store. Doing it again changes nothing."""
    from taketwo.store.archive import copy_recordings_back, put_back

    with opened_store(store_url) as store:
        recordings = copy_recordings_back(file, store)
        done = put_back(file, store)
    heard = f", {counted(recordings, 'recording')}" if recordings else ""
    click.echo(f"{file}: {counted(done.conversations, 'conversation')} in the store{heard}")
    if done.without_feedback:
        named = ", ".join(map(plain, done.without_feedback[:5]))
        click.echo(f"scores of conversations that have other ids by now were left out: {named}", err=True)
        raise SystemExit(2)

"""`taketwo backup`: a copy of the store while it is in use."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.cli.settings import settings, store_option


@click.command("backup")
@click.argument("to", type=click.Path(path_type=Path), metavar="PATH")
@store_option
def backup_command(to: Path, store_url: str | None) -> None:
    """Copy the store and its recordings to a new file, also while a server writes to it.

    The copy is checked. To go back to it, stop the server and start it with --store sqlite:///PATH.
    """
    from taketwo.store.backup import back_up

    backup = back_up(store_url or settings().store, to)
    for written in backup.written:
        click.echo(f"wrote {written}")
    if backup.missing:
        click.echo(f"{len(backup.missing)} of the recordings and large spans that it names were missing before")

"""`taketwo store`: what is done with a store as a whole."""

from __future__ import annotations

import click


@click.group("store")
def store_command() -> None:
    """Move a store to another place."""


@store_command.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def migrate_command(source: str, target: str) -> None:
    """Copy everything out of the store FROM into the empty store TO, and compare the two.

    Both are addresses such as sqlite:///PATH and postgresql://USER@HOST/DATABASE. Stop the servers of both first. What
    was interrupted goes on where it ended when it is called again; FROM stays as it is.
    """
    from taketwo.store.moving import move

    told = ""

    def tell(what: str, number: int) -> None:
        nonlocal told
        if told and what != told:
            click.echo(err=True)
        told = what
        click.echo(f"\r{what}: {number:,} ", nl=False, err=True)

    moved = move(source, target, tell=tell)
    click.echo(err=True)
    click.echo(f"{moved.rows:,} rows and {moved.recordings:,} recordings are the same in both: hash {moved.hashed}")

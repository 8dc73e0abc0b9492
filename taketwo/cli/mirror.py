"""`taketwo mirror`: conversations and spans for analyses, in a ClickHouse server."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from taketwo.cli.settings import opened_store, store_option
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.report.words import counted

if TYPE_CHECKING:
    from taketwo.store.mirroring import Mirrored


@click.command("mirror")
@click.argument("target", metavar="URL")
@click.option(
    "--every", metavar="SECONDS", type=click.FloatRange(1), help="Go on, and look again after so many seconds."
)
@store_option
def mirror_command(target: str, every: float | None, store_url: str | None) -> None:
    """Bring a ClickHouse database up to date with the store: clickhouse://USER@HOST:8123/DATABASE.

    What is new or has changed is sent, and what was deleted is deleted there. It may be interrupted and called again at
    any time. The password is read from CLICKHOUSE_PASSWORD. Senders never wait for it: it reads beside the server.
    """
    from taketwo.store.clickhouse import ClickHouse, clickhouse_address
    from taketwo.store.mirroring import bring_up_to_date
    from taketwo.store.tables import TableStore

    address = clickhouse_address(target)

    def once(store: TableStore) -> Mirrored:
        mirror = ClickHouse(address, os.environ.get("CLICKHOUSE_PASSWORD", ""))
        try:
            return bring_up_to_date(store, mirror)
        finally:
            mirror.close()

    with opened_store(store_url) as store:
        if not isinstance(store, TableStore):
            raise BadSetting("only stores in SQLite and PostgreSQL are mirrored", where="--store")
        while True:
            try:
                _say(once(store), address.where)
            except StoreUnavailable as error:
                if every is None:
                    raise
                click.echo(f"{error}; it is tried again", err=True)
            if every is None:
                return
            time.sleep(every)


def _say(done: Mirrored, where: str) -> None:
    if done.conversations or done.deleted:
        sent = f"{counted(done.conversations, 'conversation')} with {counted(done.spans, 'span')} sent"
        click.echo(f"{where}: {sent}, {done.deleted:,} deleted")
    else:
        click.echo(f"{where}: nothing has changed")

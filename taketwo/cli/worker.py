"""`taketwo worker`: replay rows that a Temporal server hands out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import click

from taketwo.cli.settings import access, language_model, opened_store, settings, store_option
from taketwo.compare.severity import severity_table
from taketwo.errors import MissingExtra
from taketwo.replay.agents.hosts import read_hosts
from taketwo.sdk.telephony import telephony


@click.command("worker")
@click.option(
    "--executor",
    "url",
    required=True,
    metavar="URL",
    help="Where the work comes from: temporal://HOST:PORT[/NAMESPACE].",
)
@click.option(
    "--concurrency", default=10, show_default=True, type=click.IntRange(1), metavar="N", help="Replays at a time."
)
@store_option
def worker_command(url: str, concurrency: int, store_url: str | None) -> None:
    """Replay what `taketwo serve --executor` hands to a Temporal server, until it is told to stop.

    Workers and servers share one store. A worker that dies gives its rows back within seconds; one that is told to stop
    finishes what it has begun. Where TAKETWO_SERVER names a server, recordings of calls that are not here are taken
    from there, and those of new calls sent there.
    """
    try:
        from taketwo.sdk.server_recordings import ServerRecordings
        from taketwo.server.flow.asking import Asking
        from taketwo.server.flow.shelf import Flow
        from taketwo.server.flow.temporal import read_address, run_worker
    except ModuleNotFoundError as error:
        raise MissingExtra("temporal", needed_for="taketwo worker") from error
    here = settings()
    name = f"{socket.gethostname()} {os.getpid()}"
    # Whoever has a key of the server says whom to ask, wherever the worker is.
    reach = {**access(here), "hosts": read_hosts(here.agent_hosts)}

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        flow = Flow(
            store,
            severities=severity_table(here.severity),
            asking=Asking(lambda: language_model(here), Path.cwd()),
        )
        click.echo(f"working for {url} as {name}")
        await run_worker(
            flow,
            read_address(url),
            name=name,
            concurrency=concurrency,
            access=reach,
            telephony=telephony(here),
            servers=[ServerRecordings(here.server, here.server_key)] if here.server else (),
            stop=stop,
        )

    with opened_store(store_url or here.store) as store:
        asyncio.run(run())

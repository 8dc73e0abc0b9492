"""A small server for programs on this machine, inside a process that does something else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from taketwo.errors import BadSetting
from taketwo.server.guard import Guard


@asynccontextmanager
async def serving(routes: Sequence[BaseRoute], listening: socket.socket) -> AsyncIterator[str]:
    """Answer these addresses on a bound socket; its URL."""
    app = Starlette(routes=routes, middleware=[Middleware(Guard)])
    server = _Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.serve(sockets=[listening]))
        try:
            yield url_of(listening)
        finally:
            server.should_exit = server.force_exit = True
            await task


def bound(port: int = 0) -> socket.socket:
    """A socket on a port of this machine, any free one for 0, for programs on it alone. Raises BadSetting."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise BadSetting(f"cannot listen on port {port}: {error.strerror}", where="--port") from error
    listening.listen()
    return listening


def url_of(listening: socket.socket) -> str:
    """`http://127.0.0.1:40123`."""
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Leaves Ctrl-C to whoever runs the replays."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

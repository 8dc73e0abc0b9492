"""Where agents in other processes find the recorded tools while the command line replays."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

ELSEWHERE = ("http://", "https://", "cmd:", "a2a:")
"""SPECs of agents that may call tools by themselves, in another process."""


@contextmanager
def gateway_socket(*specs: str | None) -> Iterator[socket.socket | None]:
    """A free port of this machine; None when no agent is elsewhere, or the extra `server` is not installed."""
    if not any(spec is not None and spec.startswith(ELSEWHERE) for spec in specs):
        yield None
        return
    try:
        from taketwo.server.nearby import bound
    except ModuleNotFoundError:
        # Agents that ask for their tools in their answers need none; others are told that `tools_url` is null.
        yield None
        return
    with bound() as listening:
        yield listening


@asynccontextmanager
async def gateway_on(listening: socket.socket | None) -> AsyncIterator[None]:
    """Serve the tools there, where there is a socket."""
    if listening is None:
        yield
        return
    from taketwo.server.gateway import gateway

    async with gateway(listening):
        yield


def in_words(listening: socket.socket) -> str:
    """`127.0.0.1:40123`."""
    host, port = listening.getsockname()[:2]
    return f"{host}:{port}"

"""Which connections clients hold, so that one that went away is noticed before its patience is over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from uvicorn.protocols.http.auto import AutoHTTPProtocol

NEVER_IDLE_OUT: Final = ("python-httpx/", "python-requests/")
"""Clients that close a connection only when they use another one, or when they end. Others tidy up what is idle."""
PASSED_ON: Final = ("x-forwarded-for", "forwarded", "via")
"""By these a proxy tells that the connection is its own."""


@dataclass(eq=False)
class Line:
    """One connection of a client."""

    requests: int = 0
    """How many came over it; who opens one for each request tells nothing by closing it."""
    is_open: bool = True
    """Whether it is open, or was closed by the server."""


class Lines:
    """The connections that are open, by the client's address."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[tuple[str, int], Line] = {}

    def of(self, request: Request) -> Line | None:
        """The connection of a request, where its end would mean the client's; None where nobody can say that."""
        headers = request.headers
        if any(name in headers for name in PASSED_ON) or not headers.get("user-agent", "").startswith(NEVER_IDLE_OUT):
            return None
        if request.client is None or (line := self._open.get((request.client.host, request.client.port))) is None:
            return None
        line.requests += 1
        return line

    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn is to speak with clients: its own, that notes who came and who left."""
        open_now = self._open

        class Noted(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
            is_left = False

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                if self.client is not None:
                    open_now[self.client] = Line()

            def eof_received(self) -> None:
                self.is_left = True
                super().eof_received()

            def connection_lost(self, exc: Exception | None) -> None:
                if (line := open_now.pop(self.client, None)) is not None:
                    line.is_open = not (self.is_left or exc is not None)
                super().connection_lost(exc)

        return Noted


def are_gone(lines: Iterable[object]) -> bool:
    """Whether a client that held these has ended: all are closed by it, and it is one that keeps them."""
    held = [line if isinstance(line, Line) else None for line in lines]
    is_kept = any(line is not None and line.requests > 1 for line in held)
    return is_kept and all(line is not None and not line.is_open for line in held)

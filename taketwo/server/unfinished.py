"""Requests that cannot be finished before the server ends: whoever asked is told to come back, not that we failed."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taketwo.server.problems import tell_http

STOPPED = "the server was stopped before this was done; nothing is known of it"
RETRY_AFTER_S = 5
"""Seconds; another one must start first."""


class Unfinished:
    """Wraps an application: an answer that had not begun when it was given up is a 503 and not a 500.

    Senders of telemetry send again after a 503, and drop what was answered with a 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap that one."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if has_begun:
                raise
            told = HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, STOPPED, {"retry-after": str(RETRY_AFTER_S)})
            await tell_http(Request(scope), told)(scope, receive, send)

"""Keeps strangers' web pages out: only this machine's own names are answered, and pages may load nothing foreign."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN_NAME = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
"""A page on the web can have its own name resolve to 127.0.0.1 and then read what answers (DNS rebinding)."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


class Guard:
    """Wraps an application."""

    def __init__(self, app: ASGIApp, any_name: bool = False) -> None:
        """Wrap that one. `any_name` where keys are needed, which a page under a stolen name does not have."""
        self._app = app
        self._any_name = any_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse a request for somebody else's name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._any_name and not OWN_NAME.fullmatch(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("this server answers only as localhost or 127.0.0.1\n", 421)
            await refusal(scope, receive, send)
            return

        if scope["method"] not in READING and _is_foreign(Headers(scope=scope)):
            await PlainTextResponse("a page of another site may change nothing here\n", 403)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, guarded)


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser sends it for a page of another site; programs say neither of this."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")

"""Makes the server's own spans of requests.

What senders bring makes no span: a collector that passes the server's own spans on to it would make more with each.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taketwo.server.access import OPEN_FOLDERS
from taketwo.server.own_spans import OwnSpans
from taketwo.server.problems import OTLP_PATHS

UNTRACED: Final = ("/health", "/ready", "/metrics")
"""Asked every few seconds by machines."""


class Traced:
    """Wraps an application: a span for every request but those of senders and of machines that only look."""

    def __init__(self, app: ASGIApp, spans: OwnSpans) -> None:
        """Wrap that one."""
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http" or _is_untraced(scope["path"]):
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        with self._spans.span(method, Headers(scope=scope), served=True) as attributes:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    attributes["http.response.status_code"] = message["status"]
                    if message["status"] >= 500:
                        attributes["error.type"] = str(message["status"])
                await send(message)

            attributes["http.request.method"] = method
            try:
                await self._app(scope, receive, told)
            finally:
                # The address itself holds ids of people's conversations.
                if (route := getattr(scope.get("route"), "path", None)) is not None:
                    attributes |= {"http.route": route, "name": f"{method} {route}"}


def _is_untraced(path: str) -> bool:
    return path in UNTRACED or path.endswith(OTLP_PATHS) or path.startswith(OPEN_FOLDERS)

"""Lists of what was captured: `/sessions`, `/traces`, `/calls`; `/` is the first of them, or how to begin."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.server.listing import asked_listing, following, listed_conversations, listed_traces
from taketwo.server.pages.columns import SESSIONS, TRACES, chosen
from taketwo.server.pages.drawing import twin, wants_page
from taketwo.server.pages.shell import Shell
from taketwo.server.pages.start import begin
from taketwo.store import Store


class Lists:
    """Draws lists. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/", self.sessions),
            Route("/index.json", self.sessions),
            Route("/sessions", self.sessions),
            Route("/sessions.json", self.sessions),
            Route("/calls", self.calls),
            Route("/calls.json", self.calls),
            Route("/traces", self.traces),
            Route("/traces.json", self.traces),
        ]

    def sessions(self, request: Request) -> Response:
        """The newest conversations."""
        return self._conversations(request, "sessions", "Sessions")

    def calls(self, request: Request) -> Response:
        """The newest voice calls."""
        return self._conversations(request, "calls", "Calls")

    def traces(self, request: Request) -> Response:
        """The newest traces."""
        asked = asked_listing(request)
        rows = listed_traces(self._store, asked)
        return twin(
            request,
            "traces.html",
            self._shell(request, "traces"),
            {"traces": rows, "next": following(rows, asked.limit)},
            asked=asked,
            columns=chosen(TRACES, request.query_params.getlist("column")),
        )

    def _conversations(self, request: Request, section: str, title: str) -> Response:
        asked = asked_listing(request)
        rows = listed_conversations(self._store, asked, only_voice=section == "calls")
        if not rows and not asked.filter and request.url.path == "/" and wants_page(request):
            return begin(request, self._store)
        return twin(
            request,
            "sessions.html",
            self._shell(request, section),
            {section: rows, "next": following(rows, asked.limit)},
            title=title,
            section=section,
            rows=rows,
            asked=asked,
            columns=chosen(SESSIONS, request.query_params.getlist("column")),
            all_columns=SESSIONS,
        )

    def _shell(self, request: Request, section: str) -> Shell:
        return Shell(
            section=section,
            project=request.query_params.get("project") or None,
            projects=tuple(self._store.projects()),
        )

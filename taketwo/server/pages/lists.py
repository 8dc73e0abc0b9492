"""Lists of what was captured: `/sessions`, `/traces`, `/calls`; `/` is the first of them, or how to begin."""

from __future__ import annotations

from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.server.listing import asked_listing, following
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
        rows = list(islice(self._store.traces(asked.project, limit=asked.limit, after=asked.after), asked.limit))
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
        rows = list(self._store.summaries(asked.project, limit=asked.limit, after=asked.after))
        if not rows and request.url.path == "/" and wants_page(request):
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

"""What was captured, to look at: `/` and `/sessions/{id}` as pages and JSON, `/api/sessions` and `/api/traces`."""

from __future__ import annotations

from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting
from taketwo.server.pages import page, wants_page
from taketwo.store import Store
from taketwo.store.summary import ConversationSummary, TraceSummary

ROWS = 50
"""Rows of a listing, when no number is asked for."""
MOST_ROWS = 500
"""Rows of a listing at most."""


class Captures:
    """Answers questions about what was captured. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/", self.sessions),
            Route("/index.json", self.sessions),
            Route("/api/sessions", self.sessions),
            Route("/api/sessions/{id:path}", self.session),
            Route("/api/traces", self.traces),
            Route("/sessions/{id:path}.json", self.session),
            Route("/sessions/{id:path}", self.session),
        ]

    def sessions(self, request: Request) -> Response:
        """The newest conversations: `project`, `limit` and `after` (the `next` of the answer before)."""
        project, limit, after = _listing(request)
        rows = list(self._store.summaries(project, limit=limit, after=after))
        following = _next(rows, limit)
        if wants_page(request):
            projects = self._store.projects()
            return page(
                "sessions.html",
                rows=rows,
                following=following,
                project=project,
                projects=projects,
                first=after is None,
                origin=str(request.base_url).rstrip("/"),
            )
        return _json({"sessions": rows, "next": following})

    def session(self, request: Request) -> Response:
        """One conversation, by session id, trace id or the beginning of one; `project` where several have it."""
        conversation = self._store.conversation(request.path_params["id"], request.query_params.get("project"))
        if wants_page(request):
            return page("conversation.html", conversation=conversation)
        return _json(conversation)

    def traces(self, request: Request) -> Response:
        """The newest traces: `project`, `limit` and `after`."""
        project, limit, after = _listing(request)
        rows = list(islice(self._store.traces(project, limit=limit, after=after), limit))
        return _json({"traces": rows, "next": _next(rows, limit)})


def _listing(request: Request) -> tuple[str | None, int, str | None]:
    asked = request.query_params
    limit = asked.get("limit", str(ROWS))
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MOST_ROWS):
        raise BadSetting(f"{limit!r} is no number of rows", where="limit", todo=f"name one from 1 to {MOST_ROWS}")
    return asked.get("project") or None, int(limit), asked.get("after") or None


def _next(rows: list[ConversationSummary] | list[TraceSummary], limit: int) -> str | None:
    """Where the next page begins; None where this one is the last."""
    return rows[-1].cursor if len(rows) == limit else None


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")

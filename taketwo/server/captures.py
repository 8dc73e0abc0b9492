"""What was captured, for programs: `/api/sessions`, `/api/sessions/{id}` and `/api/traces`."""

from __future__ import annotations

from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.server.listing import asked_listing, following
from taketwo.store import Store


class Captures:
    """Answers questions about what was captured. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/api/sessions", self.sessions),
            Route("/api/sessions/{id:path}", self.session),
            Route("/api/traces", self.traces),
        ]

    def sessions(self, request: Request) -> Response:
        """The newest conversations: `project`, `limit` and `after` (the `next` of the answer before)."""
        asked = asked_listing(request)
        rows = list(self._store.summaries(asked.project, limit=asked.limit, after=asked.after))
        return _json({"sessions": rows, "next": following(rows, asked.limit)})

    def session(self, request: Request) -> Response:
        """One conversation, by session id, trace id or the beginning of one; `project` where several have it."""
        return _json(self._store.conversation(request.path_params["id"], request.query_params.get("project")))

    def traces(self, request: Request) -> Response:
        """The newest traces: `project`, `limit` and `after`."""
        asked = asked_listing(request)
        rows = list(islice(self._store.traces(asked.project, limit=asked.limit, after=asked.after), asked.limit))
        return _json({"traces": rows, "next": following(rows, asked.limit)})


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")

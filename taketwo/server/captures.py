"""What was captured, for programs: sessions, calls, traces and users, what was said of them, and how much there was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting
from taketwo.select.filters import parse
from taketwo.server.listing import asked_listing, following, listed_conversations, listed_traces
from taketwo.store import Store
from taketwo.store.feedback import Feedback

STRETCHES = 60
"""Into how many parts a timeline is cut, when no length is asked for."""


class Captures:
    """Answers questions about what was captured. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/api/sessions", self.sessions),
            Route("/api/sessions/{id:path}/scores", self.scores),
            Route("/api/sessions/{id:path}/scores", self.give_score, methods=["POST"]),
            Route("/api/sessions/{id:path}", self.session),
            Route("/api/calls", self.calls),
            Route("/api/traces", self.traces),
            Route("/api/users", self.users),
            Route("/api/timeline", self.timeline),
        ]

    def sessions(self, request: Request) -> Response:
        """Conversations: `project`, `filter`, `sort`, `limit` and `after` (the `next` of the answer before)."""
        asked = asked_listing(request)
        rows = listed_conversations(self._store, asked)
        unread = self._store.search.unread(asked.project)
        return _json({"sessions": rows, "next": following(rows, asked.limit), "unread": unread})

    def calls(self, request: Request) -> Response:
        """Voice calls, as `sessions`."""
        asked = asked_listing(request)
        rows = listed_conversations(self._store, asked, only_voice=True)
        return _json({"calls": rows, "next": following(rows, asked.limit)})

    def session(self, request: Request) -> Response:
        """One conversation, by session id, trace id or the beginning of one; `project` where several have it."""
        return _json(self._store.conversation(request.path_params["id"], request.query_params.get("project")))

    def traces(self, request: Request) -> Response:
        """The newest traces: `project`, `filter`, `limit` and `after`."""
        asked = asked_listing(request)
        rows = listed_traces(self._store, asked)
        return _json({"traces": rows, "next": following(rows, asked.limit)})

    def users(self, request: Request) -> Response:
        """The users of a `project`, those first who were there last: `limit` and `after`."""
        asked = asked_listing(request)
        if asked.project is None:
            raise BadSetting("users belong to a project", where="project", todo="name one")
        rows = self._store.search.users(asked.project, limit=asked.limit, after=asked.after)
        return _json({"users": rows, "next": following(rows, asked.limit)})

    def timeline(self, request: Request) -> Response:
        """How many conversations began when, how many failed and how slow they were.

        `project`, `filter`, `since` and `until` (the last day when left out), and `step` in seconds.
        """
        asked = request.query_params
        until = _moment(asked.get("until"), "until") or datetime.now(UTC)
        since = _moment(asked.get("since"), "since") or until - timedelta(days=1)
        step = asked.get("step", str(max(1, int((until - since).total_seconds()) // STRETCHES)))
        if not (step.isascii() and step.isdigit() and int(step[:9])):
            raise BadSetting(f"{step!r} is no number of seconds", where="step")
        chosen = parse(asked.get("filter", ""))
        rows = self._store.search.timeline(
            chosen, asked.get("project") or None, since=since, until=until, step_s=int(step[:9])
        )
        return _json({"timeline": rows, "step": int(step[:9])})

    def scores(self, request: Request) -> Response:
        """The scores and the feedback that were given to a conversation afterwards."""
        given = self._store.feedback(request.path_params["id"], request.query_params.get("project"))
        return _json({"scores": given})

    async def give_score(self, request: Request) -> Response:
        """Attach a score: `name`, `value`, and where known `turn`, `comment` and `given_by`."""
        given = _feedback(await request.body())
        project = request.query_params.get("project")
        kept = await run_in_threadpool(self._store.add_feedback, request.path_params["id"], given, project)
        return _json(kept, 201)


def _feedback(body: bytes) -> Feedback:
    try:
        given = Feedback.from_json(body)
    except msgspec.DecodeError as error:
        example = 'as in {"name": "csat", "value": 2}'
        raise BadSetting(f"this is no score: {error}", where="body", todo=example) from error
    if not given.name.strip():
        raise BadSetting("a score needs a name", where="name")
    return given.but(name=given.name.strip(), at=given.at or datetime.now(UTC))


def _moment(text: str | None, where: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadSetting(f"{text!r} is no moment", where=where, todo="as in 2026-11-17T10:30:00Z") from error
    if not 1970 < at.year < 2262:  # nothing that is stored lies elsewhere, and a day more or less must be a moment too
        raise BadSetting(f"nothing was captured in the year {at.year}", where=where, todo="as in 2026-11-17T10:30:00Z")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")

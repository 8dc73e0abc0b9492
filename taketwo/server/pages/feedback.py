"""What people think of a conversation or one of its turns, filled in on its page."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting
from taketwo.server.pages.drawing import conversation_address
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.store import Store
from taketwo.store.feedback import Feedback

NAME_COOKIE = "taketwo_name"
"""Remembers what a person called themselves, so that they fill it in once."""
REMEMBERED_S = 365 * 24 * 3600
LONGEST = 10_000
"""Characters of a comment."""


class GivenFeedback:
    """Takes feedback. The method blocks; the application runs it in threads."""

    def __init__(self, store: Store) -> None:
        """Keep it in that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [Route("/feedback", filled_in(self.give), methods=["POST"])]

    def give(self, request: Request, form: FormData) -> Response:
        """Keep what was filled in; the same name from the same person replaces what was there."""
        id, project = text_of(form, "id"), text_of(form, "project")
        given = _given(form)
        self._store.add_feedback(id, given, project)
        whole = given.turn is None
        address = conversation_address(id, project, **({"view": "feedback"} if whole else {}))
        answer = see_other(address if whole else f"{address}#turn-{(given.turn or 0) + 1}")
        answer.set_cookie(
            NAME_COOKIE,
            given.given_by.encode().hex(),
            max_age=REMEMBERED_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer


def name_of_person(request: Request) -> str:
    """What the person called themselves the last time; empty where they never did."""
    try:
        return bytes.fromhex(request.cookies.get(NAME_COOKIE, "")).decode()[:200]
    except ValueError:
        return ""


def _given(form: FormData) -> Feedback:
    name, by, comment = (text_of(form, field) for field in ("name", "given_by", "comment"))
    if not name:
        raise BadSetting("feedback needs a name", where="name", todo="call it what is judged, as in helpful")
    if len(comment) > LONGEST or len(name) > 200 or len(by) > 200:
        raise BadSetting("that is too long", where="comment", todo=f"up to {LONGEST:,} characters")
    turn = text_of(form, "turn")
    if turn and not (turn.isascii() and turn.isdigit() and len(turn) < 9):
        raise BadSetting(f"{turn!r} is no turn", where="turn")
    return Feedback(
        name=name,
        value=_value(text_of(form, "judgement"), text_of(form, "score")),
        turn=int(turn) if turn else None,
        comment=comment or None,
        given_by=by or "reviewer",
        at=datetime.now(UTC),
    )


def _value(judgement: str, score: str) -> bool | float | str:
    """A thumb, else a number, else the word that stands in its place."""
    if judgement in ("good", "bad"):
        return judgement == "good"
    if not score:
        raise BadSetting("says nothing", where="score", todo="choose good or bad, or give a score")
    try:
        number = float(score)
    except ValueError:
        return score[:200]
    if not math.isfinite(number):
        raise BadSetting(f"{score!r} is no score", where="score")
    return number

"""How conversations went over time: how many, how many failed, how slow they were, and what was thought of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import BadSetting
from taketwo.select.filters import parse
from taketwo.server.listing import Asked, understood
from taketwo.server.pages.charts import charts_of, score_charts
from taketwo.server.pages.drawing import PARTS, page, twin, wants_page
from taketwo.server.pages.shell import Shell
from taketwo.store import Store
from taketwo.store.search import Stretch

MOST_SCORES = 3
"""Scores that are drawn above a list, those that are given most often."""
MOST_SCORES_OF_ALL = 60
"""Scores that are drawn on a page of their own."""
SPANS_OF_TIME = {
    "day": (timedelta(minutes=30), 48),
    "week": (timedelta(hours=3), 56),
    "month": (timedelta(hours=12), 60),
}
"""The parts of a chart, how long and how many: those of whole hours are read from what is added up by hours."""


class OverTime:
    """Draws charts over time. The method blocks; the application runs it in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store."""
        self._store = store

    def routes(self) -> list[Route]:
        """The addresses."""
        return [Route("/charts", self.charts), Route("/charts.json", self.charts)]

    def charts(self, request: Request) -> Response:
        """The charts above a list where the script asks for them, else a page with all of them."""
        asked, wrong = understood(request)
        over = request.query_params.get("over", "week")
        if over not in SPANS_OF_TIME:
            raise BadSetting(f"{over!r} is no span of time", where="over", todo="name day, week or month")
        if wrong is not None and not wants_page(request):
            raise wrong
        part, parts = SPANS_OF_TIME[over]
        step = int(part.total_seconds())
        stretches = [] if wrong else self._stretches(asked, step, parts)
        drawn: dict[str, Any] = {"over": over, "spans_of_time": SPANS_OF_TIME, "asked": asked}
        if wants_page(request) and PARTS in request.headers:
            charts = [*charts_of(stretches), *score_charts(stretches, MOST_SCORES)]
            return page("charts.html", charts=charts, **drawn)
        answer = twin(
            request,
            "over_time.html",
            Shell(section="sessions", project=asked.project, projects=tuple(self._store.projects())),
            {"timeline": stretches, "step": step},
            charts=charts_of(stretches),
            scored=score_charts(stretches, MOST_SCORES_OF_ALL),
            wrong=wrong,
            ends=(stretches[0].at, stretches[-1].at + part) if stretches else None,
            **drawn,
        )
        if wrong is not None:
            answer.status_code = HTTPStatus.BAD_REQUEST
        return answer

    def _stretches(self, asked: Asked, step_s: int, parts: int) -> list[Stretch]:
        until = _rounded_up(datetime.now(UTC), step_s)
        return self._store.search.timeline(
            parse(asked.filter),
            asked.project,
            since=until - step_s * parts * timedelta(seconds=1),
            until=until,
            step_s=step_s,
        )


def _rounded_up(at: datetime, step_s: int) -> datetime:
    """The end of the stretch that a moment is in, so that bars stay where they are from one look to the next."""
    seconds = int(at.timestamp()) // step_s * step_s + step_s
    return datetime.fromtimestamp(seconds, UTC)

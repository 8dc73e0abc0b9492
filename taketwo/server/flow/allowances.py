"""What a project may have going on, and what it may spend on language models in a day."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, TypeVar

from taketwo.errors import AlreadyThere, NotFound, TooFast
from taketwo.llm import LanguageModel
from taketwo.server.flow.asking import Purse
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import Value

T = TypeVar("T")

BUSY_FOR_S: Final = 5
"""After so many seconds a replay may have ended."""


class Spend(Value):
    """What models cost a project on one day."""

    project: str
    """The project."""
    day: str
    """The day in UTC, as in `2026-11-17`."""
    usd: float
    """US dollars, of what is known."""


SPENDS = Shelf("spend", Spend, lambda one: _id(one.project, one.day), lambda one: Place(project=one.project))


def book(flow: Flow, project: str, usd: float) -> None:
    """Note what models cost a project just now."""
    if usd <= 0:
        return
    day = _day(flow.now())

    def more(one: Spend) -> Spend:
        return one.but(usd=one.usd + usd)

    try:
        SPENDS.change(flow, _id(project, day), more)
    except NotFound:
        try:
            SPENDS.add(flow, Spend(project=project, day=day, usd=usd))
        except AlreadyThere:  # somebody else was the first today
            SPENDS.change(flow, _id(project, day), more)


def spent_today(flow: Flow, project: str) -> float:
    """US dollars that models have cost a project since midnight, UTC."""
    try:
        return SPENDS.get(flow, _id(project, _day(flow.now()))).usd
    except NotFound:
        return 0.0


def insist_on_money(flow: Flow, project: str) -> None:
    """Raises TooFast where a project has spent what it may in a day."""
    most = flow.store.project(project).model_usd_a_day
    if most is None or (spent := spent_today(flow, project)) < most:
        return
    now = flow.now()
    midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    raise TooFast(
        f"project {project!r} may spend {most:g} US dollars a day on models, and has spent {spent:.2f}",
        todo="wait until midnight UTC, or raise it with `taketwo project set --model-usd-a-day`",
        after_s=math.ceil((midnight - now).total_seconds()),
    )


def paid(flow: Flow, project: str, work: Callable[[LanguageModel], Coroutine[Any, Any, T]], *, where: str) -> T:
    """What comes of asking the model, booked on a project. Raises TooFast where it has spent enough, BadSetting.

    where: the field that asks for it.
    """
    insist_on_money(flow, project)
    purse = Purse()
    try:
        return flow.asking.run(work, purse, where=where)
    finally:
        book(flow, project, purse.usd)


def insist_on_replays(flow: Flow, project: str, going_on: int) -> int | None:
    """How many more replays a project may begin; None for any number. Raises TooFast for none."""
    most = flow.store.project(project).replays
    if most is None:
        return None
    if going_on >= most:
        raise TooFast(
            f"project {project!r} may have {most:,} replays at a time, and has them",
            todo="wait, or raise it with `taketwo project set --replays`",
            after_s=BUSY_FOR_S,
        )
    return most - going_on


def _id(project: str, day: str) -> str:
    return f"{day}/{project}"


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()

"""The clock that the agent sees."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("time_machine")

import taketwo
from taketwo.conversation import Conversation
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.clock import recorded_clock, utc_now
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

MARCH = datetime(2024, 3, 14, 9, 26, 53, tzinfo=UTC)


def talk(at: datetime | None) -> Conversation:
    recorded = conversation(turn("What day is it?", call("calendar", {}, result="open"), reply="Thursday."))
    return recorded.but(started_at=at)


@taketwo.tool
def calendar() -> str:
    """Whether it is open."""
    raise AssertionError("never runs in a replay")


async def run(at: datetime | None, agent: Any) -> Run:
    return await replay(Case(id="day", recorded=talk(at)), CallableAgent(agent))


async def seen_in(at: datetime | None) -> tuple[datetime, float, date, Run]:
    seen: list[Any] = []

    async def agent(messages: list[Any]) -> str:
        calendar()
        seen.extend((datetime.now(UTC), time.time(), date.today()))  # what agents do
        await asyncio.sleep(0.01)
        return "Thursday."

    done = await run(at, agent)
    return seen[0], seen[1], seen[2], done


async def test_the_agent_sees_when_the_line_was_said_and_time_goes_on() -> None:
    began = utc_now()
    with recorded_clock():
        at, seconds, day, done = await seen_in(MARCH)
        assert began <= utc_now() < began + timedelta(minutes=10)
        assert datetime.now(UTC) >= began  # outside the agent nothing has changed
    assert MARCH <= at < MARCH + timedelta(seconds=10)
    assert MARCH.timestamp() <= seconds < MARCH.timestamp() + 10
    assert day in (date(2024, 3, 13), date(2024, 3, 14), date(2024, 3, 15))  # wherever this runs
    # What happened is dated by the real clock, also what the agent's own thread did.
    assert began <= done.started_at <= done.ended_at
    assert all(step.at is not None and step.at >= began for step in done.conversation.turns[0].steps)


async def test_each_of_many_replays_sees_its_own_time() -> None:
    days = [MARCH + timedelta(days=number) for number in range(20)]
    with recorded_clock():
        found = await asyncio.gather(*(seen_in(day) for day in days))
    assert [at.date() for at, *_ in found] == [day.date() for day in days]


async def test_a_synchronous_agent_in_its_thread_sees_it_too() -> None:
    seen: list[datetime] = []

    def agent(messages: list[Any]) -> str:
        assert threading.current_thread() is not threading.main_thread()
        seen.append(datetime.now(UTC))
        return "Thursday."

    with recorded_clock():
        await run(MARCH, agent)
    assert seen[0].date() == MARCH.date()


async def test_where_the_recording_has_no_date_the_time_is_real() -> None:
    began = utc_now()
    with recorded_clock():
        at, *_ = await seen_in(None)
    assert at >= began


async def test_afterwards_the_clock_is_as_before() -> None:
    with recorded_clock():
        pass
    assert abs(datetime.now(UTC) - utc_now()) < timedelta(seconds=5)
    assert (await seen_in(MARCH))[0] > MARCH + timedelta(days=365)

"""A suite by a plan: what is known is not replayed, what is likely to fail comes first, and it ends when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taketwo.conversation import Tokens
from taketwo.errors import AgentUnreachable
from taketwo.events import CaseFinished, Event, SuiteFinished
from taketwo.replay.agents import Exchange, Reply
from taketwo.scenario import Case, Kept, MustSay
from taketwo.suite.budget import Budget
from taketwo.suite.cache import Cache, Revision
from taketwo.suite.memory import Memory
from taketwo.suite.plan import Plan, run_planned
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import conversation, turn


class Desk:
    """Greets, but for those whose line is in `rude_to`; says how often it was asked."""

    spec = "desk"

    def __init__(self, *rude_to: str, tokens: Tokens | None = None) -> None:
        self.rude_to = rude_to
        self.asked: list[str] = []
        self._tokens = tokens or Tokens()

    async def respond(self, exchange: Exchange) -> Reply:
        self.asked.append(exchange.case_id)
        await asyncio.sleep(0)
        if "nobody" in self.rude_to:
            raise AgentUnreachable("gone")
        return Reply(text="It costs $12." if exchange.case_id in self.rude_to else "Hello!", tokens=self._tokens)


def case(name: str, **fields: Any) -> SuiteCase:
    recorded = conversation(turn("Hi", reply="Hello!"), id=f"recorded-{name}")
    return SuiteCase(
        Case(id=name, recorded=recorded, expected=(MustSay(text="Hello"),), **fields),
        scenario="suite",
        file="replays/a.scenario.yaml",
    )


CASES = [case(name) for name in "abcdef"]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    found = Memory(tmp_path)
    yield found
    found.close()


def known(memory: Memory, key: str = "same", *, why: str | None = None, **how: Any) -> Cache:
    return Cache(memory, Revision(key, why, None), **how)


async def run(cases: list[SuiteCase], agent: Desk, plan: Plan, **how: Any) -> tuple[list[Event], SuiteFinished]:
    stop = how.pop("stop", None) or asyncio.Event()
    found = [event async for event in run_planned(cases, agent, plan, stop=stop, **{"concurrency": 1, **how})]
    assert isinstance(found[-1], SuiteFinished)
    return found, found[-1]


def not_run(found: list[Event]) -> list[str]:
    return [event.case.id for event in found if isinstance(event, CaseFinished) and not event.result.attempts]


# what is known


async def test_what_is_known_is_told_and_not_replayed(memory: Memory) -> None:
    await run(CASES, Desk("b"), Plan(known(memory)))
    agent = Desk("b")
    found, end = await run([*CASES, case("new")], agent, Plan(known(memory)))
    assert agent.asked == ["new"]
    assert (end.counts, end.from_cache) == ({"fail": 1, "pass": 6}, 6)
    assert sum(isinstance(event, CaseFinished) for event in found) == 7


async def test_one_id_in_two_files_is_two_cases(memory: Memory) -> None:
    both = [CASES[0]._replace(file=f"{name}.scenario.yaml", line=3) for name in "xy"]
    await run(both, Desk(), Plan(known(memory)))
    agent = Desk()
    edited = both[1]._replace(case=both[1].case.but(why="another reason"))
    _, end = await run([both[0], edited], agent, Plan(known(memory)))
    assert (len(agent.asked), end.from_cache) == (1, 1)


async def test_another_agent_and_a_case_that_was_edited_are_replayed(memory: Memory) -> None:
    await run(CASES, Desk(), Plan(known(memory)))
    agent = Desk()
    await run([case("a", why="another reason"), *CASES[1:]], agent, Plan(known(memory)))
    assert agent.asked == ["a"]
    await run(CASES, agent, Plan(known(memory, "another")))
    assert len(agent.asked) == 1 + 6


async def test_only_sure_results_are_kept(memory: Memory) -> None:
    unjudged = [one._replace(case=one.case.but(expected=())) for one in CASES[:2]]
    for _ in range(2):
        agent = Desk("a")
        _, end = await run(unjudged, agent, Plan(known(memory)))
    # `a` is only changed, which a person should see in each run.
    assert (agent.asked, end.counts) == (["a"], {"changed": 1, "pass": 1})


async def test_what_came_out_otherwise_under_the_same_agent_is_not_sure(memory: Memory) -> None:
    await run(CASES, Desk("b"), Plan(known(memory)))
    await run(CASES, Desk("c"), Plan(known(memory, takes=False)))
    agent = Desk()
    await run(CASES, agent, Plan(known(memory)))
    await run(CASES, agent, Plan(known(memory)))
    assert sorted(agent.asked) == ["b", "b", "c", "c"]


async def test_an_agent_that_nobody_can_see_is_replayed_each_time_and_that_is_said(memory: Memory) -> None:
    for _ in range(2):
        _, end = await run(CASES, Desk(), Plan(known(memory, why="it is elsewhere")))
    assert end.from_cache == 0
    assert end.notes == ("nothing is taken from earlier runs: it is elsewhere",)


async def test_an_error_is_no_result(memory: Memory) -> None:
    await run(CASES[:1], Desk("nobody"), Plan(known(memory)))
    agent = Desk()
    await run(CASES[:1], agent, Plan(known(memory)))
    assert agent.asked == ["a"]


# the order


async def test_what_failed_before_comes_first_and_what_was_edited_before_that(memory: Memory) -> None:
    await run(CASES, Desk("d"), Plan(known(memory)))
    agent = Desk()
    await run([*CASES[:-1], case("f", why="edited")], agent, Plan(known(memory, "changed")))
    assert agent.asked[:2] == ["f", "d"]


async def test_without_a_past_the_order_is_as_given(memory: Memory) -> None:
    agent = Desk()
    await run(CASES, agent, Plan(known(memory)))
    assert agent.asked == list("abcdef")


# the end


async def test_the_first_sure_regression_ends_the_run_and_says_what_was_not_run() -> None:
    found, end = await run(CASES, Desk("b"), Plan(fail_fast=True))
    assert not_run(found) == list("cdef")
    assert (end.counts, end.not_run, end.cancelled) == ({"pass": 1, "fail": 1, "inconclusive": 4}, 4, False)
    assert end.why_not_run is not None and "b failed" in end.why_not_run


async def test_neither_quarantine_nor_doubt_ends_it() -> None:
    aside = case("b", kept=Kept(quarantine="known"))
    unjudged = CASES[2]._replace(case=CASES[2].case.but(expected=()))
    found, end = await run([CASES[0], aside, unjudged, *CASES[3:]], Desk("b", "c"), Plan(fail_fast=True))
    assert not_run(found) == []
    assert end.counts == {"pass": 4, "quarantined": 1, "changed": 1}


async def test_a_regression_that_is_known_ends_it_before_it_begins(memory: Memory) -> None:
    await run(CASES[:2], Desk("b"), Plan(known(memory)))
    agent = Desk("b")
    _, end = await run(CASES, agent, Plan(known(memory), fail_fast=True))
    assert (agent.asked, end.not_run) == ([], 4)


async def test_no_case_begins_once_the_time_is_over() -> None:
    times = iter(range(100))
    found, end = await run(CASES, Desk(), Plan(budget=Budget(seconds=3), now=lambda: next(times)))
    assert not_run(found) == list("cdef")
    assert end.why_not_run == "the budget of 3s is spent"


async def test_no_case_begins_once_the_tokens_are_spent() -> None:
    tokens = Tokens(input=100, output=20)
    found, end = await run(CASES, Desk(tokens=tokens), Plan(budget=Budget(tokens=300)))
    # Three cases spend it; one more may have begun meanwhile.
    assert not_run(found) in (list("def"), list("ef"))
    assert end.why_not_run == "the budget of 300 tokens is spent"


async def test_a_budget_that_nobody_can_keep_to_is_not_spent_unseen() -> None:
    found, end = await run(CASES, Desk(), Plan(budget=Budget(cost_usd=2)))
    assert not_run(found) in (list("bcdef"), list("cdef"))
    assert end.why_not_run == "the budget of $2 cannot be kept: nobody says what a turn of the agent costs"


async def test_what_comes_from_the_cache_costs_nothing(memory: Memory) -> None:
    await run(CASES, Desk(), Plan(known(memory)))
    _, end = await run(CASES, Desk(), Plan(known(memory), budget=Budget(seconds=0)))
    assert (end.not_run, end.from_cache) == (0, 6)


# resuming


async def interrupted(cases: list[SuiteCase], agent: Desk, plan: Plan) -> list[Event]:
    """Stopped when the first result is there."""
    stop, found = asyncio.Event(), []
    async for event in run_planned(cases, agent, plan, stop=stop, concurrency=1):
        found.append(event)
        if isinstance(event, CaseFinished):
            stop.set()
    return found


async def test_a_run_that_was_interrupted_goes_on_with_what_is_left(memory: Memory) -> None:
    first = await interrupted(CASES, Desk(), Plan(known(memory)))
    end = first[-1]
    assert isinstance(end, SuiteFinished) and end.cancelled and end.not_run
    agent = Desk()
    _, end = await run(CASES, agent, Plan(known(memory, resumes=memory.interrupted_runs())))
    assert agent.asked == not_run(first)
    assert end.counts == {"pass": 6}
    assert not memory.interrupted_runs()


async def test_resuming_takes_what_was_not_sure_and_of_agents_that_nobody_can_see(memory: Memory) -> None:
    unjudged = [one._replace(case=one.case.but(expected=())) for one in CASES]
    first = await interrupted(unjudged, Desk(*"abcdef"), Plan(known(memory, why="elsewhere")))
    agent = Desk(*"abcdef")
    resumed = known(memory, why="elsewhere", resumes=memory.interrupted_runs())
    _, end = await run(unjudged, agent, Plan(resumed))
    assert agent.asked == not_run(first)
    assert end.counts == {"changed": 6}

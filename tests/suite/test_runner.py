from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taketwo.conversation import Conversation
from taketwo.errors import AgentUnreachable
from taketwo.evals.evaluator import Context
from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.replay.agents import Agent, Exchange, Reply
from taketwo.replay.agents.callable import CallableAgent
from taketwo.scenario import Case, Floor, MustCall, MustSay
from taketwo.suite.repeats import Repeats
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.suite.work import GIVE_UP_AFTER, MANY
from taketwo.testing import ScriptedAgent, call, conversation, turn
from taketwo.verdict import CaseResult

STATUS = call("check_status", {"order_id": "A-1042"}, result="approved")
TALK = conversation(
    turn("Hi", reply="Hello!"),
    turn("What is the status of my refund?", STATUS, reply="It is approved."),
    turn("Thanks", reply="Welcome!"),
)


def cases(count: int, recorded: Conversation = TALK) -> list[SuiteCase]:
    expected = (MustCall(tool="check_status", turn=2),)
    return [
        SuiteCase(
            Case(id=f"case-{n}", recorded=recorded, expected=expected), scenario="suite", file="a.yaml", line=n + 1
        )
        for n in range(count)
    ]


def unchanged() -> Agent:
    return CallableAgent(ScriptedAgent(TALK), "unchanged")


async def events(*given: Any, **how: Any) -> list[Event]:
    return [event async for event in run_suite(*given, **how)]


def results(found: list[Event]) -> list[CaseResult]:
    return [event.result for event in found if isinstance(event, CaseFinished)]


def last(found: list[Event]) -> SuiteFinished:
    assert isinstance(found[-1], SuiteFinished)
    return found[-1]


class Counting:
    """An agent that says how many replays it serves at a time, and is slow."""

    spec = "counting"

    def __init__(self, takes_s: float = 0.005) -> None:
        self.now = self.most = self.turns = 0
        self._takes_s = takes_s

    async def respond(self, exchange: Exchange) -> Reply:
        self.now += 1
        self.turns += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self._takes_s)
        finally:
            self.now -= 1
        return Reply(text="Hello!")


class Unreachable:
    """An agent that is not there, the first so many times."""

    spec = "https://nowhere.example/v1/chat/completions"

    def __init__(self, times: int = 10**9) -> None:
        self.asked = 0
        self._times = times

    async def respond(self, exchange: Exchange) -> Reply:
        self.asked += 1
        if self.asked <= self._times:
            raise AgentUnreachable("connection refused", where=self.spec)
        return Reply(text="Hello!")


GREETING = conversation(turn("Hi", reply="Hello!"))


def greetings(count: int) -> list[SuiteCase]:
    return [SuiteCase(Case(id=f"case-{n}", recorded=GREETING), scenario="suite") for n in range(count)]


# what is told


async def test_a_suite_begins_and_ends_and_tells_of_every_case() -> None:
    found = await events(cases(3), unchanged())
    assert isinstance(found[0], SuiteStarted)
    assert (found[0].agent, found[0].cases) == ("unchanged", 3)
    assert {result.case_id for result in results(found)} == {"case-0", "case-1", "case-2"}
    assert last(found).counts == {"pass": 3}
    assert not last(found).cancelled


async def test_a_result_knows_where_its_case_stands() -> None:
    (result,) = results(await events(cases(1), unchanged()))
    assert (result.scenario, result.file, result.line, result.recorded_id) == ("suite", "a.yaml", 1, TALK.id)
    (attempt,) = result.attempts
    assert attempt.scores[0].name == "must call check_status in turn 2"
    assert attempt.comparison.changes == ()


async def test_an_agent_that_asks_what_was_not_recorded_is_inconclusive() -> None:
    refund = call("check_status", {"order_id": "A-1042"}, result="approved").but(tool="check_order")
    other = conversation(TALK.turns[0], turn("What is the status of my refund?", refund, reply="Done."), TALK.turns[2])
    (result,) = results(await events(cases(1), CallableAgent(ScriptedAgent(other))))
    assert result.verdict.kind == "inconclusive"
    assert result.verdict.reasons[0].text.startswith(
        'a tool call had no recorded answer: check_order(order_id="A-1042") in turn 2: '
    )


async def test_attempts_of_a_case_are_told_together_and_in_order() -> None:
    found = await events(cases(2), unchanged(), repeat=5, concurrency=4)
    for result in results(found):
        assert [attempt.run.attempt for attempt in result.attempts] == [1, 2, 3, 4, 5]
    assert last(found).counts == {"pass": 2}


async def test_results_come_as_they_are_ready() -> None:
    class SlowFirst:
        spec = "slow-first"

        async def respond(self, exchange: Exchange) -> Reply:
            await asyncio.sleep(0.2 if exchange.messages[0]["content"] == "slow" else 0)
            return Reply(text="Hello!")

    slow = SuiteCase(Case(id="slow", recorded=conversation(turn("slow", reply="Hello!"))), scenario="suite")
    assert [result.case_id for result in results(await events([slow, *greetings(2)], SlowFirst()))][-1] == "slow"


async def test_a_suite_without_cases_has_nothing_to_tell() -> None:
    found = await events([], unchanged())
    assert (len(found), last(found).counts) == (2, {})


async def test_evaluators_judge_besides_the_expectations() -> None:
    class TurnCount:
        name = "turns"

        def evaluate(self, context: Context) -> float:
            return len(context.run.conversation.turns)

    (result,) = results(await events(cases(1), unchanged(), evaluators=[TurnCount()]))
    assert [getattr(score, "value", None) for score in result.attempts[0].scores] == [True, 3]


# how much at a time


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_no_more_replays_run_at_a_time_than_allowed(concurrency: int) -> None:
    agent = Counting()
    await events(greetings(12), agent, concurrency=concurrency, repeat=2)
    assert (agent.most, agent.turns) == (concurrency, 24)


async def test_cases_are_made_when_they_are_needed_and_none_is_kept() -> None:
    made = 0

    class Lazy(Collection[SuiteCase]):
        def __len__(self) -> int:
            return 100

        def __contains__(self, item: object) -> bool:
            return False

        def __iter__(self) -> Iterator[SuiteCase]:
            nonlocal made
            for case in greetings(100):
                made += 1
                yield case

    seen = 0
    async for event in run_suite(Lazy(), Counting(0), concurrency=2):
        seen += isinstance(event, CaseFinished)
        assert made <= seen + 6


async def test_a_slow_reader_is_waited_for() -> None:
    agent = Counting(0)
    async for event in run_suite(greetings(50), agent, concurrency=3):
        if isinstance(event, CaseFinished):
            await asyncio.sleep(0.02)
            break
    assert agent.turns < 12


# what goes wrong


async def test_an_agent_that_is_not_there_is_an_error_of_the_case() -> None:
    found = await events(cases(1), Unreachable())
    (errored,) = [event for event in found if isinstance(event, CaseErrored)]
    assert errored.name == "case-0"
    assert errored.error == ("a.yaml:1: case-0: https://nowhere.example/v1/chat/completions: connection refused")
    assert last(found).counts == {"error": 1}


async def test_an_agent_that_never_answers_is_not_asked_for_every_case() -> None:
    agent = Unreachable()
    found = await events(greetings(50), agent, concurrency=2)
    assert agent.asked <= GIVE_UP_AFTER + 1
    assert last(found).counts == {"error": 50}


async def test_an_agent_that_has_answered_once_is_asked_again() -> None:
    found = await events(greetings(10), Unreachable(times=2), concurrency=1)
    assert last(found).counts == {"error": 2, "pass": 8}


class GoneAfter:
    """An agent that says something once, and is not there afterwards."""

    spec = "https://nowhere.example/v1/chat/completions"

    def __init__(self, reply: str) -> None:
        self._left = [reply]

    async def respond(self, exchange: Exchange) -> Reply:
        if not self._left:
            raise AgentUnreachable("connection refused", where=self.spec)
        return Reply(text=self._left.pop())


async def test_a_regression_stays_one_when_the_agent_is_gone_before_the_next_attempt() -> None:
    case = Case(id="hello", recorded=GREETING, expected=(MustSay(text="Hello"),))
    found = await events([SuiteCase(case, scenario="suite")], GoneAfter("Go away!"), repeat=3, concurrency=1)
    (finished,) = [event for event in found if isinstance(event, CaseFinished)]
    assert finished.result.verdict.kind == "fail"
    assert "further attempts could not be made" in finished.result.verdict.reasons[-1].text


async def test_a_pass_is_not_one_when_the_agent_is_gone_before_the_next_attempt() -> None:
    case = Case(id="hello", recorded=GREETING, expected=(MustSay(text="Hello"),))
    found = await events([SuiteCase(case, scenario="suite")], GoneAfter("Hello!"), repeat=3, concurrency=1)
    assert last(found).counts == {"error": 1}


async def test_an_expectation_that_makes_no_sense_is_an_error_before_the_agent_is_asked() -> None:
    agent = Counting()
    senseless = Case(id="case-1", recorded=GREETING, expected=(MustCall(tool="check_status", turn=9),))
    (event,) = [one for one in await events([SuiteCase(senseless, "suite")], agent) if isinstance(one, CaseErrored)]
    assert "there is no turn 9" in event.error
    assert agent.turns == 0


async def test_a_bug_of_ours_costs_one_case_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    broken = Case(id="broken", recorded=None)  # type: ignore[arg-type]  # no reader makes this
    found = await events([SuiteCase(broken, scenario="suite"), *greetings(1)], Counting(0))
    (errored,) = [event for event in found if isinstance(event, CaseErrored)]
    assert errored.error.startswith("broken: Take Two failed: AttributeError: ")
    assert last(found).counts == {"error": 1, "pass": 1}
    assert "replaying broken" in caplog.text


@pytest.mark.parametrize("concurrency", [1, MANY])
async def test_a_case_that_cannot_be_decided_costs_no_other_its_result(concurrency: int) -> None:
    now = datetime.now(UTC)
    floor = Floor(agent="old", learned_at=now, expires_at=now + timedelta(days=1), runs=5, passed=-1)
    impossible = Case(id="impossible", recorded=GREETING, floor=floor)
    cases = [SuiteCase(impossible, scenario="suite"), *greetings(3)]
    found = await events(cases, Counting(0), repeat=2, concurrency=concurrency)
    (errored,) = [event for event in found if isinstance(event, CaseErrored)]
    assert errored.name == "impossible"
    assert "please report this" in errored.error
    assert last(found).counts == {"error": 1, "pass": 3}


# stopping


async def test_stopping_ends_what_runs_and_tells_what_was_done() -> None:
    stop, agent = asyncio.Event(), Counting(0.05)
    found: list[Event] = []
    async for event in run_suite(greetings(40), agent, concurrency=2, stop=stop):
        found.append(event)
        if len(found) == 4:
            stop.set()
    assert last(found).cancelled
    assert sum(last(found).counts.values()) == len(results(found)) < 8
    assert agent.now == 0


async def test_attempts_that_were_done_before_the_stop_count() -> None:
    stop = asyncio.Event()

    class StopsAtFourth(Counting):
        async def respond(self, exchange: Exchange) -> Reply:
            if self.turns == 3:
                stop.set()
            return await super().respond(exchange)

    found = await events(greetings(1), StopsAtFourth(), repeat=10, concurrency=1, stop=stop)
    (result,) = results(found)
    assert len(result.attempts) == 3
    assert last(found).cancelled


async def test_a_stop_after_the_last_case_cancels_nothing() -> None:
    stop = asyncio.Event()
    found: list[Event] = []
    async for event in run_suite(greetings(2), Counting(0), stop=stop):
        found.append(event)
        if len(results(found)) == 2:
            stop.set()
    assert not last(found).cancelled


async def test_leaving_the_loop_early_leaves_no_replay_running() -> None:
    agent = Counting(0.05)
    suite = run_suite(greetings(40), agent, concurrency=4)
    async for event in suite:
        if isinstance(event, CaseFinished):
            break
    await suite.aclose()  # type: ignore[attr-defined]  # it is an async generator
    assert agent.now == 0


async def test_cancelling_the_task_ends_everything() -> None:
    agent = Counting(0.05)
    task = asyncio.ensure_future(events(greetings(40), agent, concurrency=4))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.now == 0


# keeping


class Shelf:
    """A store that remembers what it was asked."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []
        self.flushed_after = -1

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        self.kept.append((suite_id, result.case_id))

    def flush(self) -> None:
        self.flushed_after = len(self.kept)


async def test_results_are_kept_and_on_disk_before_the_end_is_told() -> None:
    shelf = Shelf()
    async for event in run_suite(cases(3), unchanged(), store=shelf, suite_id="monday"):
        if isinstance(event, SuiteFinished):
            assert shelf.flushed_after == 3
    assert sorted(shelf.kept) == [("monday", f"case-{n}") for n in range(3)]


async def test_an_error_of_the_store_comes_out_as_it_is() -> None:
    class Full(Shelf):
        def add_result(self, suite_id: str, result: CaseResult) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await events(cases(3), unchanged(), store=Full())


# many at a time


async def test_of_many_replays_every_one_is_told_once() -> None:
    found = await events(greetings(3 * MANY), Counting(0), concurrency=MANY)
    assert sorted(result.case_id for result in results(found)) == sorted(f"case-{n}" for n in range(3 * MANY))


async def test_many_at_a_time_are_no_more_than_allowed() -> None:
    agent = Counting()
    await events(greetings(3 * MANY), agent, concurrency=MANY)
    assert agent.most == MANY


async def test_of_many_replays_the_next_one_begins_before_the_last_one_is_judged() -> None:
    assert await first_told_after(greetings(3 * MANY), concurrency=MANY) > MANY


async def test_where_few_go_on_a_case_is_told_before_the_next_one_begins() -> None:
    assert await first_told_after(greetings(3), concurrency=1) == 1


async def first_told_after(some: list[SuiteCase], concurrency: int) -> int:
    """How many turns the agent had been asked for when the first result came."""
    agent = Counting(0)
    suite = run_suite(some, agent, concurrency=concurrency)
    async for event in suite:
        if isinstance(event, CaseFinished):
            break
    asked = agent.turns
    await suite.aclose()
    return asked


class Drawn(Collection[SuiteCase]):
    """Cases that tell how many of them were asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.asked_for = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, item: object) -> bool:
        return False

    def __iter__(self) -> Iterator[SuiteCase]:
        for case in greetings(self._count):
            self.asked_for += 1
            yield case


async def test_many_cases_are_made_ready_while_all_agents_take_their_time() -> None:
    some = Drawn(4 * MANY)

    class Waiting(Counting):
        async def respond(self, exchange: Exchange) -> Reply:
            while some.asked_for < min(self.turns + MANY, len(some)):
                await asyncio.sleep(0.001)
            return await super().respond(exchange)

    found = await events(some, Waiting(0), concurrency=MANY)
    assert last(found).counts == {"pass": 4 * MANY}


async def test_where_that_is_not_wanted_no_case_is_asked_for_before_it_can_begin() -> None:
    some = Drawn(4 * MANY)
    ahead = 0

    class Looking(Counting):
        async def respond(self, exchange: Exchange) -> Reply:
            nonlocal ahead
            ahead = max(ahead, some.asked_for - self.turns)
            return await super().respond(exchange)

    await events(some, Looking(), concurrency=MANY, looks_ahead=False)
    assert ahead <= MANY


async def test_many_attempts_are_repeated_until_it_is_sure() -> None:
    repeats = Repeats(most=3, until="confirmed")
    found = await events(
        cases(MANY), CallableAgent(lambda messages: "No idea", "wrong"), concurrency=MANY, repeat=repeats
    )
    assert {len(result.attempts) for result in results(found)} == {3}


async def test_of_many_replays_those_that_were_done_before_the_stop_count() -> None:
    stop = asyncio.Event()
    found: list[Event] = []
    async for event in run_suite(greetings(3 * MANY), Counting(), concurrency=MANY, stop=stop):
        found.append(event)
        if isinstance(event, CaseFinished):
            stop.set()
    assert last(found).cancelled
    assert 0 < len(results(found)) < 3 * MANY

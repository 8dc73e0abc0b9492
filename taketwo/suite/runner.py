"""Cases + agent ─► events: replays every case, compares, checks, decides, and tells what happens while it does."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import cached_property, partial
from typing import Any, NamedTuple

from taketwo.compare.severity import TABLE, Weight
from taketwo.errors import AgentUnreachable, TakeTwoError
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.evals.sense import insist_on_sense
from taketwo.events import CaseErrored, CaseFinished, Event
from taketwo.replay import current
from taketwo.replay.agents import Agent
from taketwo.replay.engine import DEFAULT_LIMITS, Limits, Replay
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.stand_in import StandIn
from taketwo.replay.tools import DEFAULT_POLICY as DEFAULT_TOOLS
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.user_side import DEFAULT_USERS, Users
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.suite.contrast import contrast_of, floor_of, with_contrast
from taketwo.suite.decide import DEFAULT_POLICY, Policy, decide, outcome
from taketwo.suite.findings import Findings, find
from taketwo.suite.repeats import Outcome, Repeats, attempts_wanted
from taketwo.suite.side_process import SideProcess
from taketwo.suite.tally import ResultStore, Tally
from taketwo.verdict import Attempt, CaseResult, Rate, Reason, VerdictKind

CONCURRENCY = 20
"""How many replays run at a time unless told otherwise."""
MANY = 50
"""From so many replays at a time on, the next one begins before the last one is judged. Of a thousand that end in the
same moment each would have to wait with its next agent until all before it were judged; so they are judged while agents
take their time. Where few go on, each case is done before the next one begins."""
WORTH_A_PROCESS = 500
"""From so many replays on, of which many go on at a time, a process beside this one judges them and writes the results;
fewer are judged before it has started. In one of several jobs there is none, as the others have the cores."""
MOMENT_S = 0.001
"""How long agents that could go on wait at most while others are judged, and one replay more, in seconds."""
GIVE_UP_AFTER = 3
"""When so many replays have found the agent unreachable, and none has reached it, the rest is not tried."""

REGRESSIONS: tuple[VerdictKind, ...] = ("fail", "flaky")
"""Verdicts that stay known when further attempts at the case could not be made."""

GARBAGE_THRESHOLDS = (200_000, 20, 50)
"""As `gc.set_threshold` takes them; Python's own begin at some hundred objects."""

log = logging.getLogger(__name__)


class SuiteCase(NamedTuple):
    """A case and where it comes from."""

    case: Case
    """The case."""
    scenario: str
    """Name of its scenario."""
    file: str | None = None
    """The scenario file; None when it comes from a store."""
    line: int | None = None
    """Line of the case in the file, from 1; None when it comes from a store."""
    from_turn: int = 1
    """The first turn in which the agent acts; those before are held as they were recorded."""
    scope: RecordedCalls | None = None
    """Recorded calls that answer where the case's own do not; None for none."""


class Terms(NamedTuple):
    """How every case of a suite is replayed and judged."""

    agent: Agent
    """The agent under test."""
    against: Agent | None
    """The old agent; None when there is none to compare with."""
    repeats: Repeats
    """How often."""
    policy: Policy
    """Which changes matter."""
    limits: Limits
    """What one turn may take."""
    tools: ToolPolicy
    """What a tool call gets that the recording cannot answer."""
    stand_in: StandIn | None
    """Who answers such a call, by that policy; None for nobody."""
    users: Users
    """How the recorded users are played."""
    evaluators: Sequence[Evaluator]
    """Judgements besides the cases' own expectations."""
    severities: Mapping[str, Weight]
    """How grave each difference is."""
    stop: asyncio.Event | None
    """Once set, what runs ends at once; None when nothing stops it."""


async def run_suite(
    cases: Iterable[SuiteCase],
    agent: Agent,
    *,
    concurrency: int = CONCURRENCY,
    repeat: int | Repeats = 1,
    against: Agent | None = None,
    policy: Policy = DEFAULT_POLICY,
    limits: Limits = DEFAULT_LIMITS,
    tools: ToolPolicy = DEFAULT_TOOLS,
    stand_in: StandIn | None = None,
    users: Users = DEFAULT_USERS,
    evaluators: Sequence[Evaluator] = (),
    severities: Mapping[str, Weight] = TABLE,
    store: ResultStore | None = None,
    suite_id: str | None = None,
    stop: asyncio.Event | None = None,
    among: int | None = None,
    done: Sequence[CaseFinished] = (),
    cores: int | None = None,
) -> AsyncIterator[Event]:
    """Replay every case `repeat` times against the agent, and yield what happens: results as they are ready.

    repeat: a number, or how long to look for evidence; the chance of a false alarm is kept over the whole suite.
    against: the old agent, replayed as often as the new one; what it does as well is no regression.
    concurrency: how many replays run at a time; the attempts of one case count as several.
    evaluators: judgements besides the cases' own expectations.
    severities: how grave each difference is, as `severity_table` makes it.
    store, suite_id: where results are kept, under which name; they are on disk when `SuiteFinished` comes.
    stop: once set, nothing new begins, what runs ends at once, and `SuiteFinished` tells of what was done before.
    among: how many cases the whole suite has, where these are a part of it; None where they are the whole.
    done: cases of the suite besides these, of which all is known; they are told first.
    cores: how many cores there are to use; None for all that this process may use.

    Whatever keeps a case from being replayed is a `CaseErrored`; nothing is raised for one case. What is kept in memory
    does not grow with the number of cases, if `cases` has a length and makes its items when they are asked for.
    """
    known = cases if isinstance(cases, Collection) else list(cases)
    in_all = len(known) + len(done)
    repeats = (Repeats(most=repeat) if isinstance(repeat, int) else repeat).for_one_of(among or in_all)
    workers = min(concurrency, len(known) * repeats.most)
    terms = Terms(agent, against, repeats, policy, limits, tools, stand_in, users, evaluators, severities, stop)
    is_worth_a_process = among is None and (cores or _cores()) > 1 and len(known) * repeats.most >= WORTH_A_PROCESS
    side = _side_process(terms, store) if is_worth_a_process and _has_background(workers, terms) else None
    with collecting_rarely(), side or nullcontext():
        tally = Tally(side if side is not None and side.keeps else store, suite_id)
        yield tally.started(agent.spec, in_all)
        for event in tally.adding(done):
            yield event
        work = _Work(known, terms, workers, side)
        async with beside(_all_done(work, workers)):
            while (found := await work.results.get()) is not None:
                tally.add(found)
                yield found
        yield await tally.finished(cancelled=work.was_cut_short)


def _has_background(workers: int, terms: Terms) -> bool:
    """Whether more is done than what agents wait for; evaluators wait, too, and side by side only in the workers."""
    return workers >= MANY and not terms.evaluators


def _side_process(terms: Terms, store: ResultStore | None) -> SideProcess:
    from taketwo.store.tables import TableStore  # who has no such store need not load it

    return SideProcess(terms.severities, store if isinstance(store, TableStore) else None)


def _cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        return os.cpu_count() or 1


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let Python look for circular garbage more rarely while many replays are going on.

    A thousand of them keep a million objects alive, and walking through those again and again takes a quarter of all
    time. What is thrown away here has no circles, so it is freed at once all the same.
    """
    before = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _made_ready(suite_case: SuiteCase, number: int, terms: Terms, agent: Agent) -> Replay:
    """One replay of a case. Raises what `Replay` raises."""
    return Replay(
        suite_case.case,
        agent,
        attempt=number,
        from_turn=suite_case.from_turn,
        limits=terms.limits,
        tools=terms.tools,
        scope=suite_case.scope,
        stand_in=terms.stand_in,
        users=terms.users,
    )


async def _judged(case: Case, run: Run, terms: Terms, found: Findings | None) -> Attempt:
    """A replay with all that is found in it. found: what is known of that already."""
    if found is None:
        found = find(case, run, severities=terms.severities, writes=_writes)
    scores = found.scores
    if terms.evaluators:
        scores += await evaluate(Context(case=case, run=run, comparison=found.comparison), terms.evaluators)
    return Attempt(run=run, comparison=found.comparison, scores=scores)


def _writes(tool: str) -> bool | None:
    """What `@taketwo.tool(writes=True)` says; without it a function says nothing, and its name decides."""
    registered = current.REGISTERED.get(tool)
    return True if registered is not None and registered.writes else None


def _writing() -> tuple[str, ...]:
    """The tools of which it says so."""
    return tuple(name for name, registered in current.REGISTERED.items() if registered.writes)


class _Open:
    """A case whose attempts are not all done."""

    def __init__(self, suite_case: SuiteCase, terms: Terms) -> None:
        self.suite_case = suite_case
        self.attempts: list[Attempt] = []
        self.against: list[Attempt] = []
        self.error: str | None = None
        self.under_way = 0
        self._terms = terms
        self._repeats = terms.repeats.with_floor(_floor_rate(suite_case.case))
        self._begun = 0

    def next_attempts(self) -> range:
        """The numbers of the attempts that cannot be spared, given those that are done; none when it is decided."""
        wanted = 0
        if self.error is None:
            # One that was cut short has no outcome, but it was begun.
            outcomes = self._outcomes() + [None] * (self._begun - len(self.attempts))
            wanted = attempts_wanted(self._repeats, outcomes)
        first = self._begun + 1
        self._begun += wanted
        self.under_way = wanted
        return range(first, first + wanted)

    def event(self) -> CaseFinished | CaseErrored | None:
        """What came of it so far; None when that is nothing."""
        case, scenario, file, line, *_ = self.suite_case
        new, old = _in_order(self.attempts), _in_order(self.against)
        policy, against = self._terms.policy, self._terms.against
        floor = None if against is None else floor_of(case, against.spec, old, policy)
        verdict = decide(case, new, policy, repeats=self._repeats, floor=floor)
        if self.error is not None:
            if verdict.kind not in REGRESSIONS:
                place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
                return CaseErrored(
                    name=case.id,
                    error=f"{place}{case.id}: {self.error}",
                    file=file,
                    line=line,
                    quarantine=case.kept.quarantine,
                )
            left_out = Reason(text=f"further attempts could not be made: {self.error}", severity="minor")
            verdict = verdict.but(reasons=(*verdict.reasons, left_out))
        elif not new:
            return None
        contrast = None if against is None else contrast_of(case, old, new, policy)
        result = CaseResult(
            scenario=scenario,
            case_id=case.id,
            recorded_id=case.recorded.id,
            also_of=case.also_of(),
            verdict=verdict if contrast is None else with_contrast(verdict, contrast),
            file=file,
            line=line,
            why=case.why,
            kept=case.kept,
            attempts=new,
            against=old,
            contrast=contrast,
            repeats=_told(self._repeats),
        )
        return CaseFinished(case=case, result=result)

    def _outcomes(self) -> list[Outcome]:
        if self._repeats.until == "counted":
            return [None] * len(self.attempts)  # what they say does not matter
        return [outcome(self.suite_case.case, attempt, self._terms.policy) for attempt in _in_order(self.attempts)]


@functools.lru_cache(maxsize=64)
def _told(repeats: Repeats) -> dict[str, Any]:
    """As JSON; the same for most cases of a suite."""
    return repeats.to_builtins()


def _in_order(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    return tuple(sorted(attempts, key=lambda attempt: attempt.run.attempt))


def _floor_rate(case: Case) -> Rate | None:
    floor = case.floor
    return None if floor is None else Rate(passed=floor.passed, runs=floor.runs, low=0, high=1)


class _Attempt:
    """One attempt at a case, from its replays to what is found in them."""

    def __init__(self, case: _Open, number: int) -> None:
        self.case = case
        self.found: tuple[Findings, ...] | None = None
        """What is found in each run; None where that is still to be done."""
        self._number = number
        self._replays: tuple[Replay, ...] = ()

    async def play(self, terms: Terms) -> bool:
        """Replay it with the agent, and with the old one where there is one; whether that came to its end.

        Raises ScenarioUnreadable, and what a `Replay` raises.
        """
        suite_case = self.case.suite_case
        insist_on_sense(suite_case.case)
        # Side by side, so that a service that drifts does so for both.
        agents = (terms.agent,) if terms.against is None else (terms.agent, terms.against)
        self._replays = tuple(_made_ready(suite_case, self._number, terms, agent) for agent in agents)
        for one in self._replays:
            await one.play(terms.stop)
        return self._replays[0].ending.reason != "cancelled"

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """What came of its replays."""
        return tuple(one.run() for one in self._replays)

    async def settle(self, terms: Terms) -> None:
        """Judge it, where that is not done, and add it to its case."""
        case = self.case.suite_case.case
        found = self.found or (None,) * len(self.runs)
        new, *old = [await _judged(case, run, terms, of_it) for run, of_it in zip(self.runs, found, strict=True)]
        self.case.attempts.append(new)
        self.case.against.extend(old)


class _Work:
    """All that is to be done, handed out attempt by attempt."""

    def __init__(self, cases: Iterable[SuiteCase], terms: Terms, workers: int, side: SideProcess | None) -> None:
        # Each worker may have one result waiting; when that is not taken, it does not begin another replay.
        self.results: asyncio.Queue[CaseFinished | CaseErrored | None] = asyncio.Queue(maxsize=workers)
        self.was_cut_short = False
        self._terms = terms
        self._workers = workers
        self._has_background = _has_background(workers, terms)
        self._background: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self._side = side
        self._cases = iter(cases)
        self._open: dict[int, _Open] = {}
        # Each attempt wakes one worker; None at the end goes from one to the next.
        self._ready: asyncio.Queue[_Attempt | None] = asyncio.Queue()
        self._has_begun_all = False
        self._unreachable = 0
        self._was_reached = False

    async def do(self) -> None:
        """Take attempts until there are none left: what one worker does."""
        while (attempt := await self._next()) is not None:
            if self._terms.stop is not None and self._terms.stop.is_set():
                self._end_early()
                return
            is_played = attempt.case.error is None and await self._play(attempt)
            if not is_played or not self._has_background:
                await self._settle(attempt, is_played=is_played)
            elif self._background.qsize() < self._workers:
                self._background.put_nowait(partial(self._see_to, attempt))
            else:
                await self._see_to(attempt)

    async def do_in_background(self) -> None:
        """What no agent waits for, for a moment whenever all workers that could go on have gone on."""
        began = time.perf_counter()
        while (work := await self._background.get()) is not None:
            await work()
            self._background.task_done()
            if time.perf_counter() - began > MOMENT_S:
                await asyncio.sleep(0)
                began = time.perf_counter()

    async def end_background(self) -> None:
        """The workers are done, so that `do_in_background` may end, too."""
        await self._background.join()
        if self._side is not None:
            await self._side.all_judged()
            await self._background.join()
        self._background.put_nowait(None)

    async def _see_to(self, attempt: _Attempt) -> None:
        """Have an attempt that was played judged."""
        with self._noting_errors(attempt.case):
            tell = partial(self._judged_beside, attempt)
            case = attempt.case.suite_case.case
            if self._side is not None and self._side.ask(case, attempt.runs, _writing(), tell):
                return
        await self._settle(attempt)

    def _judged_beside(self, attempt: _Attempt, found: tuple[Findings, ...] | None) -> None:
        attempt.found = found
        self._background.put_nowait(partial(self._settle, attempt))

    async def _next(self) -> _Attempt | None:
        """An attempt of an open case, else the first of a new one; None once nothing can come any more."""
        while self._ready.empty() and not self._has_begun_all:
            if (suite_case := next(self._cases, None)) is not None:
                case = _Open(suite_case, self._terms)
                self._open[id(case)] = case
                self._hand_out(case)
            else:
                self._has_begun_all = True
                self._end_if_over()
        if (found := await self._ready.get()) is None:
            self._ready.put_nowait(None)  # for the worker that asks next
        return found

    def _end_if_over(self) -> None:
        """Let no worker wait any longer for what cannot come."""
        if self.was_cut_short or (self._has_begun_all and not self._open):
            self._ready.put_nowait(None)

    def _end_early(self) -> None:
        self.was_cut_short = self._has_begun_all = True
        self._end_if_over()

    def _hand_out(self, case: _Open) -> bool:
        numbers = case.next_attempts()
        for number in numbers:
            self._ready.put_nowait(_Attempt(case, number))
        return bool(numbers)

    async def _go_on_with(self, case: _Open) -> None:
        """All that was handed out of it is done: more of it, or the result."""
        if not self._hand_out(case):
            del self._open[id(case)]
            self._end_if_over()
            await self._tell(case)

    async def tell_the_rest(self) -> None:
        """Cases that were cut short, as far as they were done."""
        for case in self._open.values():
            await self._tell(case)
        await self.results.put(None)

    async def _play(self, attempt: _Attempt) -> bool:
        """Whether anything came of the attempt."""
        case = attempt.case
        if self._unreachable >= GIVE_UP_AFTER and not self._was_reached:
            case.error = f"not tried, as {GIVE_UP_AFTER} replays before could not reach the agent"
            return False
        with self._noting_errors(case):
            is_whole = await attempt.play(self._terms)
            self._was_reached = True
            if is_whole:
                return True
            self._end_early()
        return False

    async def _settle(self, attempt: _Attempt, *, is_played: bool = True) -> None:
        """Judge what came of an attempt, if anything did, and go on with its case."""
        case = attempt.case
        if is_played:
            with self._noting_errors(case):
                await attempt.settle(self._terms)
        case.under_way -= 1
        if case.under_way == 0:
            await self._go_on_with(case)

    @contextmanager
    def _noting_errors(self, case: _Open) -> Iterator[None]:
        """What goes wrong with one case is told of it, and leaves the others alone."""
        try:
            yield
        except AgentUnreachable as error:
            self._unreachable += 1
            case.error = str(error)
        except TakeTwoError as error:
            case.error = str(error)
        except Exception as error:  # a bug of ours must not take the results of all other cases along
            log.exception("replaying %s", case.suite_case.case.id)
            case.error = f"Take Two failed: {type(error).__name__}: {error} (please report this, with the log)"

    async def _tell(self, case: _Open) -> None:
        if (event := case.event()) is not None:
            await self.results.put(event)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let work go on beside the block; it ends with the block, however that is left."""
    leaving: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        everything = group.create_task(work)
        try:
            yield
        except (Exception, GeneratorExit) as error:
            # Not through the task group, which would wrap it in a group of exceptions.
            leaving = error
        everything.cancel()
    if leaving is not None:
        raise leaving


async def _all_done(work: _Work, workers: int) -> None:
    async with asyncio.TaskGroup() as background:
        background.create_task(work.do_in_background())
        async with asyncio.TaskGroup() as replaying:
            for number in range(1, workers + 1):
                replaying.create_task(work.do())
                if number % MANY == 0:
                    await asyncio.sleep(0)  # the first agents are asked before the last replays are made ready
        await work.end_background()
    await work.tell_the_rest()

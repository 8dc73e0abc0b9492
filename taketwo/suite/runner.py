"""Cases + agent ─► events: replays every case, compares, checks, decides, and tells what happens while it does."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from taketwo.compare.compare import compare
from taketwo.errors import AgentUnreachable, TakeTwoError
from taketwo.evals.checks import check
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.evals.sense import insist_on_sense
from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.replay import current
from taketwo.replay.agents import Agent
from taketwo.replay.engine import DEFAULT_LIMITS, Limits, replay
from taketwo.replay.tools import DEFAULT_POLICY as DEFAULT_TOOLS
from taketwo.replay.tools import ToolPolicy
from taketwo.scenario import Case
from taketwo.suite.decide import DEFAULT_POLICY, Policy, decide
from taketwo.verdict import Attempt, CaseResult, Reason, VerdictKind

CONCURRENCY = 20
"""How many replays run at a time unless told otherwise."""
GIVE_UP_AFTER = 3
"""When so many replays have found the agent unreachable, and none has reached it, the rest is not tried."""

REGRESSIONS: tuple[VerdictKind, ...] = ("fail", "flaky")
"""Verdicts that stay known when further attempts at the case could not be made."""

GARBAGE_THRESHOLDS = (20_000, 20, 50)
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


class ResultStore(Protocol):
    """Where results are kept; every store is one."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result."""

    def flush(self) -> None:
        """Wait until every added result is on disk."""


class Terms(NamedTuple):
    """How every case of a suite is replayed and judged."""

    agent: Agent
    """The agent under test."""
    policy: Policy
    """Which changes matter."""
    limits: Limits
    """What one turn may take."""
    tools: ToolPolicy
    """What a tool call gets that the recording cannot answer."""
    evaluators: Sequence[Evaluator]
    """Judgements besides the cases' own expectations."""
    stop: asyncio.Event | None
    """Once set, what runs ends at once; None when nothing stops it."""


async def run_suite(
    cases: Iterable[SuiteCase],
    agent: Agent,
    *,
    concurrency: int = CONCURRENCY,
    repeat: int = 1,
    policy: Policy = DEFAULT_POLICY,
    limits: Limits = DEFAULT_LIMITS,
    tools: ToolPolicy = DEFAULT_TOOLS,
    evaluators: Sequence[Evaluator] = (),
    store: ResultStore | None = None,
    suite_id: str | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Event]:
    """Replay every case `repeat` times against the agent, and yield what happens: results as they are ready.

    concurrency: how many replays run at a time; the attempts of one case count as several.
    evaluators: judgements besides the cases' own expectations.
    store, suite_id: where results are kept, under which name; they are on disk when `SuiteFinished` comes.
    stop: once set, nothing new begins, what runs ends at once, and `SuiteFinished` tells of what was done before.

    Whatever keeps a case from being replayed is a `CaseErrored`; nothing is raised for one case. What is kept in memory
    does not grow with the number of cases, if `cases` has a length and makes its items when they are asked for.
    """
    known = cases if isinstance(cases, Collection) else list(cases)
    began, at = time.monotonic(), datetime.now(UTC)
    yield SuiteStarted(agent=agent.spec, cases=len(known), at=at)
    workers = min(concurrency, len(known) * repeat)
    work = _Work(known, repeat, Terms(agent, policy, limits, tools, evaluators, stop), workers)
    counts: Counter[str] = Counter()
    with _collecting_rarely():
        async with _working(work, workers) as results:
            while (event := await results.get()) is not None:
                counts[event.result.verdict.kind if isinstance(event, CaseFinished) else "error"] += 1
                if store is not None and isinstance(event, CaseFinished):
                    store.add_result(suite_id or f"{at:%Y%m%dT%H%M%S.%f}", event.result)
                yield event
    if store is not None:
        # Waits for a disk; the event loop may have other work.
        await asyncio.to_thread(store.flush)
    yield SuiteFinished(
        at=datetime.now(UTC), duration_s=time.monotonic() - began, counts=dict(counts), cancelled=work.was_cut_short
    )


@contextmanager
def _collecting_rarely() -> Iterator[None]:
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


async def attempt(case: Case, number: int, terms: Terms) -> Attempt:
    """One replay of a case with all that was found in it. Raises what `replay` raises."""
    run = await replay(case, terms.agent, attempt=number, limits=terms.limits, tools=terms.tools, stop=terms.stop)
    comparison = compare(case.recorded, run.conversation, writes=_writes)
    scores = check(case, run, comparison)
    if terms.evaluators:
        scores += await evaluate(Context(case=case, run=run, comparison=comparison), terms.evaluators)
    return Attempt(run=run, comparison=comparison, scores=scores)


def _writes(tool: str) -> bool | None:
    """What `@taketwo.tool(writes=True)` says; without it a function says nothing, and its name decides."""
    registered = current.REGISTERED.get(tool)
    return True if registered is not None and registered.writes else None


class _Open:
    """A case whose attempts are not all done."""

    def __init__(self, suite_case: SuiteCase, attempts_left: int) -> None:
        self.suite_case = suite_case
        self.attempts_left = attempts_left
        self.attempts: list[Attempt] = []
        self.error: str | None = None

    def event(self, policy: Policy) -> CaseFinished | CaseErrored | None:
        """What came of it so far; None when that is nothing."""
        case, scenario, file, line = self.suite_case
        in_order = tuple(sorted(self.attempts, key=lambda attempt: attempt.run.attempt))
        verdict = decide(case, in_order, policy)
        if self.error is not None:
            if verdict.kind not in REGRESSIONS:
                place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
                return CaseErrored(name=case.id, error=f"{place}{case.id}: {self.error}", file=file, line=line)
            left_out = Reason(text=f"further attempts could not be made: {self.error}", severity="minor")
            verdict = verdict.but(reasons=(*verdict.reasons, left_out))
        elif not in_order:
            return None
        result = CaseResult(
            scenario=scenario,
            case_id=case.id,
            recorded_id=case.recorded.id,
            verdict=verdict,
            file=file,
            line=line,
            why=case.why,
            attempts=in_order,
        )
        return CaseFinished(case=case, result=result)


class _Work:
    """All that is to be done, handed out attempt by attempt."""

    def __init__(self, cases: Iterable[SuiteCase], repeat: int, terms: Terms, workers: int) -> None:
        # Each worker may have one result waiting; when that is not taken, it does not begin another replay.
        self.results: asyncio.Queue[CaseFinished | CaseErrored | None] = asyncio.Queue(maxsize=workers)
        self.was_cut_short = False
        self._terms = terms
        self._open: dict[int, _Open] = {}
        self._attempts = self._handed_out(cases, repeat)
        self._unreachable = 0
        self._was_reached = False

    def _handed_out(self, cases: Iterable[SuiteCase], repeat: int) -> Iterator[tuple[_Open, int]]:
        for suite_case in cases:
            case = _Open(suite_case, repeat)
            self._open[id(case)] = case
            for number in range(1, repeat + 1):
                yield case, number

    async def do(self) -> None:
        """Take attempts until there are none left: what one worker does."""
        for case, number in self._attempts:
            if self._terms.stop is not None and self._terms.stop.is_set():
                self.was_cut_short = True
                return
            if case.error is None:
                await self._replay(case, number)
            case.attempts_left -= 1
            if case.attempts_left == 0:
                del self._open[id(case)]
                await self._tell(case)

    async def tell_the_rest(self) -> None:
        """Cases that were cut short, as far as they were done."""
        for case in self._open.values():
            await self._tell(case)
        await self.results.put(None)

    async def _replay(self, case: _Open, number: int) -> None:
        if self._unreachable >= GIVE_UP_AFTER and not self._was_reached:
            case.error = f"not tried, as {GIVE_UP_AFTER} replays before could not reach the agent"
            return
        try:
            insist_on_sense(case.suite_case.case)
            done = await attempt(case.suite_case.case, number, self._terms)
        except AgentUnreachable as error:
            self._unreachable += 1
            case.error = str(error)
        except TakeTwoError as error:
            case.error = str(error)
        except Exception as error:  # a bug of ours must not take the results of all other cases along
            log.exception("replaying %s", case.suite_case.case.id)
            case.error = f"Take Two failed: {type(error).__name__}: {error} (please report this, with the log)"
        else:
            self._was_reached = True
            if done.run.ending.reason == "cancelled":
                self.was_cut_short = True
            else:
                case.attempts.append(done)

    async def _tell(self, case: _Open) -> None:
        if (event := case.event(self._terms.policy)) is not None:
            await self.results.put(event)


@asynccontextmanager
async def _working(work: _Work, workers: int) -> AsyncIterator[asyncio.Queue[CaseFinished | CaseErrored | None]]:
    """The results of workers that end with the block, however it is left."""
    leaving: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        everything = group.create_task(_all_done(work, workers))
        try:
            yield work.results
        except (Exception, GeneratorExit) as error:
            # Not through the task group, which would wrap it in a group of exceptions.
            leaving = error
        everything.cancel()
    if leaving is not None:
        raise leaving


async def _all_done(work: _Work, workers: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work.do())
    await work.tell_the_rest()

"""A suite by a plan: what is known is not replayed, what is likely to fail comes first, and it ends when told to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished
from taketwo.replay.agents import Agent
from taketwo.suite.budget import Budget, Spending
from taketwo.suite.cache import ELSEWHERE, Agents, Cache
from taketwo.suite.changed import in_words, touched
from taketwo.suite.diff import changes_since, parted_from
from taketwo.suite.executed import seen, watching
from taketwo.suite.order import in_order
from taketwo.suite.revision import agent_of
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.verdict import CaseResult, Reason, Verdict

INTERRUPTED = "the run was interrupted"
GO_ON = "go on with it: the same command with --resume"


class Plan(NamedTuple):
    """How a suite goes about its cases."""

    cache: Cache | None = None
    """What is known of earlier runs; None for nothing."""
    fail_fast: bool = False
    """Whether the first sure regression ends it."""
    budget: Budget = Budget()
    """What it may take."""
    notes: tuple[str, ...] = ()
    """What is to be said of how the cases were chosen."""
    run: Callable[..., AsyncIterator[Event]] = run_suite
    """What replays: `run_suite`, or what does the same in several processes."""
    hands_out_all: bool = False
    """Whether it takes all cases at once, so that a budget can only be kept to by stopping what runs."""
    now: Callable[[], float] = time.monotonic
    """The clock of the budget, in seconds."""


async def run_planned(
    cases: Sequence[SuiteCase], agent: Agent, plan: Plan, *, stop: asyncio.Event, **how: Any
) -> AsyncIterator[Event]:
    """As `run_suite`, by a plan. A case that was not begun is inconclusive, and says why.

    stop: once set, the run is interrupted. how: further arguments of `run_suite`.
    """
    cache = plan.cache
    known = {} if cache is None else {id(one): found for one in cases if (found := cache.find(one)) is not None}
    todo = [one for one in cases if id(one) not in known]
    if cache is not None:
        todo = in_order(todo, cache.past, cache.is_new)
    gate = _Gate(todo, plan, stop)
    for event in known.values():
        gate.look_at(event)
    with watching():
        # What is handed out is begun, so where that has a limit it is not handed out before.
        how["looks_ahead"] = plan.budget == Budget()
        async for told in plan.run(gate.cases(), seen(agent), stop=stop, done=list(known.values()), **how):
            match told:
                case CaseFinished(result=CaseResult(cached_at=None)):
                    one = gate.take_out(told.case.id, told.result.file, told.result.line)
                    if cache is not None:
                        told = told.but(result=cache.keep(one, told.result))
                    yield told
                    gate.look_at(told)
                case CaseErrored():
                    gate.take_out(told.name, told.file, told.line)
                    yield told
                case SuiteFinished():
                    left = gate.left()
                    for one in left:
                        yield CaseFinished(case=one.case, result=not_run(one, gate.why))
                    yield _ended(told, left, gate, len(known), plan)
                case _:
                    yield told
    if cache is not None:
        cache.end(is_done=not gate.left())


def narrowed(
    cases: Sequence[SuiteCase | CaseErrored], cache: Cache, agents: Agents, ref: str
) -> tuple[list[SuiteCase | CaseErrored], list[str]]:
    """The cases that what was changed since `ref` may touch; how many and why, and a line for each reason.

    Raises BadSetting.
    """
    hidden = next((spec for spec in agents.specs if agent_of(spec, {}, None) is None), None)
    unseen = (
        "what is set may have changed" if agents.overrides else None if hidden is None else ELSEWHERE.format(hidden)
    )
    changes = changes_since(cache.root, ref)
    chosen = list(touched(cases, changes, cache.file, cache.known(parted_from(cache.root, ref)), unseen))
    return [case for case, _ in chosen], in_words(chosen, len(cases), ref)


class _Gate(Collection[SuiteCase]):
    """Hands out the cases one by one, until there is a reason not to."""

    def __init__(self, cases: Sequence[SuiteCase], plan: Plan, stop: asyncio.Event) -> None:
        self._cases = cases
        self._left: dict[tuple[str, str | None, int | None], list[SuiteCase]] = {}
        for one in cases:
            self._left.setdefault((one.case.id, one.file, one.line), []).append(one)
        self._fails_fast = plan.fail_fast
        self._spending = Spending(plan.budget, plan.now)
        self._hands_out_all = plan.hands_out_all
        self._stop = stop
        self._why: str | None = None

    def __len__(self) -> int:
        return len(self._cases)

    def __contains__(self, item: object) -> bool:
        return item in self._cases

    def __iter__(self) -> Iterator[SuiteCase]:
        for one in self._cases:
            self._why = self._why or self._spending.why_no_more()
            if self._why is not None:
                return
            yield one

    def cases(self) -> Collection[SuiteCase]:
        """What is handed out."""
        if not self._hands_out_all:
            return self
        self._why = self._why or self._spending.why_no_more()
        return self._cases if self._why is None else []

    @property
    def is_closed(self) -> bool:
        """Whether the plan ended the run, and no interruption."""
        return self._why is not None

    @property
    def why(self) -> str:
        """Why no more cases begin."""
        return self._why or INTERRUPTED

    def left(self) -> list[SuiteCase]:
        """The cases of which nothing has been told."""
        return [one for ones in self._left.values() for one in ones]

    def take_out(self, id: str, file: str | None, line: int | None) -> SuiteCase:
        """The case of which something has now been told."""
        return self._left[id, file, line].pop(0)

    def look_at(self, event: CaseFinished) -> None:
        """Count what it took, and end the run where it is the regression that is to end it."""
        if event.result.cached_at is None:
            self._spending.add(event.result)
        if self._fails_fast and event.counts_as == "fail" and self._why is None:
            self._why = f"{event.result.case_id} failed, and the first failure was to end the run"
            self._stop.set()
        if self._hands_out_all and self._why is None and (why := self._spending.why_no_more()) is not None:
            self._why = why
            self._stop.set()


def not_run(one: SuiteCase, why: str, next_step: str = GO_ON) -> CaseResult:
    """The result of a case that was not begun."""
    return CaseResult(
        scenario=one.scenario,
        case_id=one.case.id,
        recorded_id=one.case.recorded.id,
        verdict=Verdict(kind="inconclusive", reasons=(Reason(text=f"not run: {why}"),), next_step=next_step),
        file=one.file,
        line=one.line,
        why=one.case.why,
        kept=one.case.kept,
    )


def _ended(event: SuiteFinished, left: Sequence[SuiteCase], gate: _Gate, cached: int, plan: Plan) -> SuiteFinished:
    """The end of the suite with what was not begun."""
    counts, notes, cache = Counter(event.counts), plan.notes, plan.cache
    counts.update(not_run(one, gate.why).counts_as for one in left)
    return event.but(
        counts=dict(counts),
        cancelled=event.cancelled and not gate.is_closed,
        from_cache=cached,
        not_run=len(left),
        why_not_run=gate.why if left else None,
        notes=notes if cache is None or cache.note is None else (*notes, cache.note),
    )

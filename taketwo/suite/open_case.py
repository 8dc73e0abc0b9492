"""A case from its first attempt to its result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from taketwo.compare.compare import Baseline, baseline
from taketwo.compare.severity import Weight
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.evals.sense import insist_on_sense
from taketwo.events import CaseErrored, CaseFinished
from taketwo.replay import current
from taketwo.replay.agents import Agent
from taketwo.replay.engine import How, Limits, Replay
from taketwo.replay.stand_in import StandIn
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.user_side import Users
from taketwo.run import Run
from taketwo.suite.case_result import (
    Decided,
    Rules,
    Tried,
    beside_the_old,
    more_wanted,
    result_of,
    verdict_over,
    with_judged,
)
from taketwo.suite.findings import attempt_of, find
from taketwo.suite.side_process import Answer, Played
from taketwo.suite.suite_case import SuiteCase
from taketwo.verdict import Attempt, CaseResult, Reason, VerdictKind

REGRESSIONS: tuple[VerdictKind, ...] = ("fail", "flaky")
"""Verdicts that stay known when further attempts at the case could not be made."""


class Terms(NamedTuple):
    """How every case of a suite is replayed and judged."""

    agent: Agent
    """The agent under test."""
    against: Agent | None
    """The old agent; None when there is none to compare with."""
    rules: Rules
    """How often, and which changes matter."""
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


class OpenCase:
    """A case of which not all is done."""

    def __init__(self, suite_case: SuiteCase, terms: Terms, number: int) -> None:
        """terms: of the suite. number: of the case in it."""
        self.suite_case = suite_case
        self.number = number
        self.error: str | None = None
        """Why it cannot be replayed any further; None while it can."""
        self.under_way = 0
        """How many attempts are handed out and not done."""
        self.is_kept = False
        """Whether somebody else sees to it that its result is stored."""
        self._terms = terms
        case, scenario, file, line, *_ = suite_case
        self.tried = Tried(case=case, scenario=scenario, file=file, line=line)
        """What is known of it so far."""
        self._ready: dict[int, tuple[Replay, ...]] = {}
        self._played: list[tuple[Replay, ...]] = []
        self._runs: list[tuple[Run, ...]] = []
        self._result: CaseResult | None = None

    def next_attempts(self) -> range:
        """The numbers of the attempts that cannot be spared, given those that are done; none when it is decided."""
        is_decided = self._result is not None or self.error is not None
        wanted = 0 if is_decided else more_wanted(self.tried, self._terms.rules)
        first = self.tried.begun + 1
        self.tried = self.tried.but(begun=self.tried.begun + wanted)
        self.under_way = wanted
        return range(first, first + wanted)

    def make_ready(self) -> None:
        """Make the first attempt ready before it is played. Raises as `play`."""
        self._ready[1] = self._made_ready(1)

    async def play(self, number: int) -> bool:
        """Replay it with the agent, and with the old one where there is one; whether that came to its end.

        number: of the attempt. Raises ScenarioUnreadable, and what a `Replay` raises.
        """
        replays = self._ready.pop(number, ()) or self._made_ready(number)
        for one in replays:
            await one.play(self._terms.stop)
        if replays[0].ending.reason == "cancelled":
            return False
        self._played.append(replays)
        return True

    @property
    def is_unjudged(self) -> bool:
        """Whether it has attempts that were played and not judged."""
        return bool(self._played or self._runs)

    def played(self) -> Played:
        """What somebody else who knows the case needs to judge these."""
        self._tell_runs()
        return Played(number=self.number, begun=self.tried.begun, runs=tuple(self._runs), writing=_writing())

    def take(self, answer: Answer) -> CaseResult | None:
        """Take in what somebody else has found; the result, where that decides the case."""
        judged = [list(map(attempt_of, *pair)) for pair in zip(self._runs, answer.found or (), strict=True)]
        self._runs.clear()
        self.tried = with_judged(self.tried, judged)
        if answer.decided is not None:
            self._result = result_of(self.tried, self._terms.rules, answer.decided)
        return self._result

    async def judge(self) -> None:
        """Judge what was played."""
        self._tell_runs()
        while self._runs:
            judged = [await self._judged(run) for run in self._runs.pop(0)]
            self.tried = with_judged(self.tried, [judged])

    def event(self) -> CaseFinished | CaseErrored | None:
        """What came of it so far; None when that is nothing."""
        decided = None if self._result is not None else self._decided()
        if isinstance(decided, CaseErrored):
            return decided
        if decided is not None:
            self._result = result_of(self.tried, self._terms.rules, decided)
        return None if self._result is None else CaseFinished(case=self.suite_case.case, result=self._result)

    def _decided(self) -> Decided | CaseErrored | None:
        tried, rules = self.tried, self._terms.rules
        if self.error is None and not tried.attempts:
            return None
        verdict = verdict_over(tried, rules)
        if self.error is not None:
            if verdict.kind not in REGRESSIONS:
                return self.errored(self.error)
            left_out = Reason(text=f"further attempts could not be made: {self.error}", severity="minor")
            verdict = verdict.but(reasons=(*verdict.reasons, left_out))
        return beside_the_old(tried, rules, verdict)

    def errored(self, error: str) -> CaseErrored:
        """That it came to no result."""
        case, _, file, line, *_ = self.suite_case
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        return CaseErrored(
            name=case.id, error=f"{place}{case.id}: {error}", file=file, line=line, quarantine=case.kept.quarantine
        )

    @cached_property
    def _before(self) -> Baseline:
        return baseline(self.suite_case.case.recorded)

    def _made_ready(self, number: int) -> tuple[Replay, ...]:
        """An attempt with each agent: side by side, so that a service that drifts does so for both."""
        suite_case, terms = self.suite_case, self._terms
        how = How(
            attempt=number,
            from_turn=suite_case.from_turn,
            limits=terms.limits,
            tools=terms.tools,
            scope=suite_case.scope,
            stand_in=terms.stand_in,
            users=terms.users,
        )
        insist_on_sense(suite_case.case)
        agents = (terms.agent,) if terms.against is None else (terms.agent, terms.against)
        return tuple(Replay(suite_case.case, agent, how) for agent in agents)

    def _tell_runs(self) -> None:
        """What came of the replays, of which nothing else is kept: it is a lot where a thousand wait to be judged."""
        while self._played:
            self._runs.append(tuple(one.run() for one in self._played.pop(0)))

    async def _judged(self, run: Run) -> Attempt:
        case, terms = self.suite_case.case, self._terms
        found = find(case, run, severities=terms.severities, writes=_writes, before=self._before)
        attempt = attempt_of(run, found)
        if terms.evaluators:
            context = Context(case=case, run=run, comparison=attempt.comparison)
            attempt = attempt.but(scores=attempt.scores + await evaluate(context, terms.evaluators))
        return attempt


def _writes(tool: str) -> bool | None:
    """What `@taketwo.tool(writes=True)` says; without it a function says nothing, and its name decides."""
    registered = current.REGISTERED.get(tool)
    return True if registered is not None and registered.writes else None


def _writing() -> tuple[str, ...]:
    """The tools of which it says so."""
    return tuple(name for name, registered in current.REGISTERED.items() if registered.writes)

"""The attempts at a case ─► its result: whether more are wanted, the verdict over them, and what is kept of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from taketwo.scenario import Case
from taketwo.suite.contrast import contrast_of, floor_of, with_contrast
from taketwo.suite.decide import DEFAULT_POLICY, Policy, decide, outcome
from taketwo.suite.repeats import ONCE, Outcome, Repeats, attempts_wanted
from taketwo.value import Value
from taketwo.verdict import Attempt, CaseResult, Contrast, Rate, Verdict


class Rules(Value):
    """How the cases of a suite are judged."""

    policy: Policy = DEFAULT_POLICY
    """Which changes matter."""
    repeats: Repeats = ONCE
    """How often each is replayed."""
    against: str | None = None
    """The old agent's SPEC; None when there is none to compare with."""

    def repeats_of(self, case: Case) -> Repeats:
        """How often this case is replayed."""
        floor = case.floor
        return self.repeats.with_floor(
            None if floor is None else Rate(passed=floor.passed, runs=floor.runs, low=0, high=1)
        )


class Tried(Value):
    """What is known of a case so far."""

    case: Case
    """The case."""
    scenario: str
    """Name of its scenario."""
    file: str | None
    """The scenario file; None when it comes from a store."""
    line: int | None
    """Line of the case in the file, from 1; None when it comes from a store."""
    begun: int = 0
    """How many attempts have begun; one that was cut short is not among the others."""
    attempts: tuple[Attempt, ...] = ()
    """The replays in order."""
    against: tuple[Attempt, ...] = ()
    """Those against the old agent, in order."""


class Decided(Value):
    """What the attempts at a case come to."""

    verdict: Verdict
    """The judgement."""
    contrast: Contrast | None
    """The old agent beside the new one; None where no old one was named."""


def with_judged(tried: Tried, judged: Iterable[Sequence[Attempt]]) -> Tried:
    """The same with these: each a replay and, where there is an old agent, that against it."""
    attempts, against = list(tried.attempts), list(tried.against)
    for new, *old in judged:
        attempts.append(new)
        against.extend(old)
    return tried.but(attempts=_in_order(attempts), against=_in_order(against))


def more_wanted(tried: Tried, rules: Rules) -> int:
    """How many more attempts cannot be spared; none when it is decided."""
    repeats = rules.repeats_of(tried.case)
    outcomes: list[Outcome] = []
    if repeats.until != "counted":  # else what they say does not matter
        outcomes = [outcome(tried.case, attempt, rules.policy) for attempt in tried.attempts]
    return attempts_wanted(repeats, outcomes + [None] * (tried.begun - len(outcomes)))


def verdict_over(tried: Tried, rules: Rules) -> Verdict:
    """The judgement over all attempts, before it is held against what the old agent did."""
    floor = None if rules.against is None else floor_of(tried.case, rules.against, tried.against, rules.policy)
    return decide(tried.case, tried.attempts, rules.policy, repeats=rules.repeats_of(tried.case), floor=floor)


def beside_the_old(tried: Tried, rules: Rules, verdict: Verdict) -> Decided:
    """The judgement with what the old agent did beside it, where there is one."""
    if rules.against is None:
        return Decided(verdict=verdict, contrast=None)
    contrast = contrast_of(tried.case, tried.against, tried.attempts, rules.policy)
    return Decided(verdict=with_contrast(verdict, contrast), contrast=contrast)


def result_of(tried: Tried, rules: Rules, decided: Decided) -> CaseResult:
    """All that is kept of it."""
    case = tried.case
    return CaseResult(
        scenario=tried.scenario,
        case_id=case.id,
        recorded_id=case.recorded.id,
        also_of=case.also_of(),
        verdict=decided.verdict,
        file=tried.file,
        line=tried.line,
        why=case.why,
        kept=case.kept,
        attempts=tried.attempts,
        against=tried.against,
        contrast=decided.contrast,
        repeats=_told(rules.repeats_of(case)),
    )


def _in_order(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    return tuple(sorted(attempts, key=lambda attempt: attempt.run.attempt))


@functools.lru_cache(maxsize=64)
def _told(repeats: Repeats) -> dict[str, Any]:
    """As JSON; the same for most cases of a suite."""
    return repeats.to_builtins()

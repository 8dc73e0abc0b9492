"""A Verdict over attempts, and the Scores it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from taketwo.comparison import Comparison
from taketwo.run import Run
from taketwo.scenario import Kept
from taketwo.value import JSON, Value

VerdictKind: TypeAlias = Literal["pass", "fail", "changed", "flaky", "inconclusive"]
"""`changed`: a person should look; `inconclusive`: not enough evidence."""


class Score(Value, tag_field="type", tag="score"):
    """One aspect of a run, judged: a bool is a check, a number a score, a text a label."""

    name: str
    """What was judged, in words: `must call check_status in turn 4`."""
    value: bool | float | str
    """The judgement."""
    reason: str | None = None
    """The evidence, in words; None when the value says it all."""
    turn_index: int | None = None
    """The replayed turn that it hangs on, from 0; None for the whole conversation."""
    evaluator: str = ""
    """Name and version of the evaluator."""
    samples: tuple[bool | float | str, ...] = ()
    """What each asking gave, where a judge was asked several times; empty where it was asked once."""


class Unscored(Value, tag_field="type", tag="unscored"):
    """An aspect that could not be judged."""

    name: str
    """What should have been judged."""
    why: str
    """Why it could not be."""
    evaluator: str = ""
    """Name and version of the evaluator."""


class Attempt(Value):
    """A run with all that was found in it."""

    run: Run
    """The replay."""
    comparison: Comparison
    """What changed."""
    scores: tuple[Score | Unscored, ...] = ()
    """The checks of the case and the evaluators' judgements."""


class Reason(Value):
    """One reason of a verdict."""

    text: str
    """In words, with turn and call."""
    turn_index: int | None = None
    """The replayed turn, from 0; None for the whole conversation."""
    severity: Literal["critical", "major", "minor", "wording"] = "major"
    """Its weight."""


class Rate(Value):
    """How often something passed, and what that leaves open."""

    passed: int
    """Attempts that passed."""
    runs: int
    """Attempts that came to a conclusion."""
    low: float
    """Lower end of the 95 % interval of the pass rate."""
    high: float
    """Upper end of it."""

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return self.runs - self.passed


class Contrast(Value):
    """The same case before the old agent and the new one."""

    old: Rate | None
    """How often the old agent passed; None where no attempt came to a conclusion."""
    new: Rate | None
    """How often the new one did."""
    p_worse: float | None
    """How likely the new one's failures are if it is no worse (one-sided Fisher); None without attempts to compare."""
    p_better: float | None
    """The same for the old one's failures, if the new one is no better."""

    @property
    def in_words(self) -> str:
        """`the old agent fails in 5 of 5 runs, the new one fails in 0 of 5 runs (p = 0.004)`."""
        sides = f"the old agent {_failures(self.old)}, the new one {_failures(self.new)}"
        if self.p_worse is None or self.p_better is None:
            return sides
        return f"{sides} (p = {min(self.p_worse, self.p_better):.2g})"

    @property
    def is_mended(self) -> bool:
        """Whether the old agent failed and the new one never does."""
        sides = self.old, self.new
        return all(side is not None for side in sides) and [one.failed > 0 for one in sides if one] == [True, False]


def _failures(side: Rate | None) -> str:
    return "came to no conclusion" if side is None else f"fails in {side.failed} of {side.runs} runs"


class MetricContrast(Value):
    """One figure of the replays by the old agent and by the new one, as means over the same cases."""

    name: str
    """The figure, as in a comparison's metrics."""
    cases: int
    """Cases for which both sides are known."""
    old: float
    """Mean of the old agent."""
    new: float
    """Mean of the new one."""
    difference_low: float
    """Lower end of the 95 % interval of the mean difference, new minus old (paired bootstrap)."""
    difference_high: float
    """Upper end of it."""


class SuiteContrast(Value):
    """The old agent beside the new one over a whole suite."""

    cases: int
    """Cases in which both came to a conclusion."""
    newly_failing: int
    """Cases that the old one mostly passes and the new one mostly fails."""
    newly_passing: int
    """The other way round."""
    p_worse: float
    """How likely so many newly failing cases are if the new one is no worse (one-sided exact McNemar)."""
    p_better: float
    """The same for the newly passing ones, if it is no better."""
    cases_needed: int | None
    """How many cases it would take to be sure that it is worse, if it goes on like this; None where that is sure, or
    not to be seen."""
    metrics: tuple[MetricContrast, ...] = ()
    """Figures and numeric scores of both."""
    not_compared: tuple[str, ...] = ()
    """Scores that two versions of an evaluator gave, so that they do not compare, in words."""


class Verdict(Value):
    """The judgement of a case: what, why, and what to do next."""

    kind: VerdictKind
    """The judgement."""
    reasons: tuple[Reason, ...] = ()
    """Every reason, weightiest first; the first one is the headline."""
    next_step: str | None = None
    """The cheapest next step; None when there is nothing to do."""
    rate: Rate | None = None
    """How often the attempts passed; None for one attempt, or where none came to a conclusion."""


class SeenAt(Value):
    """Where a case was green or red."""

    revision: str
    """The commit of the agent."""
    at: datetime
    """When it was replayed, UTC."""


class Past(Value):
    """What earlier runs say of a case."""

    green: SeenAt | None = None
    """Where it last passed; None where no such run is known."""
    red: SeenAt | None = None
    """Where it first failed since then; None where it did not, or where that is not known."""


class CaseResult(Value):
    """A case, its attempts and the verdict."""

    scenario: str
    """Name of the scenario."""
    case_id: str
    """The case."""
    recorded_id: str
    """Id of the recorded conversation."""
    verdict: Verdict
    """The judgement."""
    also_of: tuple[str, ...] = ()
    """Ids of further captured conversations that the case is made of; its results are deleted with each of them."""
    file: str | None = None
    """The scenario file it came from; None when it came from the store."""
    line: int | None = None
    """Line of the case in that file, from 1; None when it came from the store."""
    why: str | None = None
    """Why the case exists."""
    kept: Kept = Kept()
    """Who answers for it, and whether it counts."""
    attempts: tuple[Attempt, ...] = ()
    """The replays in order."""
    against: tuple[Attempt, ...] = ()
    """Replays against the old agent, in order, where one was named."""
    contrast: Contrast | None = None
    """The old agent beside the new one; None where no old one was named."""
    repeats: dict[str, JSON] | None = None
    """How often it was to be replayed, as `suite/repeats.py` has it: a second judging needs it; None where unknown."""
    past: Past | None = None
    """Where it was green and red before, this run included; None where no history is kept."""
    cached_at: datetime | None = None
    """When it was replayed, where the result was taken from an earlier run; None where it was replayed in this one."""
    metadata: dict[str, JSON] = {}
    """Further facts for reports."""

    @property
    def counts_as(self) -> str:
        """What a suite counts it under: its verdict; `quarantined`, whatever that says, where it does not count."""
        return self.verdict.kind if self.kept.quarantine is None else "quarantined"

"""A Verdict over attempts, and the Scores it rests on."""

from __future__ import annotations

from typing import Literal, TypeAlias

from taketwo.comparison import Comparison
from taketwo.run import Run
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


class Verdict(Value):
    """The judgement of a case: what, why, and what to do next."""

    kind: VerdictKind
    """The judgement."""
    reasons: tuple[Reason, ...] = ()
    """Every reason, weightiest first; the first one is the headline."""
    next_step: str | None = None
    """The cheapest next step; None when there is nothing to do."""


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
    file: str | None = None
    """The scenario file it came from; None when it came from the store."""
    line: int | None = None
    """Line of the case in that file, from 1; None when it came from the store."""
    why: str | None = None
    """Why the case exists."""
    attempts: tuple[Attempt, ...] = ()
    """The replays in order."""
    metadata: dict[str, JSON] = {}
    """Further facts for reports."""

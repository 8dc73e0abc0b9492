"""A replay ─► what is found in it: what changed, and what the case's own expectations say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from taketwo.compare.compare import Baseline, compare
from taketwo.compare.severity import Weight
from taketwo.comparison import Comparison
from taketwo.evals.checks import check
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.value import Value
from taketwo.verdict import Attempt, Score, Unscored


class Findings(Value):
    """What is found in one replay without asking anybody."""

    comparison: Comparison
    """What changed."""
    scores: tuple[Score | Unscored, ...]
    """The checks of the case."""


def find(
    case: Case,
    run: Run,
    *,
    severities: Mapping[str, Weight],
    writes: Callable[[str], bool | None],
    before: Baseline | None = None,
) -> Findings:
    """Compare a replay with its recording, and check it. severities, writes, before: as for `compare`."""
    comparison = compare(
        case.recorded,
        run.conversation,
        before=before,
        writes=writes,
        severities=severities,
        cut_short_in=run.cut_short_in,
    )
    return Findings(comparison=comparison, scores=check(case, run, comparison))


def attempt_of(run: Run, found: Findings) -> Attempt:
    """The replay with what is found in it."""
    return Attempt(run=run, comparison=found.comparison, scores=found.scores)

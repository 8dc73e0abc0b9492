"""The A/A floor: how the unchanged agent varies by itself, so that this much is no regression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from taketwo.comparison import Change, Comparison
from taketwo.scenario import Floor, FloorChange
from taketwo.stats.groups import fisher
from taketwo.suite.repeats import Outcome

Key: TypeAlias = tuple[str, str | None, int | None]
"""Kind of change, tool, recorded turn from 1: what makes two changes the same."""

ALPHA = 0.05
"""What is rarer than this under the floor is above it."""
MOSTLY = 0.5
"""A case that the unchanged agent passes less often than this is broken, not noisy: no floor excuses that."""


def learn_floor(
    agent: str, comparisons: Sequence[Comparison], outcomes: Sequence[Outcome], *, at: datetime, keep: timedelta
) -> Floor:
    """What replays of the unchanged agent show. Comparisons and outcomes belong together, one for each replay."""
    known = [(one, passed) for one, passed in zip(comparisons, outcomes, strict=True) if passed is not None]
    seen = _seen(comparison for comparison, _ in known)
    return Floor(
        agent=agent,
        learned_at=at,
        expires_at=at + keep,
        runs=len(known),
        passed=sum(passed for _, passed in known),
        changes=tuple(
            FloorChange(kind=kind, tool=tool, turn=turn, seen=times)
            for (kind, tool, turn), times in sorted(seen.items(), key=lambda item: repr(item[0]))
        ),
    )


class Tolerance(NamedTuple):
    """What is excused in the attempts at a case."""

    changes: frozenset[Key] = frozenset()
    """Changes that come no more often than the unchanged agent shows them."""
    failures: float | None = None
    """How likely so many failures are for the unchanged agent; None where no floor speaks of it."""

    def excuses(self, change: Change) -> bool:
        """Whether this change is within the floor."""
        return _key(change) in self.changes


NOTHING = Tolerance()


def tolerance(floor: Floor | None, comparisons: Sequence[Comparison], outcomes: Sequence[Outcome]) -> Tolerance:
    """What the floor excuses in these attempts."""
    if floor is None or not floor.runs:
        return NOTHING
    seen, runs = _seen(comparisons), len(comparisons)
    within = frozenset(
        key
        for change in floor.changes
        if (times := seen.get(key := (change.kind, change.tool, change.turn)))
        and fisher(times, runs, change.seen, floor.runs) > ALPHA
    )
    known = [outcome for outcome in outcomes if outcome is not None]
    is_noise = MOSTLY * floor.runs <= floor.passed < floor.runs
    failures = fisher(known.count(False), len(known), floor.runs - floor.passed, floor.runs) if is_noise else None
    return Tolerance(within, failures)


def _seen(comparisons: Iterable[Comparison]) -> Counter[Key]:
    """In how many comparisons each change stands."""
    return Counter(key for comparison in comparisons for key in {_key(change) for change in comparison.changes})


def _key(change: Change) -> Key:
    return change.kind, change.tool, None if change.recorded_turn is None else change.recorded_turn + 1

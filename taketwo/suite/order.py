"""Which case is replayed first: the one that is likeliest to fail for the time it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

from taketwo.suite.memory import TrackRecord

Item = TypeVar("Item")

PRIOR_FAILED, PRIOR_PASSED = 0.5, 4.5
"""What is believed of a case before its first replay: one in ten fails."""
LEAST_SECONDS = 0.1
"""Below it, one case is as soon done as another."""


def in_order(
    items: Sequence[Item], past: Callable[[Item], TrackRecord | None], is_new: Callable[[Item], bool]
) -> list[Item]:
    """First what was changed since it was last replayed or never was, then by the chance of a failure a second.

    The chance is the mean of a Beta posterior over how the case went so far, in which older replays count less. Of a
    case without a past the usual time is supposed. Equals stay in the order in which they are given.
    """
    known = [found.seconds for item in items if (found := past(item)) is not None and found.seconds]
    usual_s = median(known) if known else LEAST_SECONDS

    def rank(item: Item) -> tuple[bool, float]:
        found = past(item) or TrackRecord(seconds=usual_s)
        return not is_new(item), -failing_a_second(found)

    return sorted(items, key=rank)


def failing_a_second(past: TrackRecord) -> float:
    """The chance that a replay of the case fails, for each second that it takes."""
    failed, passed = PRIOR_FAILED + past.failed, PRIOR_PASSED + past.passed
    return failed / (failed + passed) / max(past.seconds, LEAST_SECONDS)

"""Times in which somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Stretch(NamedTuple):
    """A time in which somebody speaks."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


def joined(stretches: Sequence[Stretch], within_s: float) -> list[Stretch]:
    """Stretches with those made one that are less than `within_s` apart."""
    found: list[Stretch] = []
    for each in sorted(stretches):
        if found and each.start_s - found[-1].end_s < within_s:
            found[-1] = Stretch(found[-1].start_s, max(found[-1].end_s, each.end_s))
        else:
            found.append(each)
    return found

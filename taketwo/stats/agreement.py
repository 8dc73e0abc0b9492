"""How far two who label the same things agree: numbers only."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from taketwo.stats.intervals import Interval, wilson

RESAMPLES = 2_000
SEED = 20_261_123
"""The same labels give the same interval."""


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa: agreement beyond chance, 1 for all of it and 0 for none. None where chance alone agrees always.

    Source: J. Cohen, 1960.
    """
    if not pairs:
        return None
    total = len(pairs)
    agreed = sum(one == other for one, other in pairs) / total
    left, right = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    by_chance = sum(left[label] * right[label] for label in left) / total**2
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def kappa_interval(pairs: Sequence[tuple[str, str]], confidence: float = 0.95) -> Interval | None:
    """Kappa with its bootstrap interval (percentiles); None where it cannot be told.

    Where all agree, every draw does, too, and would leave nothing open: there the low end is what the Wilson interval
    of the agreement leaves.
    """
    estimate = kappa(pairs)
    if estimate is None:
        return None
    if estimate == 1:
        by_chance = sum(times**2 for times in Counter(one for one, _ in pairs).values()) / len(pairs) ** 2
        low = (wilson(len(pairs), len(pairs), confidence).low - by_chance) / (1 - by_chance)
        return Interval(estimate=1.0, low=low, high=1.0, confidence=confidence)
    choose = random.Random(SEED)
    drawn = (kappa(choose.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    # A draw in which everything is alike says nothing of agreement beyond chance.
    known = sorted(one for one in drawn if one is not None)
    if not known:
        return Interval(estimate=estimate, low=-1.0, high=1.0, confidence=confidence)
    outside = (1 - confidence) / 2
    low, high = (known[min(len(known) - 1, int(share * len(known)))] for share in (outside, 1 - outside))
    return Interval(estimate=estimate, low=low, high=high, confidence=confidence)

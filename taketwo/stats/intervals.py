"""Intervals for a proportion and for a mean."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

from taketwo.value import Value


class Interval(Value):
    """An estimate with the range that the evidence leaves."""

    estimate: float
    """The best single figure."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    confidence: float = 0.95
    """How often such a range holds the truth."""


def wilson(successes: int, runs: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a proportion; with no runs at all it is [0, 1].

    Source: E. B. Wilson, 1927. It stays inside [0, 1] and is honest for few runs, where the textbook interval is not.
    """
    if not 0 <= successes <= runs:
        raise ValueError(f"{successes} successes of {runs} runs")
    if runs == 0:
        return Interval(estimate=0.5, low=0.0, high=1.0, confidence=confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / runs
    centre = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z / (1 + z * z / runs) * sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return Interval(estimate=share, low=max(0.0, centre - half), high=min(1.0, centre + half), confidence=confidence)


def bootstrap_mean(values: Sequence[float], *, seed: int, confidence: float = 0.95, resamples: int = 2000) -> Interval:
    """The percentile bootstrap interval of a mean. Raises ValueError without values.

    Paired data is given as its differences. The seed makes the same data give the same interval.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    dice = random.Random(seed)
    means = sorted(fmean(dice.choices(values, k=len(values))) for _ in range(resamples))
    tail = (1 - confidence) / 2
    low, high = (means[min(resamples - 1, int(share * resamples))] for share in (tail, 1 - tail))
    return Interval(estimate=fmean(values), low=low, high=high, confidence=confidence)

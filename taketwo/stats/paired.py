"""Was the new one worse than the old one on the same cases?"""

from __future__ import annotations

from math import comb
from statistics import NormalDist


def mcnemar(newly_failing: int, newly_passing: int) -> float:
    """One-sided exact p-value that the new version fails more of the same cases than the old one.

    Only cases whose outcome changed count; under the hypothesis of no difference each is as likely to have changed
    either way. 1.0 when none has changed.
    """
    if newly_failing < 0 or newly_passing < 0:
        raise ValueError("counts cannot be negative")
    changed = newly_failing + newly_passing
    tail: float = sum(comb(changed, k) for k in range(newly_failing, changed + 1)) / 2**changed
    return tail


def cases_needed(newly_failing: float, newly_passing: float, *, alpha: float = 0.05, power: float = 0.80) -> int:
    """How many cases a one-sided McNemar test needs to see a difference in the shares of changed cases.

    Source: Connor, 1987 (normal approximation). Raises ValueError unless more fail newly than pass newly.
    """
    difference, changed = newly_failing - newly_passing, newly_failing + newly_passing
    if difference <= 0:
        raise ValueError("there is no loss to find")
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha), NormalDist().inv_cdf(power)
    root = z_alpha * changed**0.5 + z_power * (changed - difference**2) ** 0.5
    return int(-(-(root**2) // difference**2))

"""Deciding while runs come in: as few as the evidence needs, and honest however often one looks.

Wald's sequential probability ratio test between a healthy pass rate and a broken one. The likelihood ratio is a test
martingale, so by Ville's inequality the chance that a healthy case is ever called broken is at most `alpha`, whenever
the runs stop. A pass rate above the healthy one only makes that chance smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Literal, TypeAlias

from taketwo.value import Value

Decision: TypeAlias = Literal["healthy", "broken", "undecided"]


class Rates(Value):
    """What is told apart, and how surely."""

    healthy: float = 0.95
    """Pass rate of a case that is as it should be."""
    broken: float = 0.50
    """Pass rate from which a case counts as broken."""
    alpha: float = 0.05
    """At most so often a healthy case is called broken."""
    beta: float = 0.05
    """At most so often a broken case is called healthy."""

    def __post_init__(self) -> None:
        """Refuse what cannot be told apart."""
        if not (0 < self.broken < self.healthy < 1 and 0 < self.alpha < 1 and 0 < self.beta < 1):
            raise ValueError(f"these rates cannot be told apart: {self}")

    def for_one_of(self, cases: int) -> Rates:
        """The same rates for one case of a suite whose chance of any false alarm shall stay at `alpha`."""
        return self.but(alpha=self.alpha / max(1, cases))


def evidence(outcomes: Iterable[bool], rates: Rates) -> float:
    """Log of the likelihood ratio, broken over healthy: above 0 the runs speak for broken."""
    on_pass = log(rates.broken / rates.healthy)
    on_fail = log((1 - rates.broken) / (1 - rates.healthy))
    return sum(on_pass if passed else on_fail for passed in outcomes)


def decide_sequentially(outcomes: Iterable[bool], rates: Rates) -> Decision:
    """What the runs so far decide; once decided, later runs do not undo it."""
    bound_broken, bound_healthy = log(1 / rates.alpha), log(rates.beta)
    ratio = 0.0
    for passed in outcomes:
        ratio += evidence([passed], rates)
        if ratio >= bound_broken:
            return "broken"
        if ratio <= bound_healthy:
            return "healthy"
    return "undecided"

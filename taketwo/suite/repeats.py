"""How often a case is replayed: a counted number of times, or as often as the evidence needs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log
from typing import Literal, TypeAlias

from taketwo.errors import BadSetting
from taketwo.stats.intervals import wilson
from taketwo.stats.sequential import Decision, Rates, decide_sequentially, evidence
from taketwo.value import Value
from taketwo.verdict import Rate

Outcome: TypeAlias = bool | None
"""What one attempt says: passed, failed, or None for no conclusion."""

MOST_ATTEMPTS = 20
"""Where the evidence decides, a case is replayed so often at most unless told otherwise."""
OPEN_ENDS = 3
"""So many attempts without a conclusion, and none with one, end the search: the recording lacks something."""


class Repeats(Value):
    """How often a case is replayed."""

    most: int = 1
    """At most so often."""
    until: Literal["counted", "confirmed", "sure"] = "counted"
    """`counted`: just so often. `sure`: until pass or fail is sure. `confirmed`: a first pass is believed, a failure is
    repeated until it is sure."""
    rates: Rates = Rates()
    """What `sure` tells apart, and with which error rates."""

    def for_one_of(self, cases: int) -> Repeats:
        """The same for one case of a suite whose chance of any false alarm shall stay at `rates.alpha`."""
        return self.but(rates=self.rates.for_one_of(cases)) if cases > 1 else self

    def with_floor(self, floor: Rate | None) -> Repeats:
        """The same for a case that the unchanged agent fails now and then by itself."""
        if floor is None or floor.passed == floor.runs:
            return self
        # Rates of 0 and 1 decide at once; the estimate is drawn to the middle by one run of each kind.
        healthy = min(self.rates.healthy, (floor.passed + 1) / (floor.runs + 2))
        broken = healthy * self.rates.broken / self.rates.healthy
        return self.but(rates=self.rates.but(healthy=healthy, broken=broken))


ONCE = Repeats()


def read_repeats(text: str) -> Repeats:
    """`3`, `auto`, `auto:30` (until sure, at most so often), `confirm`, `confirm:30`. Raises BadSetting."""
    name, _, most = text.strip().partition(":")
    until = {"auto": "sure", "confirm": "confirmed"}.get(name, "counted")
    number = most if until != "counted" else text.strip()
    if until != "counted" and not most and ":" not in text:
        number = str(MOST_ATTEMPTS)
    if not (number.isascii() and number.isdigit() and int(number[:9]) > 0):
        raise BadSetting(
            f"{text!r} does not say how often to repeat", todo="use a number, auto, auto:N, confirm or confirm:N"
        )
    return Repeats(most=int(number[:9]), until=until)  # type: ignore[arg-type]  # one of the three


def decision(repeats: Repeats, outcomes: Sequence[Outcome]) -> Decision:
    """What the attempts so far decide, those without a conclusion left out."""
    return decide_sequentially((outcome for outcome in outcomes if outcome is not None), repeats.rates)


def attempts_wanted(repeats: Repeats, outcomes: Sequence[Outcome]) -> int:
    """How many more attempts cannot be spared, so that they may run side by side; 0 when there are enough."""
    left = repeats.most - len(outcomes)
    if repeats.until == "counted" or left <= 0:
        return max(0, left)
    known = [outcome for outcome in outcomes if outcome is not None]
    if not known:
        return 0 if len(outcomes) >= OPEN_ENDS else 1
    if repeats.until == "confirmed" and known[0]:
        return 0
    if decide_sequentially(known, repeats.rates) != "undecided":
        return 0
    return min(left, _least_for_a_decision(known, repeats.rates))


def rate(outcomes: Sequence[Outcome]) -> Rate | None:
    """How often it passed, with its interval; None where no attempt came to a conclusion."""
    known = [outcome for outcome in outcomes if outcome is not None]
    if not known:
        return None
    interval = wilson(sum(known), len(known))
    return Rate(passed=sum(known), runs=len(known), low=interval.low, high=interval.high)


def _least_for_a_decision(known: Sequence[bool], rates: Rates) -> int:
    """How many further runs a decision takes at least, if they all speak the same way."""
    ratio = evidence(known, rates)
    fails = (log(1 / rates.alpha) - ratio) / evidence([False], rates)
    passes = (log(rates.beta) - ratio) / evidence([True], rates)
    return max(1, ceil(min(fails, passes) - 1e-9))

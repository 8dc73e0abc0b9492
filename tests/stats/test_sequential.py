"""Sequential decisions against simulated truth."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from taketwo.stats.sequential import Rates, decide_sequentially, evidence

LONGEST = 400


def decided(dice: random.Random, share: float, rates: Rates) -> tuple[str, int]:
    """Run until decided, looking after every run."""
    seen: list[bool] = []

    def runs() -> Iterator[bool]:
        while len(seen) < LONGEST:
            seen.append(dice.random() < share)
            yield seen[-1]

    return decide_sequentially(runs(), rates), len(seen)


@pytest.mark.parametrize("share", [0.95, 0.97, 1.0])
def test_a_healthy_case_is_called_broken_in_at_most_alpha_however_often_one_looks(share: float) -> None:
    dice = random.Random(1)
    alarms = sum(decided(dice, share, Rates())[0] == "broken" for _ in range(4000))
    assert alarms / 4000 <= 0.05


def test_peeking_for_ever_does_not_raise_the_false_alarms() -> None:
    """Without the healthy bound the runs never stop by themselves: the hardest kind of optional stopping."""
    dice, rates, alarms = random.Random(2), Rates(beta=1e-300), 0
    for _ in range(1000):
        alarms += decided(dice, 0.95, rates)[0] == "broken"
    assert alarms / 1000 <= 0.05


def test_a_case_that_drops_to_one_half_is_found() -> None:
    dice = random.Random(3)
    found = sum(decided(dice, 0.5, Rates())[0] == "broken" for _ in range(4000))
    assert found / 4000 >= 0.95


def test_the_decision_takes_few_runs() -> None:
    dice = random.Random(4)
    lengths = [decided(dice, share, Rates(beta=0.10))[1] for share in (0.95, 0.5) for _ in range(4000)]
    assert sum(lengths) / len(lengths) <= 5


def test_a_suite_of_three_hundred_slightly_flaky_cases_is_rarely_red() -> None:
    dice, rates, red = random.Random(6), Rates().for_one_of(300), 0
    for _ in range(200):
        red += any(decided(dice, 0.95, rates)[0] == "broken" for _ in range(300))
    assert red / 200 <= 0.05


def test_evidence_adds_up_and_points_the_right_way() -> None:
    assert evidence([], Rates()) == 0
    assert evidence([True], Rates()) < 0 < evidence([False], Rates())
    assert [decide_sequentially([True] * runs, Rates()) for runs in (4, 5)] == ["undecided", "healthy"]


def test_rates_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        Rates(healthy=0.5, broken=0.5)

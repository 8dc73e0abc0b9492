"""Intervals hold the truth as often as they say."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from taketwo.stats.intervals import bootstrap_mean, wilson


def test_three_green_runs_out_of_three_say_little() -> None:
    assert wilson(3, 3).low == pytest.approx(0.4385, abs=1e-4)
    assert wilson(3, 3).high == 1.0


def test_no_runs_say_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize(("share", "runs"), [(0.5, 10), (0.9, 20), (0.95, 40), (0.7, 100)])
def test_wilson_holds_the_true_share_about_as_often_as_it_says(share: float, runs: int) -> None:
    dice = random.Random(7)
    held = 0
    for _ in range(4000):
        interval = wilson(sum(dice.random() < share for _ in range(runs)), runs)
        held += interval.low <= share <= interval.high
    assert held / 4000 > 0.92


def test_the_bootstrap_holds_the_true_mean_about_as_often_as_it_says() -> None:
    dice = random.Random(11)
    held = 0
    for seed in range(300):
        interval = bootstrap_mean([dice.gauss(2.0, 3.0) for _ in range(40)], seed=seed, resamples=500)
        held += interval.low <= 2.0 <= interval.high
    assert held / 300 > 0.95 - 3 * sqrt(0.95 * 0.05 / 300) - 0.02


def test_the_same_values_and_seed_give_the_same_interval() -> None:
    assert bootstrap_mean([1.0, 2.0, 5.0], seed=3) == bootstrap_mean([1.0, 2.0, 5.0], seed=3)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="4 successes of 3 runs"):
        wilson(4, 3)
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_mean([], seed=1)

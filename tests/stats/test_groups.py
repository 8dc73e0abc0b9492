"""Fisher's exact test against figures that are known, against simulated truth, and by its laws."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.stats.groups import fisher


def test_the_lady_tasting_tea() -> None:
    assert fisher(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert fisher(3, 4, 1, 4) == pytest.approx(17 / 70)


def test_without_runs_on_one_side_nothing_speaks_for_a_difference() -> None:
    assert fisher(3, 3, 0, 0) == 1.0
    assert fisher(0, 0, 3, 3) == 1.0


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_it_is_a_probability_and_more_failures_never_raise_it(failed: int, passed: int, before: int, well: int) -> None:
    runs, runs_before = failed + passed, before + well
    assert 0 < fisher(failed, runs, before, runs_before) <= 1 + 1e-12
    if passed:
        assert fisher(failed + 1, runs, before, runs_before) <= fisher(failed, runs, before, runs_before) + 1e-12


def test_equal_groups_are_told_apart_in_at_most_alpha() -> None:
    dice = random.Random(1)
    alarms = 0
    for _ in range(4000):
        failed, before = (sum(dice.random() < 0.3 for _ in range(10)) for _ in range(2))
        alarms += fisher(failed, 10, before, 10) <= 0.05
    assert alarms / 4000 <= 0.05


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 failures of 2 runs"):
        fisher(3, 2, 0, 1)

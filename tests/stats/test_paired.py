"""Paired tests, against hand-computed values and simulated truth."""

from __future__ import annotations

import random

import pytest

from taketwo.stats.paired import cases_needed, mcnemar


@pytest.mark.parametrize(
    ("failing", "passing", "p"), [(0, 0, 1.0), (1, 0, 0.5), (5, 0, 1 / 32), (5, 1, 7 / 64), (0, 4, 1.0)]
)
def test_mcnemar_is_the_exact_binomial_tail(failing: int, passing: int, p: float) -> None:
    assert mcnemar(failing, passing) == pytest.approx(p)


def test_the_known_sample_size_for_seven_against_two_percent() -> None:
    assert cases_needed(0.07, 0.02) == pytest.approx(221, abs=2)


def test_the_sample_size_gives_about_the_power_it_promises() -> None:
    dice, found, suites = random.Random(5), 0, 1500
    cases = cases_needed(0.07, 0.02)
    for _ in range(suites):
        rolls = [dice.random() for _ in range(cases)]
        found += mcnemar(sum(r < 0.07 for r in rolls), sum(0.07 <= r < 0.09 for r in rolls)) <= 0.05
    assert found / suites == pytest.approx(0.80, abs=0.07), (
        "the exact test is a little more careful than the approximation"
    )


def test_no_loss_needs_no_sample() -> None:
    with pytest.raises(ValueError, match="no loss"):
        cases_needed(0.02, 0.02)

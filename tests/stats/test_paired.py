"""Paired tests, against hand-computed values and simulated truth."""

from __future__ import annotations

import random

import pytest

from taketwo.stats.paired import cases_needed, holm, mcnemar


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


def test_holm_keeps_the_chance_of_any_false_alarm_small() -> None:
    dice, alarms = random.Random(13), 0
    for _ in range(2000):
        alarms += any(holm([dice.random() for _ in range(50)]))
    assert alarms / 2000 < 0.065


def test_holm_rejects_in_the_order_of_the_evidence() -> None:
    assert holm([0.04, 0.001, 0.02]) == [True, True, True]
    assert holm([0.04, 0.001, 0.03]) == [False, True, False]
    assert holm([]) == []


def test_no_loss_needs_no_sample() -> None:
    with pytest.raises(ValueError, match="no loss"):
        cases_needed(0.02, 0.02)

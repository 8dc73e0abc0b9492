from __future__ import annotations

import random

import pytest

from taketwo.stats.agreement import kappa, kappa_interval


def table(yes_yes: int, yes_no: int, no_yes: int, no_no: int) -> list[tuple[str, str]]:
    return [("y", "y")] * yes_yes + [("y", "n")] * yes_no + [("n", "y")] * no_yes + [("n", "n")] * no_no


def test_the_worked_example_of_the_textbooks() -> None:
    assert kappa(table(20, 5, 10, 15)) == pytest.approx(0.4)


def test_all_and_none_of_it() -> None:
    assert kappa(table(3, 0, 0, 3)) == 1
    assert kappa(table(1, 1, 1, 1)) == 0
    assert kappa(table(5, 0, 0, 0)) is None
    assert kappa([]) is None


def test_a_few_labels_that_all_agree_leave_much_open() -> None:
    few, many = kappa_interval(table(4, 0, 0, 2)), kappa_interval(table(400, 0, 0, 200))
    assert few is not None and many is not None
    assert (few.estimate, few.high) == (1, 1)
    assert few.low == pytest.approx(0.12, abs=0.01)
    assert many.low > 0.98


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    # Labels that agree with probability 0.85, evenly spread: kappa is 0.7.
    choose = random.Random(1)
    held = 0
    for _ in range(60):
        ones = [choose.choice("yn") for _ in range(80)]
        pairs = [(one, one if choose.random() < 0.85 else "yn"[one == "y"]) for one in ones]
        interval = kappa_interval(pairs)
        assert interval is not None
        held += interval.low <= 0.7 <= interval.high
    assert held >= 52

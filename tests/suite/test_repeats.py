"""How often a case is replayed, against simulated truth."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.errors import BadSetting
from taketwo.suite.repeats import OPEN_ENDS, Outcome, Repeats, attempts_wanted, decision, read_repeats
from taketwo.verdict import Rate

SURE = Repeats(most=20, until="sure")


def play(repeats: Repeats, attempt: Callable[[], Outcome]) -> list[Outcome]:
    """Attempts as the runner makes them: those that cannot be spared side by side."""
    outcomes: list[Outcome] = []
    while wanted := attempts_wanted(repeats, outcomes):
        outcomes += [attempt() for _ in range(wanted)]
    return outcomes


def share(dice: random.Random, passes: float) -> Callable[[], bool]:
    return lambda: dice.random() < passes


def test_a_counted_number_is_made_whatever_comes() -> None:
    assert play(Repeats(most=3), lambda: False) == [False] * 3


def test_a_case_that_always_passes_takes_five_and_one_that_always_fails_two() -> None:
    assert len(play(SURE, lambda: True)) == 5
    assert len(play(SURE, lambda: False)) == 2


def test_to_confirm_one_pass_is_enough_and_a_failure_is_repeated() -> None:
    confirm = Repeats(most=20, until="confirmed")
    assert play(confirm, lambda: True) == [True]
    assert len(play(confirm, lambda: False)) == 2


def test_attempts_without_a_conclusion_are_not_made_for_ever() -> None:
    assert play(SURE, lambda: None) == [None] * OPEN_ENDS


def test_095_against_050_is_decided_in_five_runs_on_average() -> None:
    dice, rates = random.Random(1), SURE.rates.but(beta=0.10)
    lengths = [len(play(SURE.but(rates=rates), share(dice, passes))) for passes in (0.95, 0.5) for _ in range(3000)]
    assert sum(lengths) / len(lengths) <= 5


def test_a_suite_of_three_hundred_slightly_flaky_cases_is_red_in_at_most_five_percent() -> None:
    dice, red = random.Random(2), 0
    for _ in range(100):
        of_suite = SURE.for_one_of(300)
        red += any(decision(of_suite, play(of_suite, share(dice, 0.95))) == "broken" for _ in range(300))
    assert red / 100 <= 0.05


def test_in_such_a_suite_a_case_that_drops_to_one_half_is_found_all_the_same() -> None:
    dice, of_suite = random.Random(3), Repeats(most=40, until="sure").for_one_of(300)
    found = sum(decision(of_suite, play(of_suite, share(dice, 0.5))) == "broken" for _ in range(2000))
    assert found / 2000 >= 0.95


def test_a_case_that_was_always_noisy_is_held_against_its_own_floor() -> None:
    dice = random.Random(4)
    noisy = SURE.with_floor(Rate(passed=7, runs=10, low=0, high=1))
    alarms = sum(decision(noisy, play(noisy, share(dice, 0.7))) == "broken" for _ in range(2000))
    assert alarms / 2000 <= 0.05
    assert decision(noisy, [False] * 10) == "broken"


@given(st.lists(st.sampled_from([True, False, None]), max_size=30), st.integers(1, 30))
def test_never_more_attempts_than_allowed_and_none_after_a_decision(outcomes: list[Outcome], most: int) -> None:
    repeats = SURE.but(most=most)
    wanted = attempts_wanted(repeats, outcomes)
    assert 0 <= wanted <= max(0, most - len(outcomes))
    if decision(repeats, outcomes) != "undecided":
        assert wanted == 0


@pytest.mark.parametrize(
    ("text", "most", "until"),
    [("3", 3, "counted"), ("auto", 20, "sure"), ("auto:7", 7, "sure"), ("confirm", 20, "confirmed")],
)
def test_what_a_person_writes(text: str, most: int, until: str) -> None:
    read = read_repeats(text)
    assert (read.most, read.until) == (most, until)


@pytest.mark.parametrize("text", ["", "0", "-1", "auto:", "auto:x", "sure", "3.5", "٣"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="how often"):
        read_repeats(text)

from __future__ import annotations

import random

import pytest

from taketwo.stats.components import Nested, components


def made(
    choose: random.Random, user: float, agent: float, judge: float, *, groups: int, attempts: int, askings: int
) -> Nested:
    """One case whose values vary by so much at each level."""
    case = []
    level = choose.gauss(5, 10)
    for _ in range(groups):
        at_user = level + choose.gauss(0, user**0.5)
        group = []
        for _ in range(choose.randint(1, attempts)):
            at_agent = at_user + choose.gauss(0, agent**0.5)
            group.append([at_agent + choose.gauss(0, judge**0.5) for _ in range(choose.randint(1, askings))])
        case.append(group)
    return case


@pytest.mark.parametrize("truth", [(1.0, 4.0, 2.0), (3.0, 0.5, 0.5), (0.0, 2.0, 1.0), (2.0, 0.0, 2.0)])
def test_the_variances_that_were_put_in_come_out_again(truth: tuple[float, float, float]) -> None:
    choose = random.Random(7)
    cases = [made(choose, *truth, groups=4, attempts=4, askings=4) for _ in range(800)]
    found = components(cases)
    assert found == pytest.approx(truth, rel=0.15, abs=0.15)


def test_what_differs_between_cases_is_no_noise() -> None:
    assert components([[[[1.0, 1.0], [1.0, 1.0]]], [[[9.0, 9.0], [9.0, 9.0]]]]) == (None, 0.0, 0.0)


def test_what_the_numbers_cannot_tell_is_none() -> None:
    assert components([]) == (None, None, None)
    assert components([[[[4.0]]]]) == (None, None, None)
    asked_once = components([[[[4.0], [6.0]]]])
    assert (asked_once.judge, asked_once.user) == (None, None)
    assert asked_once.agent == pytest.approx(2.0)
    one_attempt = components([[[[4.0, 6.0]]]])
    assert one_attempt == (None, None, 2.0)
    never_the_same_user = components([[[[4.0, 4.0]], [[6.0, 6.0]]]])
    assert never_the_same_user == (None, None, 0.0)

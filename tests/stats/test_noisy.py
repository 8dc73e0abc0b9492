"""Noisy searches against planted truth."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

from taketwo.stats.noisy import Bisection, Look, surely

NOISE = 0.1


def says(truth: bool, dice: random.Random) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return truth if dice.random() >= NOISE else not truth

    return probe


async def test_a_sure_answer_is_as_rarely_wrong_as_was_asked_for() -> None:
    dice, wrong = random.Random(1), 0
    for number in range(4000):
        truth = number % 2 == 0
        wrong += await surely(says(truth, dice), noise=NOISE, error=0.01) is not truth
    assert wrong / 4000 <= 0.01


async def test_without_noise_one_look_is_enough() -> None:
    looks = []

    async def probe() -> bool:
        looks.append(1)
        return True

    assert await surely(probe, noise=0, error=0.01) is True
    assert len(looks) == 1


async def test_looks_that_never_conclude_end() -> None:
    async def probe() -> None:
        return None

    assert await surely(probe, noise=NOISE, error=0.01) is None


def bisect(truth: int, dice: random.Random, *, each: int, most: int) -> tuple[int, int]:
    """The first bad one that was found, and how many places were looked at."""
    search, places = Bisection(64, noise=NOISE), 0
    while search.found.probability < 0.97 and places < most:
        index = search.next_look()
        assert index is not None
        places += 1
        bad = [(index >= truth) == (dice.random() >= NOISE) for _ in range(each)]
        search.learn([Look(index=index, is_bad=one) for one in bad])
    return search.found.index, places


def test_the_planted_revision_of_64_is_found_in_twelve_evaluations() -> None:
    dice = random.Random(2)
    truths = [dice.randrange(64) for _ in range(400)]
    found = [bisect(truth, dice, each=3, most=12) for truth in truths]
    assert sum(index == truth for (index, _), truth in zip(found, truths, strict=True)) / 400 >= 0.95
    assert max(places for _, places in found) <= 12


def test_a_place_without_a_conclusion_is_gone_around() -> None:
    search = Bisection(8, noise=NOISE)
    search.learn([Look(index=3, is_bad=None)])
    seen = set()
    for _ in range(40):
        index = search.next_look()
        assert index is not None
        seen.add(index)
        search.learn([Look(index=index, is_bad=index >= 3)])
    assert 3 not in seen
    assert set(search.found.candidates) <= {3, 4}


@pytest.mark.parametrize(("count", "noise"), [(0, 0.1), (5, 0.5)])
def test_a_search_that_cannot_succeed_is_refused(count: int, noise: float) -> None:
    with pytest.raises(ValueError, match="to choose from"):
        Bisection(count, noise=noise)

"""Which conversations to keep: laws of the choice, and what it says of those left out."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Conversation
from taketwo.select.choose import Choice, Traits, choose, traits_of
from taketwo.testing import call, conversation, turn

OPENINGS = ["Where is my order A-1?", "I want to return the kettle", "Cancel my subscription", "My invoice is wrong"]
TOOLS = ["check_status", "issue_refund", "cancel_order", "find_invoice", "find_customer"]


def talk(dice: random.Random, number: int) -> Conversation:
    kind = dice.randrange(len(OPENINGS))
    steps = [
        call(TOOLS[(kind + n) % len(TOOLS)], {"id": f"A-{number}"}, result="ok") for n in range(dice.randrange(1, 4))
    ]
    return conversation(turn(OPENINGS[kind], *steps, reply="Done.")).but(id=f"s-{number}")


def many(count: int, seed: int = 1) -> list[Traits]:
    dice = random.Random(seed)
    return [traits_of(talk(dice, number), lambda tool: tool.startswith(("issue", "cancel"))) for number in range(count)]


def test_every_id_is_chosen_or_left_out_with_a_reason() -> None:
    traits = many(60)
    found = choose(traits, 10)
    assert len(found.chosen) == 10
    assert sorted([*found.chosen, *(one.id for one in found.left_out)]) == sorted(one.id for one in traits)
    assert all(one.why for one in found.left_out)


def test_a_rare_failure_is_chosen_before_the_hundredth_ordinary_one() -> None:
    ordinary = [one.but(id=f"o-{n}") for n, one in enumerate(many(100))]
    failing = conversation(turn("Where is my order?", call("check_status", {}, error="down"), reply=None)).but(
        id="rare"
    )
    found = choose([*ordinary, traits_of(failing)], 6)
    assert "rare" in found.chosen


def test_near_duplicates_stand_for_each_other() -> None:
    one = conversation(turn("Where is my order A-1?", call("check_status", {"id": "A-1"}, result="ok"), reply="There."))
    same = [traits_of(one.but(id=f"same-{n}")) for n in range(5)]
    found = choose(same, 1)
    assert [left.like for left in found.left_out] == [found.chosen[0]] * 4
    assert (found.represented, found.covered) == (1.0, 1.0)


def test_what_is_kept_already_is_not_chosen_for_again() -> None:
    traits = many(40)
    first = choose(traits, 5)
    kept = [one for one in traits if one.id in first.chosen]
    rest = [one for one in traits if one.id not in first.chosen]
    again = choose(rest, 1, kept=kept)
    assert not again.added[0].startswith(first.added[0])


def test_what_no_chosen_one_has_is_named_with_its_count() -> None:
    found = choose(many(60), 1)
    assert found.uncovered
    assert all(" of 60)" in text for text in found.uncovered)


@given(st.integers(0, 25), st.integers(0, 30), st.integers(1, 99))
def test_more_room_never_covers_less(count: int, room: int, seed: int) -> None:
    traits = many(count, seed)
    small, large = choose(traits, room), choose(traits, room + 1)
    assert small.covered <= large.covered + 1e-9
    assert large.chosen[: len(small.chosen)] == small.chosen
    assert len(small.chosen) == min(room, count)


def test_nothing_to_choose_from() -> None:
    assert choose([], 5) == Choice()

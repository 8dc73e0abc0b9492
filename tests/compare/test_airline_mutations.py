"""Real conversations, changed in one place by dice: what was changed must be found there, and nothing else."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pytest

from taketwo.capture.imports import read_file
from taketwo.compare.compare import compare
from taketwo.comparison import SEVERITIES, Comparison
from taketwo.conversation import Call, Conversation, Say, Turn
from taketwo.value import JSON
from taketwo.writes import writes_by_name

MUTATIONS = 1_000
Mutation: TypeAlias = Callable[[Conversation, random.Random], tuple[Conversation, int] | None]
"""Gives the mutated conversation and the turn in which it is another; None where there is nothing to mutate."""


@pytest.fixture(scope="module")
def airline(shared_data: Path) -> list[Conversation]:
    found = read_file(shared_data / "airline" / "conversations.jsonl")
    return [one for one in found if isinstance(one, Conversation)]


def mutated(
    airline: list[Conversation], mutation: Mutation, count: int = MUTATIONS
) -> list[tuple[Comparison, int, Conversation]]:
    """So many comparisons of a conversation with its mutation, each with the place of the mutation."""
    dice = random.Random(20261117)
    found = []
    while len(found) < count:
        recorded = dice.choice(airline)
        if (changed := mutation(recorded, dice)) is not None:
            found.append((compare(recorded, changed[0]), changed[1], changed[0]))
    return found


def gravest(comparison: Comparison) -> str:
    return min((change.severity for change in comparison.changes), key=SEVERITIES.index, default="none")


def rate(held: list[bool]) -> float:
    return sum(held) / len(held)


def with_turns(talk: Conversation, turns: list[Turn]) -> Conversation:
    return talk.but(turns=tuple(turn.but(index=index) for index, turn in enumerate(turns)))


def with_steps(talk: Conversation, index: int, steps: list[Call | Say]) -> Conversation:
    turns = list(talk.turns)
    turns[index] = turns[index].but(steps=tuple(steps))
    return talk.but(turns=tuple(turns))


def other(value: JSON, dice: random.Random) -> JSON:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + dice.choice([-1, 1, 10])
        case str():
            place = dice.randrange(len(value) + 1)
            return value[:place] + dice.choice("ABCxyz789") + value[place:]
        case list() if value:
            place = dice.randrange(len(value))
            return dice.choice(
                [value[:place] + value[place + 1 :], [*value[:place], other(value[place], dice), *value[place + 1 :]]]
            )
        case dict() if value:
            name = dice.choice(sorted(value))
            return {**value, name: other(value[name], dice)}
        case _:
            return "something else"


def alter_a_write(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    writes = [found for found in talk.calls() if writes_by_name(found[2].tool) and found[2].arguments]
    if not writes:
        return None
    index, place, call = dice.choice(writes)
    steps = list(talk.turns[index].steps)
    name = dice.choice(sorted(call.arguments))
    steps[place] = call.but(arguments={**deepcopy(call.arguments), name: other(call.arguments[name], dice)})
    return with_steps(talk, index, steps), index


def add_a_read(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    index = dice.randrange(len(talk.turns))
    steps = list(talk.turns[index].steps)
    known = [call for _, _, call in talk.calls() if writes_by_name(call.tool) is False]
    new = Call(call_id=None, tool="get_user_details", arguments={"user_id": f"u{dice.randrange(999)}"}, result="{}")
    # Half of the time the agent looks up once more what it has looked up before.
    read = dice.choice(known) if known and dice.random() < 0.5 else new
    steps.insert(dice.randrange(len(steps) + 1), read)
    return with_steps(talk, index, steps), index


def split_a_reply(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    index = dice.randrange(len(talk.turns))
    turn = talk.turns[index]
    words = (turn.reply or "").split(" ")
    if turn.reply is None or len(words) < 2 or not turn.steps or not isinstance(turn.steps[-1], Say):
        return None
    place = dice.randrange(1, len(words))
    one, two = " ".join(words[:place]), " ".join(words[place:])
    if not one.strip() or not two.strip():
        return None
    if dice.random() < 0.5:
        return with_steps(talk, index, [*turn.steps[:-1], Say(text=one), Say(text=two)]), index
    first = turn.but(steps=(*turn.steps[:-1], Say(text=one)), reply=one)
    second = Turn(index=0, steps=(Say(text=two),), reply=two)
    return with_turns(talk, [*talk.turns[:index], first, second, *talk.turns[index + 1 :]]), index


def join_two_turns(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    """The user says two lines at once, and the agent does and answers all of it."""
    index = dice.randrange(max(1, len(talk.turns) - 1))
    one, two = talk.turns[index : index + 2]
    if one.user is None or two.user is None or one.reply is None or two.reply is None:
        return None
    said = two.user.but(text=f"{one.user.text} {two.user.text}")
    joined = two.but(user=said, steps=one.steps + two.steps, reply=f"{one.reply}\n{two.reply}")
    return with_turns(talk, [*talk.turns[:index], joined, *talk.turns[index + 2 :]]), index


def shuffle_reads(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    """Two neighbouring reads change places, the later of which names nothing that the earlier one had told."""
    places = [
        (turn.index, place)
        for turn in talk.turns
        for place, pair in enumerate(pairwise(turn.steps))
        if _are_independent_reads(*pair)
    ]
    if not places:
        return None
    index, place = dice.choice(places)
    steps = list(talk.turns[index].steps)
    steps[place], steps[place + 1] = steps[place + 1], steps[place]
    return with_steps(talk, index, steps), index


def _are_independent_reads(one: Call | Say, other: Call | Say) -> bool:
    if not (isinstance(one, Call) and isinstance(other, Call)) or one.arguments == other.arguments:
        return False
    # Flat and strict: no word of the one's arguments may be in the other's result.
    named = [set(re.findall(r"\w+", str(call.arguments))) - set(call.arguments) for call in (one, other)]
    told = [set(re.findall(r"\w+", str(call.result))) for call in (one, other)]
    only_read = writes_by_name(one.tool) is False and writes_by_name(other.tool) is False
    return only_read and not (named[0] & told[1]) and not (named[1] & told[0])


def alter_a_write_in_a_noisy_replay(talk: Conversation, dice: random.Random) -> tuple[Conversation, int] | None:
    """Besides the write: words left out of every other reply, two reads more, and a turn that nobody had before."""
    altered = alter_a_write(talk, dice)
    if altered is None:
        return None
    noisy, index = altered
    for _ in range(2):
        read = add_a_read(noisy, dice)
        assert read is not None
        noisy = read[0]
    turns = [_reworded(turn, dice) if dice.random() < 0.5 else turn for turn in noisy.turns]
    place = dice.randrange(len(turns) + 1)
    new = Turn(index=0, user=turns[0].user and turns[0].user.but(text="Hold on a second, please"), reply="Of course.")
    return with_turns(talk, [*turns[:place], new, *turns[place:]]), index + (place <= index)


def _reworded(turn: Turn, dice: random.Random) -> Turn:
    if turn.reply is None:
        return turn
    said = " ".join(word for word in turn.reply.split() if dice.random() < 0.9)
    steps = [step.but(text=said) if isinstance(step, Say) and step.text == turn.reply else step for step in turn.steps]
    return turn.but(reply=said, steps=tuple(steps))


def test_an_altered_write_is_found_in_its_turn_and_is_critical(airline: list[Conversation]) -> None:
    held = [
        [(change.kind, change.severity, change.replayed_turn) for change in comparison.changes]
        == [("arguments_changed", "critical", turn)]
        for comparison, turn, _ in mutated(airline, alter_a_write)
    ]
    assert rate(held) == 1.0


def test_an_altered_write_is_found_in_a_noisy_replay(airline: list[Conversation]) -> None:
    held = [
        [(change.kind, change.replayed_turn) for change in comparison.changes if change.severity == "critical"]
        == [("arguments_changed", turn)]
        for comparison, turn, _ in mutated(airline, alter_a_write_in_a_noisy_replay, count=300)
    ]
    assert rate(held) >= 0.99


def test_independent_reads_in_another_order_are_no_change(airline: list[Conversation]) -> None:
    found = mutated(airline, shuffle_reads)
    assert rate([comparison.changes == () for comparison, _, _ in found]) == 1.0


def test_a_read_more_is_never_more_than_minor(airline: list[Conversation]) -> None:
    found = mutated(airline, add_a_read)
    assert rate([gravest(comparison) == "minor" for comparison, _, _ in found]) == 1.0
    placed = [
        [(c.kind, c.replayed_turn) for c in comparison.changes] == [("call_added", turn)]
        for comparison, turn, _ in found
    ]
    assert rate(placed) == 1.0


def test_a_reply_in_two_pieces_is_never_more_than_wording(airline: list[Conversation]) -> None:
    found = mutated(airline, split_a_reply)
    assert rate([gravest(comparison) in ("none", "wording") for comparison, _, _ in found]) == 1.0


def test_two_turns_in_one_are_never_more_than_wording(airline: list[Conversation]) -> None:
    found = mutated(airline, join_two_turns, count=300)
    assert rate([gravest(comparison) in ("none", "wording") for comparison, _, _ in found]) == 1.0

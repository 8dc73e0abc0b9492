"""How long two conversations of 100 turns take to be compared, and how many ordinary ones a second.

    python benchmarks/compare.py

The turns are made: each has its own line of the user, two calls and a reply. `other words` rewrites every reply, `turns
moved` also shuffles the turns in blocks of five, and `strangers` shares no turn at all, the worst case of an alignment.
Each is compared for the first time, and again: what was found in a text is remembered.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from machine import describe

from taketwo.compare.align import align
from taketwo.compare.compare import compare
from taketwo.compare.likeness import MOVED_TURNS_BELOW, LikenessOfTurns, WeighedTurn
from taketwo.compare.wording import Alphabet
from taketwo.conversation import Call, Conversation, Say, Turn, UserLine
from taketwo.language.read_once import forget_all

TURNS = 100
TIMES = 20
WORDS = (
    "order kettle refund parcel street carrier address invoice receipt Monday amount delivery support account colour"
    " number label sent arrived broken blue door left today week money card question answer please thanks morning"
).split()


def main() -> None:
    """Print each figure in a line."""
    print(describe())
    dice = random.Random(7)
    talk = conversation(dice, TURNS)
    others = {
        "the same": talk,
        "other words": reworded(talk, dice),
        "turns moved": moved(reworded(talk, dice), dice),
        "strangers": conversation(random.Random(8), TURNS),
    }
    for name, other in others.items():
        aligned_ms = best_ms(lambda other=other: aligned(talk, other))  # type: ignore[misc]
        first_ms = best_ms(lambda other=other: compare(talk, other), forget_all)  # type: ignore[misc]
        again_ms = best_ms(lambda other=other: compare(talk, other))  # type: ignore[misc]
        compared = f"compared in {first_ms:6.1f} ms, again in {again_ms:6.1f} ms"
        print(f"{TURNS} x {TURNS} turns, {name:<12} aligned in {aligned_ms:6.1f} ms, {compared}")
    small = conversation(dice, 5)
    for name, other in (("the same", small), ("other words", reworded(small, dice))):
        took_ms = best_ms(lambda other=other: compare(small, other), forget_all)  # type: ignore[misc]
        print(f"5 x 5 turns, {name:<12} {1000 / took_ms:,.0f} comparisons a second")


def best_ms(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """The shortest of several times: what the machine's other work takes away is no part of it; nor is `before`."""
    taken = []
    for _ in range(TIMES):
        before()
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken) * 1000


def aligned(one: Conversation, other: Conversation) -> object:
    """The alignment of the turns alone."""
    alphabet = Alphabet()
    ours, theirs = ([WeighedTurn(turn, alphabet) for turn in side.turns] for side in (one, other))
    return align(ours, theirs, LikenessOfTurns(), moves_below=MOVED_TURNS_BELOW)


def conversation(dice: random.Random, turns: int) -> Conversation:
    """So many turns with words and ids of their own."""
    return Conversation(id="made", turns=tuple(turn(dice, index) for index in range(turns)))


def turn(dice: random.Random, index: int) -> Turn:
    """A line, two reads and a reply."""
    order_id = f"A-{dice.randrange(10_000)}"
    reply = f"{sentence(dice, 20)} It is order {order_id} for ${dice.randrange(500)}. {sentence(dice, 20)}"
    steps = tuple(
        Call(call_id=None, tool=tool, arguments={"order_id": order_id}, result=sentence(dice, 10), message=place)
        for place, tool in enumerate(("get_order", "check_status"))
    )
    said = Say(text=reply, message=2)
    return Turn(index=index, user=UserLine(text=sentence(dice, 12)), steps=(*steps, said), reply=reply)


def sentence(dice: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(dice.choices(WORDS, k=words)).capitalize() + "."


def reworded(talk: Conversation, dice: random.Random) -> Conversation:
    """Every reply with some words more."""
    turns = []
    for one in talk.turns:
        reply = f"{one.reply} {sentence(dice, 6)}"
        turns.append(one.but(reply=reply, steps=(*one.steps[:-1], Say(text=reply, message=2))))
    return talk.but(turns=tuple(turns))


def moved(talk: Conversation, dice: random.Random) -> Conversation:
    """The turns in blocks of five, each block in an order of its own."""
    turns: list[Turn] = []
    for start in range(0, len(talk.turns), 5):
        turns += dice.sample(talk.turns[start : start + 5], k=len(talk.turns[start : start + 5]))
    return talk.but(turns=tuple(one.but(index=index) for index, one in enumerate(turns)))


if __name__ == "__main__":
    main()

"""Recorded and replayed turns that belong together, however the agent split its answer over them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from taketwo.compare.align import Pair, align
from taketwo.compare.likeness import MOVED_TURNS_BELOW, LikenessOfTurns, WeighedTurn, said
from taketwo.compare.wording import Alphabet, alike, words_in
from taketwo.conversation import Conversation, Turn


class Exchange(NamedTuple):
    """Turns that belong together: one on each side, one that stands alone, or one and the parts of another."""

    recorded: tuple[Turn, ...]
    """The recorded turns; empty when the replayed one is new."""
    replayed: tuple[Turn, ...]
    """The replayed turns; empty when the recorded one is missing."""
    moved: bool = False
    """Whether it came in another order."""

    @property
    def first(self) -> tuple[int | None, int | None]:
        """Position of the first turn on either side; None where there is none."""
        return self.recorded[0].index if self.recorded else None, self.replayed[0].index if self.replayed else None


def exchanges(recorded: Conversation, replayed: Conversation, alphabet: Alphabet) -> list[Exchange]:
    """The turns of both sides, aligned, with split answers put together."""
    one, other = ([WeighedTurn(turn, alphabet) for turn in side.turns] for side in (recorded, replayed))
    together: list[Exchange] = []
    for pair in align(one, other, LikenessOfTurns(), moves_below=MOVED_TURNS_BELOW):
        exchange = _exchange(pair, recorded, replayed)
        joined = _joined(together[-1], exchange, alphabet) if together else None
        if joined is None:
            together.append(exchange)
        else:
            together[-1] = joined
    return together


def _exchange(pair: Pair, recorded: Conversation, replayed: Conversation) -> Exchange:
    return Exchange(
        () if pair.recorded is None else (recorded.turns[pair.recorded],),
        () if pair.replayed is None else (replayed.turns[pair.replayed],),
        pair.moved,
    )


def _joined(before: Exchange, after: Exchange, alphabet: Alphabet) -> Exchange | None:
    """Both as one exchange, where one is a turn alone that is a part of what the other has in one piece; else None.

    It is a part where the user says in two turns, word by word, what he says in one on the other side; or where it is
    without a word of the user and goes on with the answer, so that the answers are more alike with it than without.
    """
    joined = Exchange(before.recorded + after.recorded, before.replayed + after.replayed, before.moved or after.moved)
    whole, parts = sorted((joined.recorded, joined.replayed), key=len)
    if len(whole) != 1 or any(two.index != one.index + 1 for one, two in pairwise(parts)):
        return None
    if after.recorded and after.replayed:
        return joined if _says_the_same(parts, whole) else None
    if not before.recorded or not before.replayed:
        return None
    if parts[-1].user is not None:
        return joined if _says_the_same(parts, whole) else None
    return joined if _answers_alike(joined, alphabet) > _answers_alike(before, alphabet) else None


def _says_the_same(some: Sequence[Turn], others: Sequence[Turn]) -> bool:
    """Whether the user says the same words in these turns as in those, and something in each."""
    one, other = ([words_in(turn.user.text) if turn.user else [] for turn in side] for side in (some, others))
    return all((*one, *other)) and list(chain(*one)) == list(chain(*other))


def _answers_alike(exchange: Exchange, alphabet: Alphabet) -> float:
    return alike(alphabet.bag(said(exchange.recorded)), alphabet.bag(said(exchange.replayed)))

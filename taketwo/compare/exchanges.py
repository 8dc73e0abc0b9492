"""Recorded and replayed turns that belong together, however the agent split its answer over them."""

from __future__ import annotations

from typing import NamedTuple

from taketwo.compare.align import Pair, align
from taketwo.compare.likeness import MOVED_TURNS_BELOW, LikenessOfTurns, WeighedTurn, said
from taketwo.compare.wording import Alphabet, alike
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


def _joined(before: Exchange, alone: Exchange, alphabet: Alphabet) -> Exchange | None:
    """Both as one exchange, where the second is a turn without a word of the user that goes on with the first answer.

    It does if the answers are more alike with it than without; None where it does not.
    """
    if not before.recorded or not before.replayed or (alone.recorded and alone.replayed):
        return None
    turn = (alone.recorded or alone.replayed)[0]
    ahead = (before.recorded if alone.recorded else before.replayed)[-1]
    if turn.user is not None or turn.index != ahead.index + 1:
        return None
    joined = Exchange(before.recorded + alone.recorded, before.replayed + alone.replayed, before.moved)
    return joined if _answers_alike(joined, alphabet) > _answers_alike(before, alphabet) else None


def _answers_alike(exchange: Exchange, alphabet: Alphabet) -> float:
    return alike(alphabet.bag(said(exchange.recorded)), alphabet.bag(said(exchange.replayed)))

"""Recorded and replayed turns that belong together, however the agent split its answer over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from taketwo.compare.align import Pair, align
from taketwo.compare.likeness import MOVED_TURNS_BELOW, LikenessOfTurns, WeighedTurn, said
from taketwo.compare.wording import Alphabet, likeness
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
    pairs = align(one, other, LikenessOfTurns(), moves_below=MOVED_TURNS_BELOW)
    if len(one) == len(other) == sum(None not in pair for pair in pairs):
        return [_exchange(pair, recorded, replayed) for pair in pairs]
    return list(_put_together([_exchange(pair, recorded, replayed) for pair in pairs], alphabet))


def _exchange(pair: Pair, recorded: Conversation, replayed: Conversation) -> Exchange:
    return Exchange(
        () if pair.recorded is None else (recorded.turns[pair.recorded],),
        () if pair.replayed is None else (replayed.turns[pair.replayed],),
        pair.moved,
    )


def _put_together(found: Sequence[Exchange], alphabet: Alphabet) -> Iterator[Exchange]:
    """A turn alone without a word of the user goes to the one before it, where that makes the answers more alike."""
    last: Exchange | None = None
    for exchange in found:
        joined = _joined(last, exchange) if last is not None else None
        if (
            last is not None
            and joined is not None
            and _answers_alike(joined, alphabet) > _answers_alike(last, alphabet)
        ):
            last = joined
            continue
        if last is not None:
            yield last
        last = exchange
    if last is not None:
        yield last


def _joined(before: Exchange, alone: Exchange) -> Exchange | None:
    """Both as one exchange; None where the second is no continuation of a pair."""
    sides = (alone.recorded, alone.replayed)
    if not before.recorded or not before.replayed or all(sides):
        return None
    turn = (alone.recorded or alone.replayed)[0]
    ahead = (before.recorded if alone.recorded else before.replayed)[-1]
    if turn.user is not None or turn.index != ahead.index + 1:
        return None
    return Exchange(before.recorded + alone.recorded, before.replayed + alone.replayed, before.moved)


def _answers_alike(exchange: Exchange, alphabet: Alphabet) -> float:
    return likeness(alphabet.bag(said(exchange.recorded)), alphabet.bag(said(exchange.replayed)))

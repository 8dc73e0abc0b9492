"""How a comparison went: where the two parted, for how long, and where they came together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taketwo.comparison import Change, TurnPair


class Course(NamedTuple):
    """The fields of a Comparison of the same names."""

    first_divergence: int | None
    """Index of a change."""
    first_sustained_divergence: int | None
    """Index of a change."""
    resync: int | None
    """Index of a pair."""
    blast_radius: int
    """Number of pairs."""


def course(pairs: Sequence[TurnPair], changes: Sequence[Change]) -> Course:
    """What the changes that are more than wording come to, pair by pair."""
    recorded = {pair.recorded: place for place, pair in enumerate(pairs) if pair.recorded is not None}
    replayed = {pair.replayed: place for place, pair in enumerate(pairs) if pair.replayed is not None}
    mattering: list[tuple[int, int | None]] = []
    apart: set[int] = set()
    for index, change in enumerate(changes):
        if change.severity != "wording":
            place = replayed.get(change.replayed_turn) if change.replayed_turn is not None else None
            if place is None and change.recorded_turn is not None:
                place = recorded.get(change.recorded_turn)
            mattering.append((index, place))
            apart |= set() if place is None else {place}
    sustained = (index for index, place in mattering if place is not None and place + 1 in apart and place in apart)
    behind = max(apart, default=-1) + 1
    return Course(
        first_divergence=mattering[0][0] if mattering else None,
        first_sustained_divergence=next(sustained, None),
        resync=behind if apart and behind < len(pairs) else None,
        blast_radius=len(apart),
    )

"""A replay that stopped: what it did not come to is no change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taketwo.comparison import Change, TurnPair
from taketwo.conversation import Conversation


def not_left_open(
    changes: Sequence[Change], pairs: Sequence[TurnPair], replayed: Conversation, turn_index: int
) -> Iterator[Change]:
    """The changes without those that are there only because the replay stopped in this turn."""
    reached = max((p.recorded for p in pairs if p.recorded is not None and p.replayed is not None), default=-1)
    last = len(replayed.turns[turn_index].steps) - 1 if turn_index < len(replayed.turns) else -1
    for change in changes:
        if change.replayed_turn is None:
            left_open = change.recorded_turn is not None and change.recorded_turn > reached
        elif change.replayed_turn != turn_index:
            left_open = False
        else:
            # What a call that stopped the replay gave back is no answer of the world.
            stopped = change.kind == "result_changed" and (
                change.replayed is None or change.replayed.step_index == last
            )
            left_open = stopped or change.kind in ("call_lost", "reply_missing")
        if not left_open:
            yield change

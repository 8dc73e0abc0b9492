"""Claims of the replayed agent that no call bears out, as Changes where the recorded agent did not make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from taketwo.compare.severity import Grading, Weight
from taketwo.comparison import Change, Claim, TurnPair
from taketwo.value import in_words
from taketwo.writes import Writes


def claim_changes(
    recorded: Sequence[Claim], replayed: Sequence[Claim], pairs: Sequence[TurnPair], severities: Mapping[str, Weight]
) -> Iterator[Change]:
    """A Change for each act that only the replayed agent claims to have done without having done it."""
    known = {claim.act for claim in recorded}
    beside = {pair.replayed: pair.recorded for pair in pairs if pair.replayed is not None}
    severity = Grading(Writes(()), severities).of("claim_unbacked")
    for claim in replayed:
        if claim.act not in known:
            yield Change(
                kind="claim_unbacked",
                severity=severity,
                summary=f"says {in_words(claim.quote)}, but {claim.why}",
                recorded_turn=beside.get(claim.turn_index),
                replayed_turn=claim.turn_index,
                replayed=claim.call,
                after=claim.quote,
            )


def in_order(changes: Sequence[Change], claims: Iterator[Change]) -> Iterator[Change]:
    """All changes, those of claims behind the others of their turn."""
    waiting = list(claims)
    for place, change in enumerate(changes):
        yield change
        following = changes[place + 1].replayed_turn if place + 1 < len(changes) else None
        if change.replayed_turn is not None and following != change.replayed_turn:
            yield from (claim for claim in waiting if claim.replayed_turn == change.replayed_turn)
            waiting = [claim for claim in waiting if claim.replayed_turn != change.replayed_turn]
    yield from waiting

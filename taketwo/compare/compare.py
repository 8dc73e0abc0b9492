"""Two conversations ─► Comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from taketwo.compare.align import Pair, align
from taketwo.compare.calls import Gaps, LoneCall, Placed, call_findings, placed
from taketwo.compare.exchanges import Exchange, exchanges
from taketwo.compare.likeness import MOVED_STEPS_BELOW, LikenessOfSteps, same_turn
from taketwo.compare.lone_calls import resolve
from taketwo.compare.metrics import measure, not_comparable
from taketwo.compare.replies import reply_change, turn_changes
from taketwo.compare.severity import Writes
from taketwo.compare.wording import Alphabet
from taketwo.comparison import Change, Comparison, TurnPair
from taketwo.conversation import Conversation, Step, Turn


def compare(
    recorded: Conversation, replayed: Conversation, *, writes: Callable[[str], bool | None] | None = None
) -> Comparison:
    """Align two conversations and list every difference with its severity, in the order of the replayed one.

    writes: whether a tool changes the world, for tools that neither conversation's definitions declare; None for
    those that it does not know, which the tool's name decides then.
    """
    figures = measure(recorded), measure(replayed)
    apart = tuple(not_comparable(*figures))
    if len(recorded.turns) == len(replayed.turns) and all(map(same_turn, recorded.turns, replayed.turns)):
        same = tuple(map(_pair_of_same, recorded.turns, replayed.turns))
        return Comparison(pairs=same, recorded=figures[0], replayed=figures[1], not_comparable=apart)
    pairs, changes, unknown = _differences(recorded, replayed, Writes((replayed, recorded), writes))
    return Comparison(
        pairs=tuple(pairs),
        recorded=figures[0],
        replayed=figures[1],
        changes=tuple(changes),
        first_divergence=next((place for place, change in enumerate(changes) if change.severity != "wording"), None),
        not_comparable=(*apart, *unknown),
    )


def _differences(
    recorded: Conversation, replayed: Conversation, writes: Writes
) -> tuple[list[TurnPair], list[Change], list[str]]:
    """The aligned turns, the changes, and what could not be compared because it was not captured."""
    alphabet = Alphabet()
    likeness = LikenessOfSteps(alphabet)
    gaps = _gaps(recorded), _gaps(replayed)
    pairs: list[TurnPair] = []
    findings: list[Change | LoneCall] = []
    unknown: list[str] = []
    for number, exchange in enumerate(exchanges(recorded, replayed, alphabet)):
        sides = placed(exchange.recorded), placed(exchange.replayed)
        steps = align(*_steps(sides), likeness, moves_below=MOVED_STEPS_BELOW)
        pairs += _turn_pairs(exchange, sides, steps)
        findings += turn_changes(exchange)
        findings += call_findings(sides, steps, turns=exchange.first, exchange=number, writes=writes, gaps=gaps)
        if why := _unknown_reply(exchange, gaps):
            unknown.append(why)
        elif exchange.recorded and exchange.replayed and (change := reply_change(exchange, sides)):
            findings.append(change)
    return pairs, list(resolve(findings, writes)), unknown


def _pair_of_same(recorded: Turn, replayed: Turn) -> TurnPair:
    steps = tuple((place, place) for place in range(len(recorded.steps)))
    return TurnPair(recorded=recorded.index, replayed=replayed.index, steps=steps)


def _gaps(conversation: Conversation) -> dict[str, str]:
    return {gap.where: gap.why for gap in conversation.gaps}


def _steps(sides: tuple[Sequence[Placed], Sequence[Placed]]) -> tuple[list[Step], list[Step]]:
    return [placed.step for placed in sides[0]], [placed.step for placed in sides[1]]


def _turn_pairs(
    exchange: Exchange, sides: tuple[Sequence[Placed], Sequence[Placed]], steps: Sequence[Pair]
) -> Iterator[TurnPair]:
    """The turns of an exchange, beside each other in order, each with its own steps."""
    ends = [
        (
            None if pair.recorded is None else sides[0][pair.recorded].place,
            None if pair.replayed is None else sides[1][pair.replayed].place,
        )
        for pair in steps
    ]
    for recorded, replayed in zip_longest(exchange.recorded, exchange.replayed):
        was, now = (None if turn is None else turn.index for turn in (recorded, replayed))
        of_these = (
            (
                one.step_index if one is not None and one.turn_index == was else None,
                other.step_index if other is not None and other.turn_index == now else None,
            )
            for one, other in ends
        )
        yield TurnPair(recorded=was, replayed=now, steps=tuple(pair for pair in of_these if pair != (None, None)))


def _unknown_reply(exchange: Exchange, gaps: Gaps) -> str | None:
    """Why the replies of these turns cannot be compared; None when they can."""
    for name, turns, known in zip(("recorded", "replayed"), (exchange.recorded, exchange.replayed), gaps, strict=True):
        for turn in turns:
            # A reply that is there may have been cut off by the sender.
            if why := known.get(f"turns[{turn.index}].reply"):
                return f"reply of {name} turn {turn.index + 1}: {why}"
    return None

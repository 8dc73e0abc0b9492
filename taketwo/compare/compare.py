"""Two conversations ─► Comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from taketwo.compare.acts import Said
from taketwo.compare.align import Pair, align
from taketwo.compare.calls import Gaps, LoneCall, Placed, call_findings, placed
from taketwo.compare.claims import claim_changes, in_order
from taketwo.compare.course import course
from taketwo.compare.cut_short import not_left_open
from taketwo.compare.effects import distance, effects
from taketwo.compare.exchanges import Exchange, exchanges
from taketwo.compare.likeness import MOVED_STEPS_BELOW, LikenessOfSteps, same_turn
from taketwo.compare.lone_calls import resolve, retried
from taketwo.compare.metrics import measure, not_comparable
from taketwo.compare.replies import reply_changes, turn_changes
from taketwo.compare.say_do import claimed, unbacked_claims
from taketwo.compare.severity import TABLE, Grading, Weight
from taketwo.compare.wording import Alphabet
from taketwo.comparison import Change, Comparison, Metrics, TurnPair
from taketwo.conversation import DESCRIBED, Conversation, Step, Turn
from taketwo.language.phrasebook import language_of_talk
from taketwo.writes import Writes


class Baseline(NamedTuple):
    """What there is to be found in a recorded conversation alone, the same for all its replays."""

    metrics: Metrics
    """Its figures."""
    claimed: list[tuple[Turn, Sequence[Said]]]
    """What its agent says that it did, turn by turn."""


def baseline(recorded: Conversation) -> Baseline:
    """The half of a comparison that can be done before there is a replay, and is then done for all of them."""
    return Baseline(measure(recorded), claimed(recorded))


def compare(
    recorded: Conversation,
    replayed: Conversation,
    *,
    before: Baseline | None = None,
    writes: Callable[[str], bool | None] | None = None,
    severities: Mapping[str, Weight] = TABLE,
    similar: Callable[[str, str], float] | None = None,
    cut_short_in: int | None = None,
) -> Comparison:
    """Align two conversations and list every difference with its severity, in the order of the replayed one.

    before: the baseline of the recorded one, if it is there.
    writes: whether a tool changes the world, for tools that neither conversation's definitions declare; None for
    those that it does not know, which the tool's name decides then.
    severities: how grave each difference is, as `severity.severity_table` makes it.
    similar: how near two wordings are in meaning, from 0 to 1; None where nothing on this machine can tell.
    cut_short_in: the replayed turn in which the replay stopped, where it did: what is missing there and behind it is
    no change, since the agent might still have done it.
    """
    is_same = len(recorded.turns) == len(replayed.turns) and all(map(same_turn, recorded.turns, replayed.turns))
    before = before or baseline(recorded)
    figures = before.metrics, measure(replayed, like=before.metrics if is_same else None)
    apart = tuple(not_comparable(*figures))
    claims = unbacked_claims(recorded, writes, before.claimed)
    if is_same:
        return Comparison(
            pairs=tuple(map(_pair_of_same, recorded.turns, replayed.turns)),
            recorded=figures[0],
            replayed=figures[1],
            not_comparable=apart,
            recorded_claims=claims,
            replayed_claims=claims,
        )
    does_write = Writes((replayed, recorded), writes)
    language = language_of_talk(recorded.texts())
    terms = _Terms(Grading(does_write, severities), similar, cut_short_in, language)
    found = _differences(recorded, replayed, terms)
    if (why := _gaps(recorded).get(DESCRIBED)) is not None:
        found = found._replace(changes=[], unknown=[f"what the agent does: {why}"])
    claims_now = unbacked_claims(replayed, writes)
    new_claims = claim_changes(claims, claims_now, found.pairs, severities)
    changes = tuple(in_order(found.changes, new_claims))
    return Comparison(
        pairs=tuple(found.pairs),
        recorded=figures[0],
        replayed=figures[1],
        changes=changes,
        not_comparable=(*apart, *found.unknown),
        distance=distance(effects(recorded, does_write), effects(replayed, does_write), changes) if changes else 0.0,
        recorded_claims=claims,
        replayed_claims=claims_now,
        **course(found.pairs, changes)._asdict(),
    )


class _Terms(NamedTuple):
    """What two conversations are compared by."""

    grading: Grading
    similar: Callable[[str, str], float] | None
    cut_short_in: int | None
    language: str | None


class _Found(NamedTuple):
    """The aligned turns, the changes, and what could not be compared because it was not captured."""

    pairs: list[TurnPair]
    changes: list[Change]
    unknown: list[str]


def _differences(recorded: Conversation, replayed: Conversation, terms: _Terms) -> _Found:
    alphabet = Alphabet()
    likeness = LikenessOfSteps(alphabet)
    gaps = _gaps(recorded), _gaps(replayed)
    if terms.cut_short_in is not None:
        gaps[1].setdefault(f"turns[{terms.cut_short_in}].reply", "the replay stopped there")
    pairs: list[TurnPair] = []
    findings: list[Change | LoneCall] = []
    unknown: list[str] = []
    for number, exchange in enumerate(exchanges(recorded, replayed, alphabet)):
        sides = placed(exchange.recorded), placed(exchange.replayed)
        steps = align(*_steps(sides), likeness, moves_below=MOVED_STEPS_BELOW)
        pairs += _turn_pairs(exchange, sides, steps)
        findings += turn_changes(exchange, terms.grading)
        findings += call_findings(sides, steps, turns=exchange.first, exchange=number, grading=terms.grading, gaps=gaps)
        if why := _unknown_reply(exchange, gaps):
            unknown.append(why)
        elif exchange.recorded and exchange.replayed:
            findings += reply_changes(exchange, sides, terms.grading, terms.similar, terms.language)
    changes = list(resolve(findings, terms.grading, gaps, retried(recorded, replayed, terms.grading.writes)))
    if terms.cut_short_in is not None:
        changes = [*not_left_open(changes, pairs, replayed, terms.cut_short_in)]
    return _Found(pairs, changes, unknown)


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

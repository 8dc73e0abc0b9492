"""What is different about the turns themselves, and about what the user was told in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from taketwo.compare.calls import Placed
from taketwo.compare.exchanges import Exchange
from taketwo.compare.facts import fact_changes
from taketwo.compare.facts import in_words as fact_in_words
from taketwo.compare.likeness import said
from taketwo.compare.severity import Grading, OtherDifference
from taketwo.comparison import SEVERITIES, Change, ChangeKind, FactChange, Severity
from taketwo.conversation import Say, Turn
from taketwo.language.phrasebook import ENGLISH
from taketwo.run import StepPlace
from taketwo.value import in_words, one_line

MOST_FACTS = 4
"""So many facts are named in a line; the rest is counted."""


def turn_changes(exchange: Exchange, grading: Grading) -> Iterator[Change]:
    """Whether a turn is missing, new, elsewhere, or only a part of the answer before it."""
    recorded, replayed = exchange.recorded, exchange.replayed
    if not replayed:
        yield _turn_change(
            grading, "turn_missing", "turn_missing", recorded[0], None, f"{_opening(recorded[0])} did not come"
        )
    elif not recorded:
        yield _turn_change(
            grading, "turn_added", "turn_added", None, replayed[0], f"{_opening(replayed[0])} came as well"
        )
    elif exchange.moved:
        yield _turn_change(
            grading,
            *("order_changed", "turn_moved", recorded[0], replayed[0]),
            f"{_opening(replayed[0])} came as turn {replayed[0].index + 1}, not {recorded[0].index + 1}",
        )
    else:
        for turn in recorded[1:]:
            yield _turn_change(grading, "turn_missing", "turn_split", turn, None, "the answer no longer comes in parts")
        for turn in replayed[1:]:
            yield _turn_change(grading, "turn_added", "turn_split", None, turn, "the answer comes in parts")


def reply_changes(
    exchange: Exchange,
    sides: tuple[Sequence[Placed], Sequence[Placed]],
    grading: Grading,
    similar: Callable[[str, str], float] | None = None,
    language: str | None = ENGLISH,
) -> Iterator[Change]:
    """What the user was told differently, all of it as one text: how an answer is cut into pieces is no difference."""
    recorded, replayed = exchange.recorded, exchange.replayed
    before, after = said(recorded), said(replayed)
    had_reply, has_reply = (any(turn.reply is not None for turn in turns) for turns in (recorded, replayed))
    facts: tuple[FactChange, ...] = ()
    nearness: float | None = None
    if had_reply and not has_reply:
        found: tuple[ChangeKind, Severity, str] = ("reply_missing", grading.of("reply_missing"), _missing(before))
    elif has_reply and not had_reply:
        found = ("reply_added", grading.of("reply_added"), f"there is a reply now: {in_words(after, 100)}")
    elif one_line(before) == one_line(after):
        return
    else:
        facts = tuple(
            sorted(fact_changes(before, after, language), key=lambda fact: SEVERITIES.index(grading.of(fact.kind)))
        )
        severity = grading.of(facts[0].kind) if facts else grading.of("reply_reworded")
        summary = f"reply: {_listed(facts)}" if facts else "the reply is worded differently"
        found = ("reply_reworded", severity, summary)
        nearness = None if similar is None else similar(before, after)
    kind, severity, summary = found
    yield Change(
        kind=kind,
        severity=severity,
        summary=summary,
        recorded_turn=recorded[0].index,
        replayed_turn=replayed[0].index,
        recorded=_last_words(sides[0]),
        replayed=_last_words(sides[1]),
        before=before if had_reply else None,
        after=after if has_reply else None,
        facts=facts,
        wording_similarity=nearness,
    )


def _turn_change(
    grading: Grading,
    kind: ChangeKind,
    difference: OtherDifference,
    recorded: Turn | None,
    replayed: Turn | None,
    summary: str,
) -> Change:
    return Change(
        kind=kind,
        severity=grading.of(difference),
        summary=summary,
        recorded_turn=None if recorded is None else recorded.index,
        replayed_turn=None if replayed is None else replayed.index,
        before=None if recorded is None or recorded.user is None else recorded.user.text,
        after=None if replayed is None or replayed.user is None else replayed.user.text,
    )


def _opening(turn: Turn) -> str:
    """The words by which a person knows the turn again."""
    if turn.user is not None:
        return f"the user's {in_words(one_line(turn.user.text) or ' ')}"
    return f"the agent's {in_words(one_line(said([turn])) or ' ')}"


def _missing(before: str) -> str:
    return f"no reply any more; it was {in_words(one_line(before), 100)}" if before else "no reply any more"


def _listed(facts: Sequence[FactChange]) -> str:
    more = f"; and {len(facts) - MOST_FACTS} more" if len(facts) > MOST_FACTS else ""
    return "; ".join(map(fact_in_words, facts[:MOST_FACTS])) + more


def _last_words(steps: Sequence[Placed]) -> StepPlace | None:
    return next((placed.place for placed in reversed(steps) if isinstance(placed.step, Say)), None)

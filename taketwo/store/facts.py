"""What a conversation is found by, worked out once when it is read: the same fields that a filter asks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias, assert_never

import msgspec

from taketwo.conversation import Conversation, Turn
from taketwo.select.fields import FIELDS, Entry, Flag, Moment, Name, Number, Words, arguments, fold, is_number, scores
from taketwo.select.words import spelled
from taketwo.store.recordings import recordings_of
from taketwo.value import JSON, canonical_json

BETWEEN_TEXTS: Final = " ¶ "
"""Stands between two texts of a field; no word that is looked for holds it, so none is found across them."""
MARKED_IN_TURNS: Final = ("tool", "failed")
"""Fields that hold several names, which the turns tell one by one."""
MARKED: Final = (*MARKED_IN_TURNS, "tag", "score")
"""Fields that hold several names."""
REMARKS: Final = ("comment",)
"""Fields that hold texts of which most conversations have none; kept as names are, and looked through for words."""

LONGEST_SCORE: Final = 100
"""Letters of a score or an argument that is looked for by an index; what is longer is read."""
MOST_ARGUED: Final = 200
"""Distinct numbers in the arguments of one conversation that are looked for by an index; what comes after is read."""

Mark: TypeAlias = tuple[str, str, float | None]
"""Field, folded name, and a number: what a score is, or the least or the greatest that an argument is."""


Grade: TypeAlias = tuple[str, float, bool]
"""Name and value of a score that is a number, or of a flag as 0 or 1, and whether it is one."""


class OfTurn(NamedTuple):
    """What the calls of one turn are found by."""

    turn: Turn
    """The turn."""
    marks: frozenset[Mark]
    """Its tools, and those that failed."""
    bounds: frozenset[Mark]
    """The least and the greatest of each argument."""
    argued: tuple[tuple[str, str], ...]
    """Names and distinct numbers of arguments, also of those in a text; empty for one that is too long."""


class Facts(msgspec.Struct, frozen=True):
    """The facts of one conversation."""

    columns: dict[str, str | float | None]
    """By field: a folded name, a number, 0 or 1 for a flag, microseconds since 1970 for a moment; None when unknown."""
    marks: frozenset[Mark]
    """Names of fields that hold several."""
    grades: tuple[Grade, ...]
    """Scores that charts can be drawn of."""
    of_turns: tuple[OfTurn, ...] = ()
    """Out of what the marks of calls were put together."""


TEXTS: Final = tuple(name for name, field in FIELDS.items() if isinstance(field, Words) and name not in REMARKS)
"""Fields that hold texts."""
COLUMNS: Final = tuple(
    name for name, field in FIELDS.items() if not isinstance(field, Words) and name not in (*MARKED, "project")
)
"""Fields that hold one thing."""


def facts_of(conversation: Conversation, before: Facts | None = None) -> Facts:
    """The facts of a conversation; `before` are those of a reading of which it may have turns."""
    known = {id(one.turn): one for one in before.of_turns} if before is not None else {}
    of_turns = tuple(known.get(id(turn)) or _of_turn(turn) for turn in conversation.turns)
    return Facts(
        columns={"user_id": conversation.user_id, **{name: _column(name, conversation) for name in COLUMNS}},
        marks=frozenset(_marks(conversation)).union(
            *(one.marks for one in of_turns),
            _bounds((name, bound) for one in of_turns for _, name, bound in one.bounds),
            _argued(named for one in of_turns for named in one.argued),
        ),
        grades=grades_of(conversation),
        of_turns=of_turns,
    )


def _of_turn(turn: Turn) -> OfTurn:
    alone = Conversation(id="", turns=(turn,))
    named = list(arguments(alone))
    return OfTurn(
        turn=turn,
        marks=frozenset(_names(MARKED_IN_TURNS, alone)),
        bounds=_bounds((name, value) for name, value in named if is_number(value)),
        argued=tuple(dict.fromkeys((name, text) for name, value in named if (text := _number_in(value)) is not None)),
    )


def grades_of(conversation: Conversation) -> tuple[Grade, ...]:
    """Its scores that are numbers or flags; neither words nor what is no finite number can be drawn."""
    return tuple(
        (name, _float(value), isinstance(value, bool))
        for name, value in scores(conversation)
        if isinstance(value, bool) or (is_number(value) and math.isfinite(_float(value)))
    )


def texts_of(conversation: Conversation) -> tuple[str, ...]:
    """The words of each field that holds texts, in the order of `TEXTS`."""
    return tuple(_words(name, conversation) for name in TEXTS)


def microseconds(at: datetime) -> int:
    """Since 1970, without the rounding of floats."""
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _words(name: str, conversation: Conversation) -> str:
    field = FIELDS[name]
    assert isinstance(field, Words)  # chosen by that
    return BETWEEN_TEXTS.join(filter(None, map(spelled, field.texts(conversation))))


def _column(name: str, conversation: Conversation) -> str | float | None:
    field = FIELDS[name]
    match field:
        case Name():
            found = next(iter(field.names(conversation)), None)
            return None if found is None else fold(found)
        case Flag():
            return int(field.holds(conversation))
        case Number():
            return field.number(conversation)
        case Moment():
            at = field.at(conversation)
            return None if at is None else microseconds(at)
        case Words() | Entry():
            raise AssertionError(f"{name} is no column")
        case _:
            assert_never(field)


def _names(kinds: Iterable[str], conversation: Conversation) -> set[Mark]:
    marks: set[Mark] = set()
    for kind in kinds:
        field = FIELDS[kind]
        assert isinstance(field, Name)  # chosen by that
        marks |= {(kind, fold(name), None) for name in set(field.names(conversation)) if name is not None}
    return marks


def _marks(conversation: Conversation) -> set[Mark]:
    """All but those of its calls."""
    marks = _names((kind for kind in MARKED if kind not in MARKED_IN_TURNS), conversation)
    for kind in REMARKS:
        field = FIELDS[kind]
        assert isinstance(field, Words)  # chosen by that
        marks |= {(kind, words, None) for words in map(spelled, field.texts(conversation)) if words}
    for name, value in scores(conversation):
        if is_number(value):
            marks.add(("score", fold(name), _float(value)))
        marks.add(("scored", score_mark(fold(name), as_scored(value)), None))
    return marks | {("recording", name, None) for name in recordings_of(conversation)}


def score_mark(name: str, text: str) -> str:
    """How the mark of a score or an argument is called; folded, neither part of it has a line break."""
    return f"{name}\n{text}"


def as_scored(value: JSON) -> str:
    """A score as it is looked for; empty where it is too long for that."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = fold(value if isinstance(value, str) else canonical_json(value))
    return text if len(text) <= LONGEST_SCORE else ""


def number_in(text: str) -> float | None:
    """As a filter reads it."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def plain(number: float) -> str:
    """One spelling for a number, whether it was written as 12 or 12.0."""
    return str(int(number)) if number.is_integer() else repr(number)


def _number_in(value: JSON) -> str | None:
    """A number in one spelling, also one in a text, empty where it is too long; None for what is no number.

    What is no number is found by its words: nothing else has such.
    """
    if is_number(value):
        text = plain(_float(value))
    elif not isinstance(value, str) or number_in(text := fold(value)) is None:
        return None
    return text if len(text) <= LONGEST_SCORE else ""


def _argued(named: Iterable[tuple[str, str]]) -> set[Mark]:
    """Every distinct number, and an empty mark for each name of which not all are there."""
    marks: set[str] = set()
    for name, text in named:
        marks.add(score_mark(name, text if len(marks) < MOST_ARGUED else ""))
    return {("argued", mark, None) for mark in marks}


def _bounds(named: Iterable[tuple[str, float | None]]) -> frozenset[Mark]:
    """The least and the greatest of each argument: whether one is more or less than something, these two tell."""
    numbers: dict[str, list[float]] = {}
    for name, value in named:
        if value is not None:
            numbers.setdefault(name, []).append(_float(value))
    return frozenset(("argument", name, bound) for name, some in numbers.items() for bound in (min(some), max(some)))


def _float(number: float) -> float:
    """The nearest that a file can hold."""
    try:
        return float(number)
    except OverflowError:
        return sys.float_info.max if number > 0 else -sys.float_info.max

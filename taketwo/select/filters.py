"""The filter language, as in `tool:issue_refund said:"my refund" -error:yes (turns>3 OR user:u-1)`; docs/filters.md."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeAlias, assert_never

from taketwo.conversation import Conversation
from taketwo.errors import BadFilter
from taketwo.select.fields import (
    ENTRIES,
    FIELDS,
    Entry,
    Flag,
    Moment,
    Name,
    Number,
    Operator,
    Period,
    Words,
    field_of,
    fold,
    is_number,
    name_pattern,
    read_period,
    replied,
    said,
)
from taketwo.select.words import occur, spelled
from taketwo.value import JSON, canonical_json

FieldValue: TypeAlias = str | bool | float | Period
"""What a field is asked for, by the kind of the field."""
DEEPEST = 50
"""So deep parentheses and minus signs may be nested."""


class Filter(Protocol):
    """Chooses conversations; `str` gives a text that parses to an equal filter."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether the conversation is one of those."""
        ...


@dataclass(frozen=True)
class Text:
    """Words that either side said."""

    words: str
    """Spelled."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether they occur in one text."""
        return _occurs(self.words, said(conversation)) or _occurs(self.words, replied(conversation))

    def __str__(self) -> str:
        """In quotation marks where it would be read as something else."""
        return _written(self.words)


@dataclass(frozen=True)
class Asked:
    """One field, asked for a value."""

    field: str
    """Its name, with that of the entry where it has entries, as in `argument.order_id`."""
    operator: Operator
    """How it is asked."""
    value: FieldValue
    """For what."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether the field has the value; never where the field is not known."""
        field = field_of(self.field)
        assert field is not None, "the parser lets no other field through"
        match field:
            case Words():
                return _occurs(str(self.value), field.texts(conversation))
            case Entry():
                values = field.values(conversation, self.field.partition(".")[2])
                return any(_is_value(value, self.operator, self.value) for value in values)
            case Name():
                pattern = name_pattern(str(self.value))
                return any(name is not None and pattern.fullmatch(fold(name)) for name in field.names(conversation))
            case Flag():
                return field.holds(conversation) == self.value
            case Number():
                number = field.number(conversation)
                return number is not None and _compares(number, self.operator, float(str(self.value)))
            case Moment():
                at = field.at(conversation)
                return at is not None and isinstance(self.value, Period) and _falls(at, self.operator, self.value)
            case _:
                assert_never(field)

    def __str__(self) -> str:
        """Such as `turns>=3`."""
        return f"{self.field}{self.operator}{_value_written(self.value)}"


@dataclass(frozen=True)
class Not:
    """What the filter in it does not choose."""

    inner: Filter
    """The filter."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether it does not."""
        return not self.inner.matches(conversation)

    def __str__(self) -> str:
        """With a minus sign before it."""
        return f"-{_in_parentheses(self.inner)}"


@dataclass(frozen=True)
class All:
    """What every filter in it chooses; without any, everything."""

    parts: tuple[Filter, ...]
    """The filters."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether all do."""
        return all(part.matches(conversation) for part in self.parts)

    def __str__(self) -> str:
        """One after the other."""
        return " ".join(map(_in_parentheses, self.parts))


@dataclass(frozen=True)
class Either:
    """What at least one of the filters in it chooses."""

    parts: tuple[Filter, ...]
    """The filters."""

    def matches(self, conversation: Conversation) -> bool:
        """Whether one does."""
        return any(part.matches(conversation) for part in self.parts)

    def __str__(self) -> str:
        """With OR between them; what must all hold needs no parentheses there."""
        return " OR ".join(str(part) if isinstance(part, All) else _in_parentheses(part) for part in self.parts)


def parse(text: str) -> Filter:
    """The filter that a text means; an empty one chooses everything.

    Raises BadFilter, whose text shows the place with a caret.
    """
    reader = _Reader(text, _tokens(text))
    found = reader.either(0) if reader.kind is not None else All(())
    if reader.kind is not None:
        raise reader.wrong("this parenthesis was never opened")
    return found


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"""
    (?P<space> \s+)
  | (?P<open> \()
  | (?P<close> \))
  | (?P<minus> -(?=[^\s)]) | NOT(?![^\s()]))
  | (?P<or> OR(?![^\s()]))
  | (?P<and> AND(?![^\s()]))
  | (?P<field> (?P<name>[A-Za-z_]+(?:\.[^\s:<>=()"]+)?) (?P<operator>>=|<=|[:><=]) (?P<value>{_QUOTED}|[^\s()"]*))
  | (?P<phrase> {_QUOTED})
  | (?P<word> [^\s()"]+)
    """,
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise _Misplaced("this quotation mark is never closed", text, place)
        if token.lastgroup != "space":
            found.append(_Token(str(token.lastgroup), token[0], place))
        place = token.end()
    return found


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, text: str, tokens: Sequence[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._place = 0

    @property
    def kind(self) -> str | None:
        """Kind of the token that comes next; None at the end."""
        return self._tokens[self._place].kind if self._place < len(self._tokens) else None

    def either(self, depth: int) -> Filter:
        """Parts with OR between them."""
        parts = [self._all(depth)]
        while self.kind == "or":
            self._next()
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def wrong(self, what: str, todo: str | None = None) -> BadFilter:
        """The error about the token that comes next."""
        place = self._tokens[self._place].place if self._place < len(self._tokens) else len(self._text)
        return _Misplaced(what, self._text, place, todo)

    def _all(self, depth: int) -> Filter:
        """Parts side by side; AND may stand between them and says nothing."""
        parts = [self._one(depth)]
        while self.kind not in (None, "or", "close"):
            if self.kind == "and":
                self._next()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Filter:
        if depth > DEEPEST:
            raise self.wrong(f"nested more than {DEEPEST} deep")
        match self.kind:
            case "minus":
                self._next()
                return Not(self._one(depth + 1))
            case "open":
                return self._in_parentheses(depth)
            case "field":
                return self._field()
            case "phrase" | "word":
                words = self._words(_unquoted(self._tokens[self._place].text), self._tokens[self._place].place)
                self._next()
                return Text(words)
            case _:
                raise self.wrong("something to look for is missing here", 'a word, "a phrase", or field:value')

    def _in_parentheses(self, depth: int) -> Filter:
        opened = self._next()
        found = self.either(depth + 1)
        if self.kind != "close":
            raise _Misplaced("this parenthesis is never closed", self._text, opened.place)
        self._next()
        return found

    def _field(self) -> Filter:
        token = _TOKEN.match(self._text, self._tokens[self._place].place)
        assert token is not None, "a field was found here before"
        name, operator = fold(token["name"]), token["operator"]
        if field_of(name) is None:
            group, dot, rest = name.partition(".")
            near = [f"{one}{dot}{rest}" for one in difflib.get_close_matches(group, ENTRIES if dot else FIELDS, 1)]
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(FIELDS)}."
            raise self.wrong(f"there is no field {name}", f"{advice} To look for the text itself, put it in quotes")
        value = _unquoted(token["value"])
        if not value.strip():
            raise _Misplaced(f"{name}{operator} needs a value", self._text, token.end())
        asked = self._asked(name, ":" if operator == "=" else operator, value, token.start("value"))
        self._next()
        return asked

    def _asked(self, name: str, operator: str, value: str, place: int) -> Asked:
        """The question, if the field can be asked so."""
        field = field_of(name)
        if isinstance(field, Entry) and operator == ":":
            return Asked(name, ":", fold(value))
        if not isinstance(field, Number | Moment | Entry):
            if operator != ":":
                raise self.wrong(f"{name} cannot be more or less than something", f"ask {name}:{value}")
            if isinstance(field, Words):
                return Asked(name, ":", self._words(value, place))
            if isinstance(field, Name):
                return Asked(name, ":", fold(value))
            if fold(value) not in _FLAGS:
                raise _Misplaced(f"{name} is yes or no", self._text, place)
            return Asked(name, ":", _FLAGS[fold(value)])
        is_moment = isinstance(field, Moment)
        kind, read = ("a day such as 2026-11-17", read_period) if is_moment else ("a number", _number)
        try:
            return Asked(name, _OPERATORS[operator], read(value))
        except ValueError:
            raise _Misplaced(f"{name} is compared with {kind}", self._text, place) from None

    def _words(self, text: str, place: int) -> str:
        if not (words := spelled(text)):
            raise _Misplaced("there is no word to look for", self._text, place)
        return words

    def _next(self) -> _Token:
        self._place += 1
        return self._tokens[self._place - 1]


class _Misplaced(BadFilter):
    """The filter does not parse at one place."""

    def __init__(self, what: str, text: str, place: int, todo: str | None = None) -> None:
        super().__init__(what, where=f"filter, character {place + 1}", todo=todo)
        self._text = re.sub(r"\s", " ", text)
        self._column = place

    def __str__(self) -> str:
        """One line, then the filter, then a caret under the place."""
        return f"{super().__str__()}\n  {self._text}\n  {' ' * self._column}^"


_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_OPERATORS: dict[str, Operator] = {":": ":", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _occurs(words: str, texts: Iterable[str]) -> bool:
    return any(occur(words, spelled(text)) for text in texts)


def _is_value(value: JSON, operator: Operator, wanted: FieldValue) -> bool:
    """Whether the value of an entry is what is asked for; numbers are equal by value, texts by letters."""
    if operator != ":":
        return is_number(value) and _compares(value, operator, float(str(wanted)))
    if isinstance(value, bool):
        return fold(str(wanted)) in (("yes", "true") if value else ("no", "false"))
    if is_number(value) and (number := _number_or_none(str(wanted))) is not None:
        return bool(value == number)
    text = value if isinstance(value, str) else canonical_json(value)
    return name_pattern(str(wanted)).fullmatch(fold(text)) is not None


def _number_or_none(text: str) -> float | None:
    try:
        return _number(text)
    except ValueError:
        return None


def _falls(at: datetime, operator: Operator, period: Period) -> bool:
    """A moment is in a period, after its end, before its beginning, or not so."""
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    match operator:
        case ":":
            return period.start <= at < period.end
        case ">":
            return at >= period.end
        case ">=":
            return at >= period.start
        case "<":
            return at < period.start
        case "<=":
            return at < period.end


def _compares(number: float, operator: Operator, value: float) -> bool:
    match operator:
        case ":":
            return number == value
        case ">":
            return number > value
        case ">=":
            return number >= value
        case "<":
            return number < value
        case "<=":
            return number <= value


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text


def _in_parentheses(part: Filter) -> str:
    return f"({part})" if isinstance(part, All | Either) else str(part)


def _written(words: str) -> str:
    """As a word where it is read as one, else in quotation marks."""
    token = _TOKEN.fullmatch(words)
    return words if token is not None and token.lastgroup == "word" and not words.startswith("-") else _quoted(words)


def _value_written(value: FieldValue) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case Period():
            return str(value)
        case _:
            return value if re.fullmatch(r'[^\s()"]+', value) else _quoted(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

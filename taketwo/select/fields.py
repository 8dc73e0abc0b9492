"""What a filter can ask about a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypeGuard

from taketwo.conversation import Call, Conversation, Say
from taketwo.value import JSON, canonical_json

Operator: TypeAlias = Literal[":", ">", ">=", "<", "<="]
"""How a field is asked; `:` is equal to, contains, or falls on."""


class Words(NamedTuple):
    """A field that holds texts; asked for words that occur in one of them, one after the other."""

    about: str
    """What it is, for people."""
    texts: Callable[[Conversation], Iterable[str]]
    """The texts."""


class Name(NamedTuple):
    """A field that holds names; asked for a whole name, in which `*` stands for anything."""

    about: str
    """What it is, for people."""
    names: Callable[[Conversation], Iterable[str | None]]
    """The names; None where there is none."""


class Flag(NamedTuple):
    """A field that is `yes` or `no`."""

    about: str
    """What it is, for people."""
    holds: Callable[[Conversation], bool]
    """Whether it is yes."""


class Number(NamedTuple):
    """A field that is a number."""

    about: str
    """What it is, for people."""
    number: Callable[[Conversation], float | None]
    """The number; None where it is not known."""


class Moment(NamedTuple):
    """A field that is a date and time."""

    about: str
    """What it is, for people."""
    at: Callable[[Conversation], datetime | None]
    """When; None where it is not known."""


class Entry(NamedTuple):
    """A field of named values, asked by `field.name`: for a text in which `*` stands for anything, or as a number."""

    about: str
    """What it is, for people."""
    values: Callable[[Conversation, str], Iterable[JSON]]
    """The values of a folded name."""


Field: TypeAlias = Words | Name | Flag | Number | Moment | Entry
"""A field by what it holds."""


class Period(NamedTuple):
    """A month, day, minute or second in UTC, as a filter names it."""

    text: str
    """Such as `2026-11-17` or `2026-11-17T10:30`."""
    start: datetime
    """Its beginning."""
    end: datetime
    """The beginning of what follows."""

    def __str__(self) -> str:
        """What `read_period` reads back."""
        return self.text


def read_period(text: str) -> Period:
    """`2026-11`, `2026-11-17`, `2026-11-17T10:30`, with seconds, with an offset. Raises ValueError for others."""
    found = _PERIOD.fullmatch(text.upper())
    if found is None:
        raise ValueError(text)
    month, day, minute, second, offset = found.groups()
    try:
        if minute is None:
            start = datetime.fromisoformat(f"{month}{day or '-01'}").replace(tzinfo=UTC)
            following = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
            return Period(month + (day or ""), start, following if day is None else start + timedelta(days=1))
        local = datetime.fromisoformat(f"{month}{day}T{minute}{second or ':00'}{offset or 'Z'}")
        start = local.astimezone(UTC)
        length = timedelta(minutes=1) if second is None else timedelta(seconds=1)
        return Period(f"{start:%Y-%m-%dT%H:%M}{second or ''}", start, start + length)
    except OverflowError as error:
        raise ValueError(text) from error


def fold(text: str) -> str:
    """The text as it is compared: upper and lower case and all white space alike."""
    return _fold_name(text) if len(text) <= LONGEST_NAME else _fold(text)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


_fold_name = lru_cache(maxsize=4096)(_fold)


@lru_cache(maxsize=256)
def name_pattern(name: str) -> re.Pattern[str]:
    """A whole folded name, in which `*` stands for anything."""
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.DOTALL)


def said(conversation: Conversation) -> Iterator[str]:
    """What the user said, line by line."""
    return (turn.user.text for turn in conversation.turns if turn.user is not None)


def replied(conversation: Conversation) -> Iterator[str]:
    """What the agent said: the replies, and the words before them."""
    for turn in conversation.turns:
        yield from (step.text for step in turn.steps if isinstance(step, Say))
        if turn.reply is not None:
            yield turn.reply


def json_in_plain(value: JSON) -> str:
    """All keys and values one after the other: JSON's own escapes would tear words apart."""
    match value:
        case dict():
            return " ".join(f"{key} {json_in_plain(inner)}" for key, inner in value.items())
        case list():
            return " ".join(map(json_in_plain, value))
        case str():
            return value
        case _:
            return canonical_json(value)


def tags(conversation: Conversation) -> Iterator[str]:
    """The tags that the application put on it, under whichever name."""
    for key in TAG_KEYS:
        value = conversation.metadata.get(key)
        if isinstance(value, str):
            yield from (tag.strip() for tag in value.split(",") if tag.strip())
        elif isinstance(value, list):
            yield from (tag for tag in value if isinstance(tag, str))


def scores(conversation: Conversation) -> Iterator[tuple[str, JSON]]:
    """Names and values of scores, those of single turns too."""
    return ((_OF_A_TURN.sub("", name), value) for name, value in conversation.outcome.scores.items())


def arguments(conversation: Conversation) -> Iterator[tuple[str, JSON]]:
    """Folded names and values of the arguments of its calls, `address.city` for one inside another."""
    for call in _calls(conversation):
        yield from _inside(call.arguments, "")


def is_number(value: JSON) -> TypeGuard[int | float]:
    """Whether more or less can be asked of it; a yes or no is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def field_of(name: str) -> Field | None:
    """The field of a name as it stands in a filter; None where there is none."""
    group, dot, _ = name.partition(".")
    return ENTRIES.get(group) if dot else FIELDS.get(name)


TAG_KEYS = ("tags", "tag.tags", "langfuse.tags", "langfuse.trace.tags", "langsmith.span.tags")
"""Where the sources put tags: a list, or one text with commas."""

FIELDS: dict[str, Field] = {
    "said": Words("what the user said", said),
    "replied": Words("what the agent said", replied),
    "argument": Words("the arguments of a tool call", lambda c: (json_in_plain(call.arguments) for call in _calls(c))),
    "result": Words("what a tool gave back", lambda c: map(_result, _calls(c))),
    "comment": Words("what people said with their feedback", lambda c: c.outcome.comments),
    "tool": Name("a tool that was called", lambda c: (call.tool for call in _calls(c))),
    "failed": Name("a tool whose call failed", lambda c: (call.tool for call in _calls(c) if call.error is not None)),
    "tag": Name("a tag", tags),
    "score": Name("a score that it has", lambda c: (name for name, _ in scores(c))),
    "user": Name("the user's id", lambda c: (c.user_id,)),
    "session": Name("the session's id", lambda c: (c.session_id,)),
    "id": Name("the conversation's id", lambda c: (c.id,)),
    "project": Name("the project", lambda c: (c.project,)),
    "agent": Name("the agent's name", lambda c: (c.agent.name,)),
    "model": Name("the model", lambda c: (c.agent.model,)),
    "channel": Name("text or voice", lambda c: (c.channel,)),
    "ended": Name("why it ended", lambda c: (c.outcome.ended_reason,)),
    "error": Flag("whether a tool call failed", lambda c: any(call.error is not None for call in _calls(c))),
    "gap": Flag("whether the capture leaves something out", lambda c: bool(c.gaps)),
    "unanswered": Flag("whether it ended without an answer", lambda c: bool(c.turns) and c.turns[-1].reply is None),
    "turns": Number("number of turns", lambda c: len(c.turns)),
    "calls": Number("number of tool calls", lambda c: len(_calls(c))),
    "errors": Number("number of tool calls that failed", lambda c: sum(call.error is not None for call in _calls(c))),
    "gaps": Number("number of things that the capture leaves out", lambda c: len(c.gaps)),
    "latency": Number("milliseconds of the slowest turn", lambda c: _most(turn.latency_ms for turn in c.turns)),
    "tokens": Number("tokens that the model read and wrote, in all", lambda c: _sum(_tokens(c))),
    "cost": Number("cost in US dollars, in all", lambda c: _sum(turn.cost_usd for turn in c.turns)),
    "started": Moment("when it began", lambda c: c.started_at),
}
"""Every field by its name in a filter."""

ENTRIES: dict[str, Entry] = {
    "argument": Entry(
        "one argument of a tool call", lambda c, name: (value for key, value in arguments(c) if key == name)
    ),
    "score": Entry("one score", lambda c, name: (value for key, value in scores(c) if fold(key) == name)),
}
"""Fields of named values, as in `argument.order_id:A-1042` and `score.csat<3`."""

_PERIOD = re.compile(r"(\d{4}-\d\d)(-\d\d)?(?:(?<=-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


LONGEST_NAME = 64
"""Letters of a text that is likely to come again: tools and their arguments have few names."""

_OF_A_TURN = re.compile(r"^turns\[\d+\]\.")


def _calls(conversation: Conversation) -> list[Call]:
    return [step for turn in conversation.turns for step in turn.steps if isinstance(step, Call)]


def _inside(value: JSON, path: str) -> list[tuple[str, JSON]]:
    """What is named in a value that stands under a path; the items of a list bear the name of the list."""
    found: list[tuple[str, JSON]] = []
    if isinstance(value, list):
        for item in value:
            found += _inside(item, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = path + fold(key)
            if isinstance(inner, list):
                found += [(name, item) for item in inner]
            else:
                found.append((name, inner))
            if isinstance(inner, dict | list):
                found += _inside(inner, f"{name}.")
    return found


def _result(call: Call) -> str:
    if call.error is not None:
        return call.error
    return json_in_plain(call.result)


def _tokens(conversation: Conversation) -> Iterator[int | None]:
    for turn in conversation.turns:
        yield from (turn.tokens.input, turn.tokens.output)


def _most(figures: Iterable[float | None]) -> float | None:
    return max((known for known in figures if known is not None), default=None)


def _sum(figures: Iterable[float | None]) -> float | None:
    """None where not one is known."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None

"""What a filter can ask about a conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from taketwo.conversation import Call, Conversation, Say, Turn
from taketwo.value import JSON, canonical_json

Operator: TypeAlias = Literal[":", ">", ">=", "<", "<="]
"""How a field is asked; `:` is equal to, contains, or falls on."""


class Words(NamedTuple):
    """A field that holds texts; asked for words that occur in one of them."""

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


Field: TypeAlias = Words | Name | Flag | Number | Moment
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
    return " ".join(text.casefold().split())


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


FIELDS: dict[str, Field] = {
    "said": Words("what the user said", said),
    "replied": Words("what the agent said", replied),
    "argument": Words("the arguments of a tool call", lambda c: (canonical_json(call.arguments) for call in _calls(c))),
    "result": Words("what a tool gave back", lambda c: map(_result, _calls(c))),
    "tool": Name("a tool that was called", lambda c: (call.tool for call in _calls(c))),
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
    "turns": Number("number of turns", lambda c: len(c.turns)),
    "calls": Number("number of tool calls", lambda c: sum(1 for _ in _calls(c))),
    "latency": Number("milliseconds of the slowest turn", lambda c: _most(c, lambda turn: turn.latency_ms)),
    "tokens": Number("output tokens of the longest turn", lambda c: _most(c, lambda turn: turn.tokens.output)),
    "started": Moment("when it began", lambda c: c.started_at),
}
"""Every field by its name in a filter."""

_PERIOD = re.compile(r"(\d{4}-\d\d)(-\d\d)?(?:(?<=-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


def _calls(conversation: Conversation) -> Iterator[Call]:
    return (call for _, _, call in conversation.calls())


def _result(call: Call) -> JSON:
    if call.error is not None:
        return call.error
    return call.result if isinstance(call.result, str) else canonical_json(call.result)


def _most(conversation: Conversation, figure: Callable[[Turn], float | None]) -> float | None:
    return max((known for turn in conversation.turns if (known := figure(turn)) is not None), default=None)

"""Finding conversations: the `Search` of a store, and what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from statistics import fmean, median
from typing import Final, Literal, Protocol, TypeAlias, get_args

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, NotFound
from taketwo.select.fields import FIELDS, Number
from taketwo.select.filters import Filter
from taketwo.store.facts import Grade
from taketwo.store.listing import LATEST_NS, moment, moment_ns
from taketwo.store.summary import ConversationSummary, TraceSummary
from taketwo.value import Value

Column: TypeAlias = Literal["started", "turns", "calls", "errors", "gaps", "latency", "tokens", "cost"]
"""What a listing can be sorted by: fields of the filter language."""

UNKNOWN: Final = -1
"""What is not known is sorted as if it were this, below everything that is."""


class Order(Value):
    """In which order conversations are listed; those of the same value in the order they came."""

    by: Column = "started"
    """The field."""
    descending: bool = True
    """Whether the largest comes first, or the newest."""


NEWEST_FIRST: Final = Order()


def read_order(text: str) -> Order:
    """`-latency` for the slowest first, `latency` for the fastest; `-started` is the usual. Raises BadSetting."""
    by = text.removeprefix("-")
    if by not in get_args(Column):
        raise BadSetting(f"nothing is sorted by {by!r}", where="sort", todo=f"there are {', '.join(get_args(Column))}")
    return Order(by=by, descending=text.startswith("-"))  # type: ignore[arg-type]  # looked up above


class UserSummary(Value):
    """One user in a listing."""

    id: str
    """The id that the sender gave."""
    project: str
    """The project."""
    conversations: int
    """Number of conversations."""
    errors: int
    """Number of conversations with a tool call that failed."""
    turns: int
    """Number of turns in all."""
    first_at: datetime | None
    """Start of the earliest conversation, UTC; None when no conversation says."""
    last_at: datetime | None
    """Start of the latest one, UTC; None when no conversation says."""
    cursor: str = ""
    """Where a listing goes on after this row; empty outside a listing."""


class Graded(Value):
    """What a score was within a stretch of time."""

    count: int
    """How often it was given."""
    mean: float
    """Its mean; of flags, the share of those that hold."""
    is_flag: bool
    """Whether every one was a flag."""


class Stretch(Value):
    """What began within a stretch of time."""

    at: datetime
    """Its beginning, UTC."""
    conversations: int
    """Number of conversations."""
    errors: int
    """Number of conversations with a tool call that failed."""
    turns: int
    """Number of turns in all."""
    latency_ms: float | None
    """Median of the slowest turns of the conversations, in milliseconds; None when not one is known."""
    scores: dict[str, Graded] = {}
    """By name: the scores that are numbers or flags, those of single turns too."""


class Held(Value):
    """How much there is."""

    conversations: int
    """Conversations that were read out of their spans."""
    traces: int
    """Traces with a span at least."""
    calls: int
    """Tool calls of those conversations."""
    spans: int
    """Spans, however they came in."""


class Search(Protocol):
    """Finds conversations by the filter language (select/filters.py); safe to use from several threads.

    What has come just now is read first, up to some hundred conversations; where more has come than that, `unread` says
    how much is found only later. Every method may raise StoreUnavailable.
    """

    def conversations(
        self,
        chosen: Filter,
        project: str | None = None,
        *,
        order: Order = NEWEST_FIRST,
        limit: int | None = None,
        after: str | None = None,
        as_read: bool = False,
    ) -> Iterator[ConversationSummary]:
        """Those that the filter chooses, in all projects when none is named.

        `after` is the cursor of the last one seen, in the same order. Raises NotFound where it is none.
        as_read: without what has come since it was last read, for who looks again and again in the background.
        """

    def traces(
        self, chosen: Filter, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """Traces, the newest first, of which the filter chooses the part of the conversation that happened in them."""

    def users(self, project: str, *, limit: int | None = None, after: str | None = None) -> list[UserSummary]:
        """The users of a project, those first who were there last."""

    def timeline(
        self, chosen: Filter, project: str | None = None, *, since: datetime, until: datetime, step_s: int
    ) -> list[Stretch]:
        """What was chosen, by stretches of so many seconds from `since` on, the empty ones too."""

    def unread(self, project: str | None = None) -> int:
        """How many conversations have something new that no search sees yet."""

    def held(self, project: str | None = None) -> Held:
        """How much there is, without waiting for what is `unread`. Takes longer the more that is."""


class Row(Value):
    """What a timeline counts of one conversation."""

    first_ns: int
    """When it began."""
    errors: int
    """Tool calls that failed."""
    turns: int
    """Number of turns."""
    latency: float | None
    """Milliseconds of the slowest turn."""
    grades: tuple[Grade, ...] = ()
    """Its scores that are numbers or flags."""


def stretches(rows: Iterable[Row], *, since: datetime, until: datetime, step_s: int) -> list[Stretch]:
    """Rows by stretches of time. Raises BadSetting."""
    begin_ns, step_ns = moment_ns(since), step_s * 1_000_000_000
    parts: list[list[Row]] = [[] for _ in starts_of(since, until, step_s)]
    for row in rows:
        parts[(row.first_ns - begin_ns) // step_ns].append(row)
    return [_stretch(at, part) for at, part in zip(starts_of(since, until, step_s), parts, strict=True)]


def starts_of(since: datetime, until: datetime, step_s: int) -> list[datetime]:
    """When each stretch of time begins. Raises BadSetting for none of them, or too many."""
    begin_ns, step_ns = moment_ns(since), step_s * 1_000_000_000
    count = -(-(moment_ns(until) - begin_ns) // step_ns) if step_s >= 1 else 0
    if not 0 < count <= MOST_STRETCHES:
        raise BadSetting(f"that makes {count} stretches of time", where="step", todo=f"1 to {MOST_STRETCHES} are drawn")
    return [moment(begin_ns + number * step_ns) or since for number in range(count)]


MOST_STRETCHES: Final = 2_000
"""How many stretches of time one answer has at most."""


def _stretch(at: datetime, rows: list[Row]) -> Stretch:
    known = [row.latency for row in rows if row.latency is not None]
    return Stretch(
        at=at,
        conversations=len(rows),
        errors=sum(row.errors > 0 for row in rows),
        turns=sum(row.turns for row in rows),
        latency_ms=median(known) if known else None,
        scores=_graded([grade for row in rows for grade in row.grades]),
    )


def _graded(grades: list[Grade]) -> dict[str, Graded]:
    by_name: dict[str, list[Grade]] = {}
    for grade in grades:
        by_name.setdefault(grade[0], []).append(grade)
    return {
        name: Graded(count=len(some), mean=fmean(value for _, value, _ in some), is_flag=all(flag for *_, flag in some))
        for name, some in by_name.items()
    }


def part_in_trace(conversation: Conversation, trace: TraceSummary) -> Conversation:
    """The part of a conversation that happened in a trace, with the times of that."""
    turns = tuple(turn for turn in conversation.turns if turn.trace_id == trace.id)
    return conversation.but(turns=turns, started_at=trace.started_at, ended_at=trace.ended_at)


def sorted_by(order: Order, conversation: Conversation, first_ns: int) -> float:
    """The value that a conversation is sorted by."""
    if order.by == "started":
        return first_ns
    field = FIELDS[order.by]
    assert isinstance(field, Number)  # every other column is
    value = field.number(conversation)
    return UNKNOWN if value is None else value


def place_in(order: Order, cursor: str | None) -> tuple[float, int]:
    """The row that a cursor stands after; None for before the first one. Raises NotFound where it is none."""
    if cursor is None:
        edge = LATEST_NS if order.descending else -LATEST_NS
        return edge, edge
    value, _, key = cursor.rpartition("-")
    try:
        found = (int(value) if value.lstrip("-").isdigit() else float(value)), int(key)
    except ValueError:
        found = (LATEST_NS + 1, 0)
    if not max(map(abs, found)) <= LATEST_NS:
        raise NotFound(f"there is no place {cursor!r} in this listing", where="after", todo="leave the cursor out")
    return found


def user_place(cursor: str | None) -> tuple[int, str]:
    """Time and id of the user that a cursor stands after; None for the beginning. Raises NotFound where it is none."""
    if cursor is None:
        return LATEST_NS, ""
    last_ns, _, id = cursor.partition("-")
    if not (last_ns.isascii() and last_ns.isdigit() and int(last_ns) <= LATEST_NS):
        raise NotFound(f"there is no place {cursor!r} in this listing", where="after", todo="leave the cursor out")
    return int(last_ns), id

"""Finding conversations in memory: by a look at each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

from taketwo.conversation import Conversation
from taketwo.select.fields import FIELDS, Number
from taketwo.select.filters import Filter
from taketwo.store.facts import grades_of
from taketwo.store.listing import moment, moment_ns, place
from taketwo.store.search import (
    NEWEST_FIRST,
    Held,
    Order,
    Row,
    Stretch,
    UserSummary,
    part_in_trace,
    place_in,
    sorted_by,
    stretches,
    user_place,
)
from taketwo.store.summary import ConversationSummary, TraceSummary, summarise


class MemorySearch:
    """Looks at everything."""

    def __init__(
        self,
        listing: Callable[[str | None], list[tuple[int, int, Conversation]]],
        traces: Callable[[str | None], list[TraceSummary]],
    ) -> None:
        """`listing` gives time, number and conversation, `traces` all of them, the newest first."""
        self._listing = listing
        self._all_traces = traces

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
        """See `Search`. Nothing waits to be read here."""
        after_place = place_in(order, after)
        rows = [
            ((sorted_by(order, one, first_ns), number), one)
            for first_ns, number, one in self._listing(project)
            if one.turns and chosen.matches(one)
        ]
        rows.sort(key=lambda row: row[0], reverse=order.descending)
        left = (row for row in rows if (row[0] < after_place if order.descending else row[0] > after_place))
        return (summarise(one).but(cursor=f"{value}-{number}") for (value, number), one in islice(left, limit))

    def traces(
        self, chosen: Filter, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Search`."""
        after_place = place(after)
        by_id = {(one.project, one.id): one for _, _, one in self._listing(project)}
        found = (
            trace
            for trace in self._all_traces(project)
            if place(trace.cursor) < after_place
            and any(
                chosen.matches(part_in_trace(by_id[trace.project, name], trace))
                for name in trace.conversations
                if (trace.project, name) in by_id
            )
        )
        return islice(found, limit)

    def users(self, project: str, *, limit: int | None = None, after: str | None = None) -> list[UserSummary]:
        """See `Search`."""
        of_user: dict[str, list[Row]] = {}
        for first_ns, _, one in self._listing(project):
            if one.user_id is not None:
                of_user.setdefault(one.user_id, []).append(_row(first_ns, one))
        last_ns, last_id = user_place(after)
        rows = sorted((-max(row.first_ns for row in some), id) for id, some in of_user.items())
        left = [id for at, id in rows if (at, id) > (-last_ns, last_id)]
        return [_user(id, project, of_user[id]) for id in left[:limit]]

    def timeline(
        self, chosen: Filter, project: str | None = None, *, since: datetime, until: datetime, step_s: int
    ) -> list[Stretch]:
        """See `Search`."""
        begin, end = moment_ns(since), moment_ns(until)
        rows = (
            _row(first_ns, one)
            for first_ns, _, one in self._listing(project)
            if one.turns and begin <= first_ns < end and chosen.matches(one)
        )
        return stretches(rows, since=since, until=until, step_s=step_s)

    def unread(self, project: str | None = None) -> int:
        """Everything is read anew each time."""
        return 0

    def held(self, project: str | None = None) -> Held:
        """See `Search`."""
        listed = [one for _, _, one in self._listing(project) if one.turns]
        traces = [trace for trace in self._all_traces(project) if trace.spans]
        calls = sum(sum(1 for _ in one.calls()) for one in listed)
        spans = sum(trace.spans for trace in traces)
        return Held(conversations=len(listed), traces=len(traces), calls=calls, spans=spans)


def _row(first_ns: int, conversation: Conversation) -> Row:
    latency, errors = FIELDS["latency"], sum(call.error is not None for _, _, call in conversation.calls())
    assert isinstance(latency, Number)  # it is one
    turns = len(conversation.turns)
    return Row(
        first_ns=first_ns,
        errors=errors,
        turns=turns,
        latency=latency.number(conversation),
        grades=grades_of(conversation),
    )


def _user(id: str, project: str, rows: list[Row]) -> UserSummary:
    last_ns = max(row.first_ns for row in rows)
    return UserSummary(
        id=id,
        project=project,
        conversations=len(rows),
        errors=sum(row.errors > 0 for row in rows),
        turns=sum(row.turns for row in rows),
        first_at=moment(min((row.first_ns for row in rows if row.first_ns), default=0)),
        last_at=moment(last_ns),
        cursor=f"{last_ns}-{id}",
    )

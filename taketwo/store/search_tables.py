"""Finding conversations in their tables: by their facts, and by a look at each where these cannot decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from statistics import fmean, median
from typing import Any, Final

import msgspec

from taketwo.conversation import Conversation
from taketwo.errors import StoreBusy, StoreUnavailable
from taketwo.select.filters import Filter
from taketwo.store.behind import Behind
from taketwo.store.conditions import EVERY_ROW, Condition, condition, wider
from taketwo.store.database import Connection, Dialect, Readers, Rows, by_column
from taketwo.store.indexing import SEARCH, index_again
from taketwo.store.listing import moment, moment_ns, place
from taketwo.store.search import (
    NEWEST_FIRST,
    UNKNOWN,
    Graded,
    Held,
    Order,
    Row,
    Stretch,
    UserSummary,
    part_in_trace,
    place_in,
    starts_of,
    stretches,
    user_place,
)
from taketwo.store.statements import SQL
from taketwo.store.summary import ConversationSummary, TraceSummary
from taketwo.store.writer import Writer

PAGE: Final = 50
"""Rows that are read together."""
GRADES_OF: Final = """g.conversation_id IN (
    SELECT f.conversation_id FROM facts AS f
    WHERE {scope} AND f.first_ns >= :since_ns AND f.first_ns < :until_ns AND ({condition})
)"""
"""Scores of conversations that a condition chooses."""
COMMON: Final = 2_000
"""A name that so many conversations have is looked for row by row: a page is full before many were looked at."""
MOST_MEDIANS: Final = 10_000
"""Medians of stretches that are remembered."""
HOUR_NS: Final = 3_600_000_000_000
"""Scores are added up by hours as they come."""
MOST_READ_FIRST: Final = 200
"""Conversations that are read before a search, because something came for them just now."""
MOST_READ_BEHIND: Final = 50
"""The same where nobody waits for all of them: as many as a page shows."""
FEW: Final = 5
"""So many are waited for longer: they will be there in a moment, and are most likely what is looked for."""
FEW_WITHIN_S: Final = 3.0
"""How long those are waited for."""


class TableSearch:
    """Asks the tables of facts and words."""

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        read: Callable[[int], Conversation | None],
        settle: Callable[[int], object],
        dialect: Dialect,
    ) -> None:
        """`read` gives a conversation by its key, and `settle` brings one up to date with its spans and keeps it."""
        self._readers = readers
        self._writer = writer
        self._read = read
        self._settle = settle
        self._dialect = dialect
        self._turn = 0
        self._behind = Behind(lambda project: self.catch_up(project, MOST_READ_BEHIND))
        self._within_s: float | None = None
        self._medians: dict[tuple[str | None, int, int, int, float], float] = {}

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
        """See `Search`."""
        place_in(order, after)
        if not as_read:
            self.read_first(project, limit)
        # In any other order all that fit are gathered anyway, to be sorted.
        asked = self._condition(chosen, by_row=order == NEWEST_FIRST and limit is not None)
        rows = self._pages(asked, project, order, after, limit)
        if not asked.is_exact:
            rows = (row for row in rows if self._fits(chosen, row["key"]))
        return map(_summary, islice(rows, limit))

    def traces(
        self, chosen: Filter, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Search`."""
        place(after)
        self.read_first(project, limit)
        return islice(self._traces(chosen, project, after), limit)

    def users(self, project: str, *, limit: int | None = None, after: str | None = None) -> list[UserSummary]:
        """See `Search`."""
        last_ns, id = user_place(after)
        self.read_first(project, limit)
        wanted = {"project": project, "last_ns": last_ns, "id": id, "limit": -1 if limit is None else limit}
        with self._readers.snapshot() as connection:
            rows = by_column(connection.execute(SEARCH["users"], wanted))
        return [_user(row, project) for row in rows]

    def timeline(
        self, chosen: Filter, project: str | None = None, *, since: datetime, until: datetime, step_s: int
    ) -> list[Stretch]:
        """See `Search`."""
        starts = starts_of(since, until, step_s)
        self.read_first(project, len(starts))
        asked = self._condition(chosen)
        step_ns = step_s * 1_000_000_000
        until_ns = moment_ns(until)
        times = {"since_ns": moment_ns(since), "until_ns": until_ns, "step_ns": step_ns, "project": project}
        if asked.sql == EVERY_ROW:
            return self._stretches(project, starts, until_ns, step_ns)
        if asked.is_exact:
            return self._summed(asked, times, starts)
        text = SEARCH["counted"].format(scope=_scope(project, "f"), condition=asked.sql)
        with self._readers.snapshot() as connection:
            rows = connection.execute(text, {**asked.values, **times}).fetchall()
        fitting = [(key, row) for key, *row in rows if self._fits(chosen, key)]
        counted = [
            Row(first_ns=first_ns, errors=errors, turns=turns, latency=latency)
            for _, (first_ns, errors, turns, latency) in fitting
        ]
        keys = json.dumps([key for key, _ in fitting])
        graded = self._graded(f"g.conversation_id IN {self._dialect.among('keys')}", {**times, "keys": keys})
        found = stretches(counted, since=since, until=until, step_s=step_s)
        return [one.but(scores=graded.get(number, {})) for number, one in enumerate(found)]

    def unread(self, project: str | None = None) -> int:
        """See `Search`."""
        with self._readers.snapshot() as connection:
            (number,) = connection.execute(SEARCH["count_unread"], {"project": project}).fetchone()
        return int(number)

    def held(self, project: str | None = None) -> Held:
        """See `Search`."""
        with self._readers.snapshot() as connection:
            traces, spans = connection.execute(SEARCH["held_traces"], {"project": project}).fetchone()
            conversations, calls = connection.execute(SEARCH["held_conversations"], {"project": project}).fetchone()
        return Held(conversations=int(conversations), traces=int(traces), calls=int(calls), spans=int(spans))

    def is_hurried(self, limit: int | None) -> bool:
        """Whether a listing of so many does not wait for all that has come: one of everything always does."""
        return self._within_s is not None and limit is not None

    def hurry(self, within_s: float) -> None:
        """See `Store`."""
        self._within_s = within_s

    def read_first(self, project: str | None, limit: int | None) -> None:
        """Read what has come just now before so many are listed, as far as there is time for that."""
        if self._within_s is None or limit is None:
            self.catch_up(project, MOST_READ_FIRST)
            return
        with self._readers.snapshot() as connection:
            came = len(connection.execute(SEARCH["unread"], {"project": project, "limit": FEW + 1}).fetchall())
        if came:
            are_few = came <= FEW
            self._behind.wait(project, FEW_WITHIN_S if are_few else self._within_s, at_once=are_few)

    def close(self) -> None:
        """Finish what is being read."""
        self._behind.close()

    def catch_up(self, project: str | None, limit: int) -> int:
        """Read what has come, the newest first; gives how many conversations that were."""
        with self._readers.snapshot() as connection:
            rows = connection.execute(SEARCH["unread"], {"project": project, "limit": limit}).fetchall()
        try:
            self._index(rows)
        except StoreBusy:
            raise
        except StoreUnavailable:  # the disk is full: what was read before is found all the same
            return 0
        return len(rows)

    def settle(self, limit: int) -> int:
        """Read what has come, each in its turn; gives how many conversations that were."""
        with self._readers.snapshot() as connection:
            rows = connection.execute(SEARCH["unread_in_turn"], {"after": self._turn, "limit": limit}).fetchall()
            if not rows and self._turn:
                rows = connection.execute(SEARCH["unread_in_turn"], {"after": 0, "limit": limit}).fetchall()
        self._index(rows)
        self._turn = rows[-1][0] if rows else 0
        return len(rows)

    def _index(self, rows: Sequence[tuple[int, int]]) -> None:
        for key, is_unsettled in rows:
            if is_unsettled:
                self._settle(key)
            else:
                self._writer.do(partial(index_again, key=key))

    def _condition(self, chosen: Filter, *, by_row: bool = False) -> Condition:
        with self._readers.snapshot() as connection:

            def is_common(field: str, name: str) -> bool:
                wanted = {"kind": field, "name": name, "most": COMMON}
                return by_row and bool(connection.execute(SEARCH["marks_counted"], wanted).fetchone()[0] == COMMON)

            projects = [name for (name,) in connection.execute(SQL["projects"])]
            return condition(chosen, projects, self._dialect, is_common)

    def _summed(self, asked: Condition, times: dict[str, Any], starts: list[datetime]) -> list[Stretch]:
        """A timeline added up where the facts lie, the empty stretches too."""
        scope = _scope(times["project"], "f")
        text = SEARCH["summed"].format(scope=scope, condition=asked.sql, latencies=self._dialect.latencies)
        with self._readers.snapshot() as connection:
            rows = {row["number"]: row for row in by_column(connection.execute(text, {**asked.values, **times}))}
        of_some = GRADES_OF.format(scope=scope, condition=asked.sql)
        graded = self._graded(of_some, {**asked.values, **times})
        empty = {"conversations": 0, "errors": 0, "turns": 0, "latencies": "[]"}
        found = [(at, rows.get(number, empty), graded.get(number, {})) for number, at in enumerate(starts)]
        return [
            Stretch(
                at=at,
                conversations=row["conversations"],
                errors=row["errors"],
                turns=row["turns"],
                latency_ms=median(known)
                if (known := msgspec.json.decode(row["latencies"] or "[]", type=list[float]))
                else None,
                scores=scores,
            )
            for at, row, scores in found
        ]

    def _stretches(self, project: str | None, starts: list[datetime], until_ns: int, step_ns: int) -> list[Stretch]:
        """A timeline of everything, stretch by stretch: most charts are of everything, and of much of it."""
        found = []
        first_ns = moment_ns(starts[0])
        whole = {"project": project, "since_ns": first_ns, "until_ns": until_ns, "step_ns": step_ns}
        by_hour = all(time % HOUR_NS == 0 for time in (first_ns, until_ns, step_ns))
        with self._readers.snapshot() as connection:
            graded = _by_stretch(connection.execute(SEARCH["grades_by_hour"], whole)) if by_hour else {}
            for number, at in enumerate(starts):
                since_ns = moment_ns(at)
                times = {"project": project, "since_ns": since_ns, "until_ns": min(since_ns + step_ns, until_ns)}
                conversations, errors, turns, known, latency = connection.execute(SEARCH["stretch"], times).fetchone()
                if conversations and not by_hour:
                    graded |= _by_stretch(connection.execute(SEARCH["stretch_grades"], {**times, "number": number}))
                found.append(
                    Stretch(
                        at=at,
                        conversations=conversations,
                        errors=errors,
                        turns=turns,
                        latency_ms=self._median(connection, times, known, latency) if known else None,
                        scores=graded.get(number, {}),
                    )
                )
        return found

    def _median(self, connection: Connection, times: dict[str, Any], known: int, total: float) -> float:
        """The median of a stretch. One of which number and sum are the same as before is not sorted again."""
        sign = (times["project"], times["since_ns"], times["until_ns"], known, total)
        if (middle := self._medians.get(sign)) is None:
            if len(self._medians) >= MOST_MEDIANS:
                self._medians.clear()
            wanted = {**times, "limit": 2 - known % 2, "before": (known - 1) // 2}
            middle = fmean(value for (value,) in connection.execute(SEARCH["middle_latencies"], wanted))
            self._medians[sign] = middle
        return middle

    def _graded(self, chosen: str, values: dict[str, Any]) -> dict[int, dict[str, Graded]]:
        """The scores by stretch and name."""
        text = SEARCH["graded"].format(scope=_scope(values["project"], "g"), chosen=chosen)
        with self._readers.snapshot() as connection:
            return _by_stretch(connection.execute(text, values))

    def _fits(self, chosen: Filter, key: int) -> bool:
        found = self._read(key)
        return found is not None and chosen.matches(found)

    def _pages(
        self, asked: Condition, project: str | None, order: Order, after: str | None, limit: int | None
    ) -> Iterator[dict[str, Any]]:
        """Rows page by page, so that no snapshot is held while somebody thinks about one."""
        value, key = place_in(order, after)
        text = SEARCH["found"].format(
            value="f.first_ns" if order.by == "started" else f'coalesce(f."{order.by}", {UNKNOWN})',
            scope=_scope(project, "f"),
            condition=asked.sql,
            beyond="<" if order.descending else ">",
            way="DESC" if order.descending else "ASC",
        )
        size = PAGE if limit is None or not asked.is_exact else max(1, limit)
        while True:
            wanted = {**asked.values, "project": project, "value": value, "key": key, "limit": size}
            with self._readers.snapshot() as connection:
                rows = by_column(connection.execute(text, wanted))
            yield from rows
            if len(rows) < size:
                return
            value, key = rows[-1]["value"], rows[-1]["key"]

    def _traces(self, chosen: Filter, project: str | None, after: str | None) -> Iterator[TraceSummary]:
        first_ns, id = place(after)
        asked = self._condition(wider(chosen))
        scope = _scope(project, "trace")
        text = SEARCH["found_traces"].format(scope=scope, condition=asked.sql, keys=self._dialect.keys)
        while True:
            wanted = {**asked.values, "project": project, "first_ns": first_ns, "id": id, "limit": PAGE}
            with self._readers.snapshot() as connection:
                rows = by_column(connection.execute(text, wanted))
                found = [(trace_summary(connection, row), row["keys"]) for row in rows]
            for trace, keys in found:
                parts = (one for key in keys.split(",") if (one := self._read(int(key))) is not None)
                if any(chosen.matches(part_in_trace(one, trace)) for one in parts):
                    yield trace
            if len(rows) < PAGE:
                return
            first_ns, id = rows[-1]["first_ns"], rows[-1]["id"]


def _by_stretch(rows: Rows) -> dict[int, dict[str, Graded]]:
    found: dict[int, dict[str, Graded]] = {}
    for number, name, count, mean, is_flag in rows.fetchall():
        found.setdefault(number, {})[name] = Graded(count=count, mean=mean, is_flag=bool(is_flag))
    return found


def trace_summary(connection: Connection, row: dict[str, Any]) -> TraceSummary:
    """What a listing shows of a trace, by its row."""
    names = connection.execute(SQL["names_of_conversations_of_trace"], (row["id"],)).fetchall()
    return TraceSummary(
        id=row["trace_id"].hex(),
        project=row["project"],
        conversations=tuple(name for (name,) in names),
        started_at=moment(row["first_ns"]),
        ended_at=moment(row["last_ns"]),
        spans=row["spans"],
        errors=row["errors"],
        cursor=f"{row['first_ns']}-{row['id']}",
    )


def _scope(project: str | None, table: str) -> str:
    return EVERY_ROW if project is None else f"{table}.project_id = (SELECT id FROM project WHERE name = :project)"


def _summary(row: dict[str, Any]) -> ConversationSummary:
    return ConversationSummary.from_json(row["summary"]).but(cursor=f"{row['value']}-{row['key']}")


def _user(row: dict[str, Any], project: str) -> UserSummary:
    return UserSummary(
        id=row["user_id"],
        project=project,
        conversations=row["conversations"],
        errors=row["errors"],
        turns=row["turns"],
        first_at=moment(row["first_ns"] or 0),
        last_at=moment(row["last_ns"]),
        cursor=f"{row['last_ns']}-{row['user_id']}",
    )

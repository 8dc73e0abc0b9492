"""Results on their way to the disk: those that wait together are written as one piece of work.

A suite of a thousand replays at a time has results for the writer while every core is wanted elsewhere, and each time
that the writer comes back from the database it has to wait for the other threads of the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from threading import Event, Lock

import msgspec

from taketwo.store.bodies import packed_json
from taketwo.store.database import Connection
from taketwo.store.statements import SQL
from taketwo.store.summary import SuiteSummary
from taketwo.store.writer import Writer
from taketwo.value import Value
from taketwo.verdict import CaseResult

MOST_TOGETHER = 500
"""So many wait for the writer; whoever adds one more waits, too."""


class Row(Value):
    """A result as it is written."""

    suite_id: str
    """The suite's name."""
    at_ns: int
    """When it was added, in nanoseconds since 1970."""
    verdict: str
    """The verdict."""
    runs: tuple[str, ...]
    """The ids of its runs."""
    result: msgspec.Raw
    """The result as JSON."""


def row_of(suite_id: str, result: CaseResult, at_ns: int | None = None) -> Row:
    """The row of a result that is added now, or was at another time."""
    return Row(
        suite_id=suite_id,
        at_ns=time.time_ns() if at_ns is None else at_ns,
        verdict=result.verdict.kind,
        runs=tuple(attempt.run.id for attempt in result.attempts),
        result=msgspec.Raw(result.to_json()),
    )


def write(connection: Connection, rows: Iterable[Row]) -> None:
    """Write these rows, in this order."""
    runs: list[tuple[str, int]] = []
    suites: set[str] = set()
    for row in rows:
        if row.suite_id not in suites:
            suites.add(row.suite_id)
            connection.execute(SQL["add_suite"], (row.suite_id,))
        body = packed_json(row.result)
        (key,) = connection.execute(SQL["add_result"], (row.suite_id, row.at_ns, row.verdict, body)).fetchone()
        runs += [(run, key) for run in row.runs]
    connection.executemany(SQL["add_run"], runs)


class Results:
    """What is added, until it is written."""

    def __init__(self, writer: Writer) -> None:
        """writer: writes it."""
        self._writer = writer
        self._lock = Lock()
        self._batch: _Batch | None = None

    def add(self, suite_id: str, result: CaseResult) -> None:
        """Write it soon; the writer's `flush` tells whether that failed."""
        row = (suite_id, time.time_ns(), result)
        with self._lock:
            batch = self._batch
            if batch is None or not batch.take_along(row):
                batch = self._batch = _Batch(row)
                # Also where the writer cannot even begin.
                self._writer.later(batch.write).add_done_callback(lambda written: batch.taken.set())
                return
        if batch.is_full:
            batch.taken.wait()


class _Batch:
    """Results that are written together."""

    def __init__(self, row: tuple[str, int, CaseResult]) -> None:
        self.taken = Event()
        self._rows = [row]
        self._lock = Lock()

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= MOST_TOGETHER

    def take_along(self, row: tuple[str, int, CaseResult]) -> bool:
        """Whether there was still time for it."""
        with self._lock:
            if self.taken.is_set():
                return False
            self._rows.append(row)
            return True

    def write(self, connection: Connection) -> None:
        with self._lock:
            self.taken.set()
        write(connection, (row_of(suite_id, result, at_ns) for suite_id, at_ns, result in self._rows))


def suites_of(rows: Sequence[tuple[str, str, int, int, int]]) -> list[SuiteSummary]:
    """What a listing shows of each suite, the newest first, by name, verdict, how many, and the first and last time."""
    found: dict[str, SuiteSummary] = {}
    for name, verdict, results, first_ns, last_ns in rows:
        first, last = datetime.fromtimestamp(first_ns / 1e9, UTC), datetime.fromtimestamp(last_ns / 1e9, UTC)
        there = found.get(name) or SuiteSummary(id=name, started_at=first, ended_at=last, counts={})
        found[name] = SuiteSummary(
            id=name,
            started_at=min(there.started_at, first),
            ended_at=max(there.ended_at, last),
            counts={**there.counts, verdict: results},
        )
    return sorted(found.values(), key=lambda suite: suite.started_at, reverse=True)

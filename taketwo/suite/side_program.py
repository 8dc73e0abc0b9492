"""What the process beside a suite does, see `side_process`: judges replays, and writes results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import BinaryIO

from taketwo.compare.severity import Weight, severity_table
from taketwo.errors import StoreUnavailable
from taketwo.store import open_database
from taketwo.store.database import Connection
from taketwo.store.results import Row, write
from taketwo.store.writer import Writer
from taketwo.suite.findings import Findings, find
from taketwo.suite.side_process import Done, Question, Terms, Work

SWITCH_S = 0.0005
"""How long a thread may have to wait for another, in seconds; Python's own is ten times that."""


def main() -> None:
    """Work until there is nothing to read any more."""
    # Whoever writes has to wait for whoever judges each time that it comes back from the disk.
    sys.setswitchinterval(SWITCH_S)
    lines = sys.stdin.buffer
    beside = Beside(Terms.from_json(lines.readline()), sys.stdout.buffer)
    for line in lines:
        beside.do(Work.from_json(line))
    beside.close()


class Beside:
    """Does what it is given."""

    def __init__(self, terms: Terms, told: BinaryIO) -> None:
        """terms: of the suite. told: where it says what it has done."""
        self._severities = severity_table(terms.severities)
        database = None if terms.store is None else open_database(terms.store)
        self._writer = None if database is None else Writer(database)
        self._has_given_up = False
        self._told = told
        self._lock = Lock()

    def do(self, work: Work) -> None:
        """Judge and write."""
        if work.rows and self._writer is not None:
            written = self._writer.later(partial(self._write, rows=work.rows))
            written.add_done_callback(partial(self._has_written, len(work.rows)))
        if work.questions:
            self._tell(Done(found=tuple(_answer(question, self._severities) for question in work.questions)))

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, connection: Connection, rows: Sequence[Row]) -> None:
        if self._has_given_up:
            # What comes after a gap is written there, where the gap is filled.
            raise StoreUnavailable("given up")
        write(connection, rows)

    def _has_written(self, count: int, written: Future[object]) -> None:
        """In the thread that writes."""
        if written.exception() is None:
            self._tell(Done(kept=count))
        elif not self._has_given_up:
            self._has_given_up = True
            self._tell(Done(cannot_keep=True))

    def _tell(self, done: Done) -> None:
        with self._lock:
            self._told.write(done.to_json() + b"\n")
            self._told.flush()


def _answer(question: Question, severities: Mapping[str, Weight]) -> tuple[Findings, ...] | None:
    writing = frozenset(question.writing)

    def writes(tool: str) -> bool | None:
        return True if tool in writing else None

    try:
        return tuple(find(question.case, run, severities=severities, writes=writes) for run in question.runs)
    except Exception:  # it is judged again where there is somebody to tell of it
        return None


if __name__ == "__main__":
    main()

"""What the process beside a suite does, see `side_process`: judges replays, decides cases, and writes their results."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import BinaryIO

from taketwo.compare.severity import severity_table
from taketwo.errors import StoreUnavailable
from taketwo.run import Run
from taketwo.store import open_database
from taketwo.store.database import Connection
from taketwo.store.results import Row, row_of, write
from taketwo.store.writer import Writer
from taketwo.suite.case_result import Decided, beside_the_old, more_wanted, result_of, verdict_over, with_judged
from taketwo.suite.findings import Findings, attempt_of, find
from taketwo.suite.side_process import BEGINNING, LARGEST_PIECE, Answer, Done, Question, Terms

SWITCH_S = 0.0005
"""How long a thread may have to wait for another, in seconds; Python's own is ten times that."""


def main() -> None:
    """Work until there is nothing to read any more."""
    # Whoever writes has to wait for whoever judges each time that it comes back from the disk.
    sys.setswitchinterval(SWITCH_S)
    with open(0, "rb", buffering=LARGEST_PIECE) as lines:
        beside = Beside(Terms.from_json(lines.readline()), _told())
        for line in lines:
            beside.take(line.rstrip())
    beside.close()


def _told() -> BinaryIO:
    """Where it says what it has done; what else is printed goes elsewhere from now on."""
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    told.write(b"\n" + BEGINNING + b"\n")
    return told


class Beside:
    """Does what it is given."""

    def __init__(self, terms: Terms, told: BinaryIO) -> None:
        """terms: of the suite. told: where it says what it has done."""
        self._terms = terms
        self._severities = severity_table(terms.severities)
        database = None if terms.store is None else open_database(terms.store)
        self._writer = None if database is None else Writer(database)
        self._has_given_up = False
        self._told = told
        self._lock = Lock()
        self._answers: list[Answer | None] = []
        self._rows: list[Row] = []

    def take(self, line: bytes) -> None:
        """Answer a question, or tell all answers so far where there is none."""
        if line:
            answer = self._answer(Question.from_json(line))
            self._answers.append(answer)
            return
        answers, rows = tuple(self._answers), tuple(self._rows)
        self._answers, self._rows = [], []
        # Told first: who is left in the middle of it then knows what may have been written.
        self._tell(Done(answers=answers))
        if rows and self._writer is not None:
            written = self._writer.later(partial(self._write, rows=rows))
            written.add_done_callback(partial(self._has_written, len(rows)))

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
        if self._has_given_up:
            return
        if written.exception() is None:
            self._tell(Done(kept=count))
        else:
            self._has_given_up = True
            self._tell(Done(cannot_keep=True))

    def _tell(self, done: Done) -> None:
        with self._lock:
            self._told.write(done.to_json() + b"\n")
            self._told.flush()

    def _answer(self, question: Question) -> Answer | None:
        try:
            found = tuple(tuple(self._find(run, question) for run in runs) for runs in question.runs)
            decided = self._decide(question, found)
        except Exception:  # it is judged again where there is somebody to tell of it
            return None
        return Answer(found=found, decided=decided)

    def _find(self, run: Run, question: Question) -> Findings:
        def writes(tool: str) -> bool | None:
            return True if tool in question.writing else None

        return find(question.tried.case, run, severities=self._severities, writes=writes)

    def _decide(self, question: Question, found: Sequence[Sequence[Findings]]) -> Decided | None:
        """What the case comes to, which is then to be written."""
        rules = self._terms.rules
        judged = [list(map(attempt_of, *pair)) for pair in zip(question.runs, found, strict=True)]
        tried = with_judged(question.tried, judged)
        if more_wanted(tried, rules):
            return None
        decided = beside_the_old(tried, rules, verdict_over(tried, rules))
        if self._writer is not None:
            self._rows.append(row_of(self._terms.suite_id, result_of(tried, rules, decided)))
        return decided


if __name__ == "__main__":
    main()

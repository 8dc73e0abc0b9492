"""What the process beside a suite does, see `side_process`: judges replays, decides cases, and writes their results."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import BinaryIO, NamedTuple, assert_never

import msgspec

from taketwo.compare.compare import Baseline, baseline
from taketwo.compare.severity import severity_table
from taketwo.errors import StoreUnavailable
from taketwo.run import Run
from taketwo.store import open_database
from taketwo.store.database import Connection
from taketwo.store.results import Row, row_of, write
from taketwo.store.writer import Writer
from taketwo.suite.case_result import Decided, Tried, beside_the_old, more_wanted, result_of, verdict_over, with_judged
from taketwo.suite.findings import Findings, attempt_of, find
from taketwo.suite.side_process import BEGINNING, LARGEST_PIECE, Answer, Done, Known, Over, Played, Terms, Word

SWITCH_S = 0.0005
"""How long a thread may have to wait for another, in seconds; Python's own is ten times that."""

_DECODER: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)


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


class _Case(NamedTuple):
    """A case that is not decided yet."""

    tried: Tried
    before: Baseline


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
        self._cases: dict[int, _Case] = {}
        self._answers: list[Answer] = []
        self._rows: dict[int, Row] = {}

    def take(self, line: bytes) -> None:
        """Do what a line says."""
        if not line:
            self._finish_piece()
            return
        match _DECODER.decode(line):
            case Known() as known:
                with suppress(Exception):  # it is then unknown when it has been played
                    self._cases[known.number] = _Case(known.tried, baseline(known.tried.case.recorded))
            case Played() as played:
                self._answers.append(self._answer(played))
            case Over() as over:
                self._cases.pop(over.number, None)
                if over.row is not None:
                    self._rows[over.number] = over.row
            case unexpected:
                assert_never(unexpected)

    def _finish_piece(self) -> None:
        """Tell the answers since the last time, and have the results written."""
        answers, rows = tuple(self._answers), self._rows
        self._answers, self._rows = [], {}
        if answers:
            # Told first: who is left in the middle of it then knows what may have been written.
            self._tell(Done(answers=answers))
        if rows and self._writer is not None:
            written = self._writer.later(partial(self._write, rows=tuple(rows.values())))
            written.add_done_callback(partial(self._has_written, tuple(rows)))

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, connection: Connection, rows: Sequence[Row]) -> None:
        if self._has_given_up:
            # What comes after a gap is written there, where the gap is filled.
            raise StoreUnavailable("given up")
        write(connection, rows)

    def _has_written(self, numbers: tuple[int, ...], written: Future[object]) -> None:
        """In the thread that writes."""
        if self._has_given_up:
            return
        if written.exception() is None:
            self._tell(Done(kept=numbers))
        else:
            self._has_given_up = True
            self._tell(Done(cannot_keep=True))

    def _tell(self, done: Done) -> None:
        with self._lock:
            self._told.write(done.to_json() + b"\n")
            self._told.flush()

    def _answer(self, played: Played) -> Answer:
        number = played.number
        try:
            case = self._cases.pop(number)
            found = tuple(tuple(self._find(case, run, played.writing) for run in runs) for runs in played.runs)
            judged = [list(map(attempt_of, *pair)) for pair in zip(played.runs, found, strict=True)]
            tried = with_judged(case.tried.but(begun=played.begun), judged)
            decided = self._decide(number, tried)
        except Exception:  # it is judged again where there is somebody to tell of it
            return Answer(number=number)
        if decided is None:
            self._cases[number] = case._replace(tried=tried)
        return Answer(number=number, found=found, decided=decided)

    def _find(self, case: _Case, run: Run, writing: tuple[str, ...]) -> Findings:
        def writes(tool: str) -> bool | None:
            return True if tool in writing else None

        return find(case.tried.case, run, severities=self._severities, writes=writes, before=case.before)

    def _decide(self, number: int, tried: Tried) -> Decided | None:
        """What the case comes to, which is then to be written."""
        rules = self._terms.rules
        if more_wanted(tried, rules):
            return None
        decided = beside_the_old(tried, rules, verdict_over(tried, rules))
        if self._writer is not None:
            self._rows[number] = row_of(self._terms.suite_id, result_of(tried, rules, decided))
        return decided


if __name__ == "__main__":
    main()

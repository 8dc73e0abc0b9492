"""A process beside this one that judges replays and writes results, as one core has enough to do with the agents.

That process is `side_program`. It runs none of the user's code, and holds nothing that is not held here, too: whatever
becomes of it, what it has not judged is judged here, and what it has not written is written here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Protocol, Self, TypeAlias

import msgspec

from taketwo.compare.severity import Weight, as_given
from taketwo.errors import NotFound
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.store.results import Row, row_of
from taketwo.suite.findings import Findings
from taketwo.value import JSON, Value
from taketwo.verdict import CaseResult

TOGETHER = 16
"""So many replays and results are handed over as one piece at most."""
MOST_OPEN = 1_000
"""With so many replays, or results, handed over and not done, the next one is done here."""
MOST_BYTES = 16 << 20
"""The same in bytes of both."""

LARGEST_PIECE = 1 << 20
"""Bytes of what is read at a time."""
NO_MORE = b""
"""Stands behind the last line."""

log = logging.getLogger(__name__)

Told: TypeAlias = Callable[[tuple[Findings, ...] | None], None]
"""Takes what was found in each run; None where that is to be done here."""


class Terms(Value):
    """What holds for a whole suite; the first line that the process reads."""

    severities: dict[str, JSON]
    """As `severity_table` takes them."""
    store: str | None
    """The address of the store to write to; None for none."""


class Question(Value):
    """Replays of one case, to be judged."""

    case: Case
    """The case."""
    runs: tuple[Run, ...]
    """Its replays."""
    writing: tuple[str, ...]
    """Functions of the user's that say of themselves that they write."""


class Work(Value):
    """What is handed over at a time; every further line that it reads."""

    questions: tuple[Question, ...]
    """What is to be judged."""
    rows: tuple[Row, ...]
    """What is to be written."""


class Done(Value):
    """What is done, in the order in which it was handed over; a line that it writes."""

    found: tuple[tuple[Findings, ...] | None, ...] = ()
    """For each question a finding a run; None where judging failed."""
    kept: int = 0
    """So many rows more are on disk."""
    cannot_keep: bool = False
    """Whether it has given up writing."""


class Store(Protocol):
    """A store that another process can open, too."""

    @property
    def url(self) -> str:
        """What it is opened with."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result."""

    def flush(self) -> None:
        """Wait until every added result is on disk."""

    def results(self, suite_id: str) -> list[CaseResult]:
        """The results of a suite. Raises NotFound."""


class SideProcess:
    """The process, as seen from here: a context, in which it is there.

    Two threads move what goes there and comes back. The event loop comes to a pipe once in each of its rounds, and when
    many agents end at a time, a round takes longer than all that a pipe holds.
    """

    def __init__(self, severities: Mapping[str, Weight], store: Store | None) -> None:
        """severities: as for `compare`. store: for the results; None where the process shall not write any."""
        self.keeps = store is not None
        """Whether it is a store for the results, too."""
        self._terms = Terms(severities=as_given(severities), store=None if store is None else store.url)
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_there = False
        self._threads: list[Thread] = []
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._questions: list[msgspec.Raw] = []
        self._rows: list[Row] = []
        self._unjudged: deque[tuple[int, Told]] = deque()
        self._unkept: deque[tuple[int, str, CaseResult]] = deque()
        self._bytes = 0
        self._all_judged = asyncio.Event()
        self._kept = Condition()

    def __enter__(self) -> Self:
        """Start it; where that cannot be done, there is none."""
        try:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "taketwo.suite.side_program"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_found_in())},
                process_group=0,  # Ctrl-C is for this process, which then ends that one
            )
        except (OSError, ValueError) as error:
            log.info("everything is done in this process: %s", error)
            return self
        self._is_there = True
        self._lines.put(self._terms.to_json() + b"\n")
        self._threads = [
            Thread(target=work, args=(self._process,), name="taketwo-beside", daemon=True)
            for work in (self._hand_over, self._listen)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._lines.put(NO_MORE)
            for thread in self._threads:
                thread.join()
            self._do_the_rest()

    def ask(self, case: Case, runs: tuple[Run, ...], writing: tuple[str, ...], tell: Told) -> bool:
        """Have these replays of a case judged; False where there is more to do there than can be done soon, or nobody.

        writing: see `Question`. tell: is called with what is found, in this thread.
        """
        if not self._has_room(len(self._unjudged)):
            return False
        try:
            question = Question(case=case, runs=runs, writing=writing).to_json()
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # what JSON cannot hold
            log.info("judged in this process: %s", error)
            return False
        self._unjudged.append((len(question), tell))
        self._bytes += len(question)
        self._all_judged.clear()
        self._questions.append(msgspec.Raw(question))
        self._send_soon()
        return True

    async def all_judged(self) -> None:
        """Until all that was asked has been told."""
        if self._unjudged:
            await self._all_judged.wait()

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result, as a store does."""
        assert self._store is not None
        if not self.keeps or not self._has_room(len(self._unkept)):
            self._store.add_result(suite_id, result)
            return
        row = row_of(suite_id, result)
        self._unkept.append((len(row.result), suite_id, result))
        self._bytes += len(row.result)
        self._rows.append(row)
        self._send_soon()

    def flush(self) -> None:
        """Wait until every added result is on disk; not in the thread of the event loop, which hears of that."""
        assert self._store is not None
        with self._kept:
            self._kept.wait_for(lambda: not self._unkept)
        self._store.flush()

    def _has_room(self, waiting: int) -> bool:
        return self._is_there and waiting < MOST_OPEN and self._bytes < MOST_BYTES

    def _send_soon(self) -> None:
        match len(self._questions) + len(self._rows):
            case 1:
                self._loop.call_soon(self._send)
            case count if count >= TOGETHER:
                self._send()

    def _send(self) -> None:
        if self._questions or self._rows:
            work = {"questions": self._questions, "rows": self._rows}
            self._lines.put(msgspec.json.encode(work) + b"\n")
            self._questions, self._rows = [], []

    def _hear(self, lines: Sequence[bytes]) -> None:
        """Pass on what the process says; once it is left, that is done here."""
        for line in lines:
            if self._is_there:
                self._hear_of(Done.from_json(line))

    def _hear_of(self, done: Done) -> None:
        for found in done.found:
            size, tell = self._unjudged.popleft()
            self._bytes -= size
            tell(found)
        with self._kept:
            for _ in range(done.kept):
                self._bytes -= self._unkept.popleft()[0]
            self._kept.notify_all()
        if done.cannot_keep:
            self._keep_here()
        if not self._unjudged:
            self._all_judged.set()

    def _do_the_rest(self) -> None:
        """It has ended, in whatever way."""
        self._is_there = False
        unjudged, self._unjudged = self._unjudged, deque()
        for _, tell in unjudged:
            tell(None)
        self._all_judged.set()
        self._keep_here()

    def _keep_here(self) -> None:
        """Write what it has not written."""
        self.keeps = False
        if self._store is not None and self._unkept:
            # What it wrote last it may not have told.
            suites = {suite_id for _, suite_id, _ in self._unkept}
            kept = {(suite_id, *_key(one)) for suite_id in suites for one in _results(self._store, suite_id)}
            for _, suite_id, result in self._unkept:
                if (suite_id, *_key(result)) not in kept:
                    self._store.add_result(suite_id, result)
        with self._kept:
            self._unkept.clear()
            self._kept.notify_all()

    def _hand_over(self, process: subprocess.Popen[bytes]) -> None:
        """What one thread does."""
        assert process.stdin is not None
        with suppress(OSError), process.stdin as pipe:
            while line := self._lines.get():
                lines = [line]
                while line and not self._lines.empty():
                    line = self._lines.get()
                    lines.append(line)
                pipe.write(b"".join(lines))
                pipe.flush()
                if not line:
                    return

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """What the other one does."""
        assert process.stdout is not None
        begun = b""
        with process.stdout as pipe:
            while piece := os.read(pipe.fileno(), LARGEST_PIECE):
                *lines, begun = (begun + piece).split(b"\n")
                self._loop.call_soon_threadsafe(self._hear, lines)
        self._loop.call_soon_threadsafe(self._do_the_rest)


def _key(result: CaseResult) -> tuple[str | None, str]:
    return result.file, result.case_id


def _results(store: Store, suite_id: str) -> list[CaseResult]:
    try:
        return store.results(suite_id)
    except NotFound:
        return []


def _found_in() -> list[str]:
    """Where that process finds this package, however this one has found it."""
    here = str(Path(__file__).parents[2])
    return [here, *(path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]

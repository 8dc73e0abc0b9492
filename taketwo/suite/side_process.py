"""A process beside this one that judges replays, decides cases and writes their results, as one core has enough to do
with the agents.

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
from threading import Thread
from typing import Protocol, Self, TypeAlias

from taketwo.compare.severity import Weight, as_given
from taketwo.errors import NotFound
from taketwo.run import Run
from taketwo.suite.case_result import Decided, Rules, Tried
from taketwo.suite.findings import Findings
from taketwo.value import JSON, Value
from taketwo.verdict import CaseResult

TOGETHER = 16
"""So many questions are handed over, and answered, as one piece at most."""
MOST_OPEN = 64
"""So many are handed over and not answered at most. They keep that process going while this one has no time for it; of
what is not handed over yet, this process may do a part once it has."""
MOST_BYTES = 16 << 20
"""The same in bytes."""

LARGEST_PIECE = 1 << 20
"""Bytes of what is read at a time."""
SWITCH_S = 0.001
"""How long the threads that move the pieces have to wait for the others of their process, in seconds; Python's own is
five times that, and the agents leave them no gap."""
END_OF_PIECE = b""
"""The line behind the questions that are answered together."""
BEGINNING = b"taketwo begins"
"""The line before all that the process says: what Python runs at its start, as sitecustomize, may print, too."""

log = logging.getLogger(__name__)


class Terms(Value):
    """What holds for a whole suite; the first line that the process reads."""

    severities: dict[str, JSON]
    """As `severity_table` takes them."""
    rules: Rules
    """How cases are judged."""
    store: str | None
    """The address of the store to write to; None for none."""
    suite_id: str
    """The name that the results are kept under there."""


class Question(Value):
    """What was played of a case, to be judged. Every further line that the process reads is one, or empty: those before
    an empty line are answered together.
    """

    tried: Tried
    """What is known of the case without it."""
    runs: tuple[tuple[Run, ...], ...]
    """For each attempt its replay, and that against the old agent where there is one."""
    writing: tuple[str, ...]
    """Functions of the user's that say of themselves that they write."""


class Answer(Value):
    """What is found."""

    found: tuple[tuple[Findings, ...], ...]
    """In each of the runs."""
    decided: Decided | None
    """What the case comes to; None where more attempts are wanted."""


class Done(Value):
    """What is done, in the order in which it was handed over; a line that the process writes."""

    answers: tuple[Answer | None, ...] = ()
    """For each question; None where judging failed."""
    kept: int = 0
    """So many results more are on disk."""
    cannot_keep: bool = False
    """Whether it has given up writing."""


Hear: TypeAlias = Callable[[Answer | None], None]
"""Takes what was found; None where that is to be done here."""


class Store(Protocol):
    """A store that another process can open, too."""

    @property
    def url(self) -> str:
        """What it is opened with."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result."""

    def results(self, suite_id: str) -> list[CaseResult]:
        """The results of a suite. Raises NotFound."""


class SideProcess:
    """The process, as seen from here: a context, in which it is there.

    Two threads move what goes there and comes back. The event loop comes to a pipe once in each of its rounds, and when
    many agents end at a time, a round takes longer than all that a pipe holds.
    """

    def __init__(self, severities: Mapping[str, Weight], rules: Rules, store: Store | None, suite_id: str) -> None:
        """severities: as for `compare`. store, suite_id: for the results; None where it shall not write any."""
        self.is_there = False
        """Whether it can be asked; now and then it has no room for more."""
        self._terms = Terms(
            severities=as_given(severities), rules=rules, store=None if store is None else store.url, suite_id=suite_id
        )
        self._store = store
        self._keeps = store is not None
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[Thread] = []
        self._pieces: SimpleQueue[list[bytes]] = SimpleQueue()
        self._piece: list[bytes] = []
        self._asked: deque[tuple[int, Hear]] = deque()
        self._bytes = 0
        self._unkept: deque[CaseResult] = deque()
        self._is_all_kept = asyncio.Event()
        self._is_all_kept.set()

    def __enter__(self) -> Self:
        """Start it; where that cannot be done, there is none."""
        try:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "taketwo.suite.side_program"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_found_in())},
                bufsize=LARGEST_PIECE,
                pipesize=LARGEST_PIECE,  # so that few pieces have to wait for their second half to be taken
                process_group=0,  # Ctrl-C is for this process, which then ends that one
            )
        except (OSError, ValueError) as error:
            log.info("everything is done in this process: %s", error)
            return self
        self.is_there = True
        self._switch_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        self._pieces.put([self._terms.to_json()])
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
            sys.setswitchinterval(self._switch_s)
            self._process.kill()
            self._process.wait()
            self._pieces.put([])
            for thread in self._threads:
                thread.join()
            self._has_ended()
            self._keep_the_rest()

    @property
    def has_room(self) -> bool:
        """Whether it can be asked now."""
        return self.is_there and len(self._asked) < MOST_OPEN and self._bytes < MOST_BYTES

    @property
    def is_judging(self) -> bool:
        """Whether there is something that it has not answered."""
        return bool(self._asked)

    def ask(self, question: Question, hear: Hear) -> bool:
        """Have a case judged; False where this cannot be asked. hear: is called with the answer, in this thread."""
        try:
            line = question.to_json()
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # what JSON cannot hold
            log.info("judged in this process: %s", error)
            return False
        self._asked.append((len(line), hear))
        self._bytes += len(line)
        self._piece.append(line)
        if len(self._piece) == 1:
            self._loop.call_soon(self._send)
        elif len(self._piece) >= TOGETHER:
            self._send()
        return True

    def will_keep(self, result: CaseResult) -> bool:
        """Whether the result of a case that it has just decided is written there. It then is, or here in the end."""
        if self._keeps:
            self._unkept.append(result)
            self._is_all_kept.clear()
        return self._keeps

    async def all_kept(self) -> None:
        """Until all that was to be kept is, or is given to the store here. Raises what the store raises."""
        await self._is_all_kept.wait()
        self._keep_the_rest()

    def _send(self) -> None:
        if self._piece:
            self._pieces.put([*self._piece, END_OF_PIECE])
            self._piece = []

    def _hear(self, lines: Sequence[bytes]) -> None:
        """Pass on what the process says; once it is left, that is done here."""
        for line in lines:
            if self.is_there:
                self._hear_of(Done.from_json(line))

    def _hear_of(self, done: Done) -> None:
        for answer in done.answers:
            size, hear = self._asked.popleft()
            self._bytes -= size
            hear(answer)
        for _ in range(done.kept):
            self._unkept.popleft()
        if done.cannot_keep:
            self._keeps = False
        if not self._unkept or not self._keeps:
            self._is_all_kept.set()

    def _has_ended(self) -> None:
        """In whatever way: what it has not done is done here."""
        self.is_there = self._keeps = False
        asked, self._asked = self._asked, deque()
        for _, hear in asked:
            hear(None)
        self._is_all_kept.set()

    def _keep_the_rest(self) -> None:
        """Write what it has not written."""
        if self._store is None or not self._unkept:
            return
        # What it wrote last it may not have told.
        suite_id = self._terms.suite_id
        kept = {_key(one) for one in _results(self._store, suite_id)}
        while self._unkept:
            if _key(result := self._unkept.popleft()) not in kept:
                self._store.add_result(suite_id, result)

    def _hand_over(self, process: subprocess.Popen[bytes]) -> None:
        """What one thread does."""
        assert process.stdin is not None
        with suppress(OSError), process.stdin as pipe:
            while piece := self._pieces.get():
                for line in piece:
                    pipe.write(line)
                    pipe.write(b"\n")
                pipe.flush()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """What the other one does."""
        assert process.stdout is not None
        has_begun, begun = False, b""
        with process.stdout as pipe:
            while piece := os.read(pipe.fileno(), LARGEST_PIECE):
                *lines, begun = (begun + piece).split(b"\n")
                if not has_begun:
                    has_begun = BEGINNING in lines
                    lines = lines[lines.index(BEGINNING) + 1 :] if has_begun else []
                self._loop.call_soon_threadsafe(self._hear, lines)
        self._loop.call_soon_threadsafe(self._has_ended)


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

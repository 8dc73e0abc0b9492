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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Protocol, Self, TypeAlias

from taketwo.compare.severity import Weight, as_given
from taketwo.errors import NotFound
from taketwo.run import Run
from taketwo.store.results import Row, row_of
from taketwo.suite.case_result import Decided, Rules, Tried
from taketwo.suite.findings import Findings
from taketwo.value import JSON, Value
from taketwo.verdict import CaseResult

TOGETHER = 16
"""So many questions are handed over, and answered, as one piece at most."""
MOST_OPEN = 256
"""So many are handed over and not answered at most. They keep that process going while this one has no time for it, as
where a thousand agents answer at once; of what is not handed over yet, this process may do a part once it has."""
MOST_OPEN_BYTES = 3 << 20
"""The same in bytes, as long conversations take longer."""
MOST_BYTES = 16 << 20
"""From so many bytes on that wait to be taken by it, it is given no more."""

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
    """What holds for a whole suite; the first line that the process reads.

    Every further line is a Known, a Played or an Over, or empty: what was played before an empty line is answered
    together.
    """

    severities: dict[str, JSON]
    """As `severity_table` takes them."""
    rules: Rules
    """How cases are judged."""
    store: str | None
    """The address of the store to write to; None for none."""
    suite_id: str
    """The name that the results are kept under there."""


class Known(Value, tag_field="says", tag="known"):
    """A case that will be replayed, told as early as possible: what of a verdict is there without a replay is done
    while the agents take their time.
    """

    number: int
    """By which the case is spoken of from now on."""
    tried: Tried
    """All that is known of it so far."""


class Played(Value, tag_field="says", tag="played"):
    """What was played of a case that is known, to be judged."""

    number: int
    """Of the case."""
    begun: int
    """How many attempts at it have begun."""
    runs: tuple[tuple[Run, ...], ...]
    """For each attempt its replay, and that against the old agent where there is one."""
    writing: tuple[str, ...]
    """Functions of the user's that say of themselves that they write."""


class Over(Value, tag_field="says", tag="over"):
    """A case that has come to its end elsewhere."""

    number: int
    """Of the case, which may be unknown."""
    row: Row | None
    """Its result, to be written; None where there is nothing to write."""


Word: TypeAlias = Known | Played | Over


class Answer(Value):
    """What is found in what was played of a case."""

    number: int
    """Of the case."""
    found: tuple[tuple[Findings, ...], ...] | None = None
    """In each of the runs; None where judging failed, and the case is unknown from then on."""
    decided: Decided | None = None
    """What the case comes to, which is its end; None where more attempts are wanted."""


class Done(Value):
    """What is done; a line that the process writes."""

    answers: tuple[Answer, ...] = ()
    """To what was played."""
    kept: tuple[int, ...] = ()
    """The cases whose results are on disk."""
    cannot_keep: bool = False
    """Whether it has given up writing."""


Hear: TypeAlias = Callable[[Answer | None], None]
"""Takes what was found; None where that is to be done here."""


class _Asked(NamedTuple):
    """What waits for its answer."""

    hear: Hear
    size: int
    """In bytes."""
    attempts: int
    """How many attempts at the case that process knows once it has answered."""


class Store(Protocol):
    """A store that another process can open, too."""

    @property
    def url(self) -> str:
        """What it is opened with."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result."""

    def result(self, run_id: str) -> CaseResult:
        """The result with a run. Raises NotFound."""


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
        # Each of the two is counted by one thread alone.
        self._said_bytes = self._taken_bytes = 0
        self._known: dict[int, int] = {}
        self._asked: dict[int, _Asked] = {}
        self._asked_bytes = 0
        self._unkept: dict[int, CaseResult] = {}
        self._is_all_kept = asyncio.Event()
        self._is_all_kept.set()

    def __enter__(self) -> Self:
        """It is started when there is time for it."""
        return self

    def start(self) -> None:
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
            return
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
        return self._takes_more and len(self._asked) < MOST_OPEN and self._asked_bytes < MOST_OPEN_BYTES

    @property
    def is_judging(self) -> bool:
        """Whether there is something that it has not answered."""
        return bool(self._asked)

    def know(self, number: int, tried: Tried) -> bool:
        """Let it know a case, unless it does; whether it does now.

        number: of the case, as there is no other of that number in the suite.
        """
        attempts = len(tried.attempts)
        if self._known.get(number) != attempts and self._takes_more and self._say(Known(number=number, tried=tried)):
            self._known[number] = attempts
        return self._known.get(number) == attempts

    def ask(self, played: Played, hear: Hear) -> bool:
        """Have judged what was played of a case that it knows; False where this cannot be asked.

        hear: is called with the answer, in this thread.
        """
        number = played.number
        if not (size := self._say(played)):
            return False
        self._asked[number] = _Asked(hear, size, self._known[number] + len(played.runs))
        self._asked_bytes += size
        return True

    def keep(self, number: int, result: CaseResult) -> bool:
        """Whether the result of a case that it has just decided is written there. It then is, or here in the end."""
        if self._keeps:
            self._unkept[number] = result
            self._is_all_kept.clear()
        return self._keeps

    def end_of(self, number: int, result: CaseResult | None) -> bool:
        """A case has come to its end here; whether its result is written there, see `keep`."""
        row = None
        if result is not None and self._keeps and self._takes_more:
            row = row_of(self._terms.suite_id, result)
        is_known = self._known.pop(number, None) is not None
        was_told = (is_known or row is not None) and self._say(Over(number=number, row=row)) > 0
        return was_told and row is not None and result is not None and self.keep(number, result)

    @property
    def _takes_more(self) -> bool:
        return self.is_there and self._said_bytes - self._taken_bytes < MOST_BYTES

    def _say(self, word: Word) -> int:
        """How many bytes that takes; 0 for what JSON cannot hold."""
        try:
            line = word.to_json()
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            log.info("done in this process: %s", error)
            return 0
        self._said_bytes += len(line)
        self._piece.append(line)
        if len(self._piece) == 1:
            self._loop.call_soon(self._send)
        elif len(self._piece) >= TOGETHER:
            self._send()
        return len(line)

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
            if (asked := self._asked.pop(answer.number, None)) is None:
                continue
            self._asked_bytes -= asked.size
            self._known[answer.number] = asked.attempts
            if answer.found is None or answer.decided is not None:
                del self._known[answer.number]
            asked.hear(None if answer.found is None else answer)
        for number in done.kept:
            self._unkept.pop(number, None)
        if done.cannot_keep:
            self._keeps = False
        if not self._unkept or not self._keeps:
            self._is_all_kept.set()

    def _has_ended(self) -> None:
        """In whatever way: what it has not done is done here."""
        self.is_there = self._keeps = False
        self._known.clear()
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.hear(None)
        self._is_all_kept.set()

    def _keep_the_rest(self) -> None:
        """Write what it has not written."""
        if self._store is None or not self._unkept:
            return
        for number, result in list(self._unkept.items()):
            # What it wrote last it may not have told.
            if not _has(self._store, result):
                self._store.add_result(self._terms.suite_id, result)
            del self._unkept[number]  # not before: where the store is busy, there is another try at the end

    def _hand_over(self, process: subprocess.Popen[bytes]) -> None:
        """What one thread does."""
        assert process.stdin is not None
        with suppress(OSError), process.stdin as pipe:
            while piece := self._pieces.get():
                for line in piece:
                    pipe.write(line)
                    pipe.write(b"\n")
                    self._taken_bytes += len(line)
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


def _has(store: Store, result: CaseResult) -> bool:
    try:
        store.result(result.attempts[0].run.id)
    except NotFound:
        return False
    return True


def _found_in() -> list[str]:
    """Where that process finds this package, however this one has found it."""
    here = str(Path(__file__).parents[2])
    return [here, *(path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]

"""All that a suite has to do, handed out attempt by attempt to those who replay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import NamedTuple

from taketwo.errors import AgentUnreachable, TakeTwoError
from taketwo.events import CaseErrored, CaseFinished
from taketwo.suite.open_case import OpenCase, Terms
from taketwo.suite.side_process import Answer, SideProcess
from taketwo.suite.suite_case import SuiteCase

MANY = 50
"""From so many replays at a time on, the next one begins before the last one is judged. Of a thousand that end in the
same moment each would have to wait with its next agent until all before it were judged; so they are judged while agents
take their time. Where few go on, each case is done before the next one begins."""
MOMENT_S = 0.001
"""How long agents that could go on wait at most while others are judged, and one replay more, in seconds."""
NOTHING_S = 0.0002
"""A round of the event loop that takes less than this has had nothing to do, in seconds."""
PATIENCE_S = 0.02
"""So long judging waits for such a round, in seconds. An answer of an agent takes several rounds to come to its replay,
and where judging comes between all of them, a thousand agents wait a tenth of their time."""
GIVE_UP_AFTER = 3
"""When so many replays have found the agent unreachable, and none has reached it, the rest is not tried."""

log = logging.getLogger(__name__)


class Told(NamedTuple):
    """What came of a case."""

    event: CaseFinished | CaseErrored
    """The result."""
    is_kept: bool
    """Whether somebody else sees to it that it is stored."""


class Work:
    """What is to be done, and what came of it."""

    def __init__(
        self,
        cases: Iterable[SuiteCase],
        terms: Terms,
        workers: int,
        *,
        side: SideProcess | None = None,
        looks_ahead: bool = True,
    ) -> None:
        """workers: how many replays go on at a time. side: who judges them, too; None for nobody.

        looks_ahead: whether cases may be asked for before there is a worker for them.
        """
        # Each worker may have one result waiting; when that is not taken, it does not begin another replay.
        self.results: asyncio.Queue[Told | None] = asyncio.Queue(maxsize=workers)
        """What has been done; None at the end."""
        self.was_cut_short = False
        """Whether it was stopped before its end."""
        self._terms = terms
        self._workers = workers
        self._side = side
        self._cases = iter(cases)
        self._numbers = count(1)
        self._open: dict[int, OpenCase] = {}
        self._ready: deque[tuple[OpenCase, int]] = deque()
        self._has_begun_all = False
        self._group = asyncio.TaskGroup()
        self._at_work = 0
        self._unreachable = 0
        self._was_reached = False
        self._has_background = has_background(workers, terms)
        self._background: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self._for_side: deque[OpenCase] = deque()
        self._looks_ahead = looks_ahead

    async def do_all(self) -> None:
        """Do it; the last that is told is that there is no more."""
        async with self._group:
            self._group.create_task(self._do_in_background())
            for number in range(1, self._workers + 1):
                self._employ()
                if number % MANY == 0:
                    await asyncio.sleep(0)  # the first agents are asked before the last replays are made ready
            if self._side is not None:
                # Not before: it takes as much of the machine to start as a thousand agents to be asked.
                self._side.start()
                for case in self._open.values():
                    self._background.put_nowait(partial(self._let_know, self._side, case))
        # Cases that were cut short, as far as they were done.
        for case in self._open.values():
            await self._judge(case)
            await self._tell(case)
        await self.results.put(None)

    def _employ(self) -> None:
        self._at_work += 1
        self._group.create_task(self._do())

    async def _do(self) -> None:
        """What one worker does."""
        await self._do_attempts()
        self._at_work -= 1
        if not self._at_work:
            self._background.put_nowait(None)

    async def _do_attempts(self) -> None:
        """Take attempts until there are none left."""
        while (attempt := self._next()) is not None:
            if self._terms.stop is not None and self._terms.stop.is_set():
                self._end_early()
                return
            case, number = attempt
            await self._play(case, number)
            if not self._has_background:
                await self._judge(case)
            case.under_way -= 1
            if case.under_way:
                continue
            # Where another replay can begin, its agent is asked first.
            may_wait = self._ready or not self._has_begun_all or self._side is None or not self._side.has_room
            if self._has_background and may_wait and self._background.qsize() < self._workers:
                self._background.put_nowait(partial(self._see_to, case))
            else:
                await self._see_to(case)

    async def _do_in_background(self) -> None:
        """What no agent waits for, for a moment whenever all workers that could go on have gone on."""
        began = time.perf_counter()
        while (work := await self._next_in_background()) is not None:
            await work()
            if time.perf_counter() - began > MOMENT_S:
                await _after_the_agents()
                began = time.perf_counter()

    async def _next_in_background(self) -> Callable[[], Awaitable[None]] | None:
        """None once nothing can come any more."""
        while True:
            if self._background.empty():
                if self._for_side:
                    # The other process has enough to do, and this one has time.
                    if await _after_the_agents() and self._background.empty() and self._for_side:
                        return partial(self._settle, self._for_side.popleft())
                    continue
                if self._looks_ahead and not self._has_begun_all and len(self._ready) < self._workers:
                    if await _after_the_agents() and self._background.empty():
                        return self._begin_ahead
                    continue
                if not self._at_work and not (self._side is not None and self._side.is_judging):
                    return None
            if (work := await self._background.get()) is not None:
                return work

    async def _see_to(self, case: OpenCase) -> None:
        """Have judged what was played of a case, there or here, and go on with it."""
        side = self._side
        if side is None or not side.is_there or not case.is_unjudged or case.error is not None:
            await self._settle(case)
        elif side.has_room:
            self._ask(side, case)
        elif len(self._for_side) < self._workers:
            self._for_side.append(case)
        else:
            await self._settle(case)

    async def _let_know(self, side: SideProcess, case: OpenCase) -> None:
        """Let the process beside do what can be done of a case before it is played, if it still is."""
        if case.number in self._open and not case.is_unjudged:
            side.know(case.number, case.tried)

    def _ask(self, side: SideProcess, case: OpenCase) -> None:
        with self._noting_errors(case):
            if side.know(case.number, case.tried) and side.ask(case.played(), partial(self._hear, side, case)):
                return
        self._background.put_nowait(partial(self._settle, case))

    def _hear(self, side: SideProcess, case: OpenCase, answer: Answer | None) -> None:
        """The side process has answered; None where it cannot."""
        if answer is None:
            self._background.put_nowait(partial(self._settle, case))
        else:
            with self._noting_errors(case):
                result = case.take(answer)
                case.is_kept = result is not None and side.keep(case.number, result)
            self._background.put_nowait(partial(self._go_on_with, case))
        while self._for_side and (side.has_room or not side.is_there):
            self._background.put_nowait(partial(self._see_to, self._for_side.popleft()))

    def _next(self) -> tuple[OpenCase, int] | None:
        """An attempt of an open case, else the first of a new one; None where there is none."""
        while not self._ready and not self._has_begun_all:
            self._begin()
        return self._ready.popleft() if self._ready else None

    def _begin(self) -> OpenCase | None:
        """Hand out what is to be done of the next case; None where there is none."""
        if (suite_case := next(self._cases, None)) is None:
            self._has_begun_all = True
            return None
        number = next(self._numbers)
        case = self._open[number] = OpenCase(suite_case, self._terms, number)
        if self._side is not None and self._side.is_there:
            self._background.put_nowait(partial(self._let_know, self._side, case))
        if not self._hand_out(case):
            self._background.put_nowait(partial(self._go_on_with, case))
        return case

    async def _begin_ahead(self) -> None:
        """Have a case ready for when many agents end in the same moment, and each is to go on with the next one."""
        if (case := self._begin()) is not None:
            with self._noting_errors(case):
                case.make_ready()

    def _end_early(self) -> None:
        self.was_cut_short = self._has_begun_all = True
        self._ready.clear()

    def _hand_out(self, case: OpenCase) -> bool:
        if self.was_cut_short:
            return False
        numbers = range(0)
        with self._noting_errors(case):
            numbers = case.next_attempts()
        self._ready += ((case, number) for number in numbers)
        return bool(numbers)

    async def _play(self, case: OpenCase, number: int) -> None:
        """Play an attempt, unless the case has come to an end before."""
        if case.error is not None:
            return
        if self._unreachable >= GIVE_UP_AFTER and not self._was_reached:
            case.error = f"not tried, as {GIVE_UP_AFTER} replays before could not reach the agent"
            return
        with self._noting_errors(case):
            is_whole = await case.play(number)
            self._was_reached = True
            if not is_whole:
                self._end_early()

    async def _settle(self, case: OpenCase) -> None:
        await self._judge(case)
        await self._go_on_with(case)

    async def _judge(self, case: OpenCase) -> None:
        """Judge what was played of it."""
        with self._noting_errors(case):
            await case.judge()

    async def _go_on_with(self, case: OpenCase) -> None:
        """All that was handed out of it is done: more of it, or the result."""
        if self._hand_out(case):
            # Workers go when there is nothing left for them, and what comes then finds new ones.
            for _ in range(min(len(self._ready), self._workers - self._at_work)):
                self._employ()
        else:
            del self._open[case.number]
            await self._tell(case)

    async def _tell(self, case: OpenCase) -> None:
        event = None
        with self._noting_errors(case):
            event = case.event()
        if event is None and case.error is not None:  # it cannot even be decided
            event = case.errored(case.error)
        if event is not None:
            if self._side is not None and not case.is_kept:
                case.is_kept = self._side.end_of(case.number, event.result if isinstance(event, CaseFinished) else None)
            await self.results.put(Told(event, is_kept=case.is_kept))

    @contextmanager
    def _noting_errors(self, case: OpenCase) -> Iterator[None]:
        """What goes wrong with one case is told of it, and leaves the others alone."""
        try:
            yield
        except AgentUnreachable as error:
            self._unreachable += 1
            case.error = str(error)
        except TakeTwoError as error:
            case.error = str(error)
        except Exception as error:  # a bug of ours must not take the results of all other cases along
            log.exception("replaying %s", case.suite_case.case.id)
            case.error = f"Take Two failed: {type(error).__name__}: {error} (please report this, with the log)"


async def _after_the_agents() -> bool:
    """Wait until none of them could go on; False once that has taken too long."""
    began = before = time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        if now - before < NOTHING_S:
            return True
        if now - began > PATIENCE_S:
            return False
        before = now


def has_background(workers: int, terms: Terms) -> bool:
    """Whether more is done than what agents wait for; evaluators wait, too, and side by side only in the workers."""
    return workers >= MANY and not terms.evaluators

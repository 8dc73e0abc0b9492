"""What a worker does with the rows of a test execution: take some, replay them, report them, until none are left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from taketwo.compare.compare import compare
from taketwo.errors import AgentUnreachable, NotFound, TakeTwoError, WrongState
from taketwo.evals.evaluator import Context, Evaluator, evaluate
from taketwo.replay import current
from taketwo.replay.agents import Agent
from taketwo.replay.engine import DEFAULT_LIMITS, How, Limits, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.api.executions import CallExecution, ClaimedRow, ClaimedRows, RenewedLeases, ReportRow
from taketwo.verdict import Score, Unscored

MOST_CLAIMED = 50
"""Rows that are taken at a time."""
LOOK_AGAIN_S = 0.5
"""Where others have all the rows that are left, a worker looks so often whether one of them comes back."""
GIVE_UP_AFTER = 3
"""When so many replays have found the agent unreachable, and none has reached it, the rest is not tried."""


class Rows(Protocol):
    """Where rows come from and results go."""

    async def claim(self, limit: int) -> ClaimedRows:
        """Take up to so many rows."""
        ...

    async def renew(self, ids: tuple[str, ...]) -> RenewedLeases:
        """Say that these rows are still worked on."""
        ...

    async def report(self, id: str, report: ReportRow) -> CallExecution:
        """Report what came of a row. Raises WrongState where it is somebody else's by now, NotFound where none is."""
        ...


class Worker(NamedTuple):
    """Who replays, and how."""

    name: str
    """What it calls itself; no two at the same time have the same name."""
    agent: Agent
    """The agent under test."""
    concurrency: int
    """How many rows at a time."""
    limits: Limits = DEFAULT_LIMITS
    """What one turn may take."""
    on_done: Callable[[CallExecution], Awaitable[None]] | None = None
    """Is told of every row that has ended."""
    revision: str | None = None
    """Git revision of the agent's code."""
    evaluators: Sequence[Evaluator] = ()
    """What judges every replay here, besides what the server asks for: code that only this process has."""


async def work(rows: Rows, worker: Worker, *, stop: asyncio.Event | None = None) -> None:
    """Replay rows until there are none left, or until `stop` is set; then what runs ends at once.

    Raises AgentUnreachable where the agent was never reached, and what `rows` raises.
    """
    hands = _Hands(rows, worker, stop or asyncio.Event())
    try:
        async with asyncio.TaskGroup() as tasks:
            alive = tasks.create_task(hands.stay_alive())
            await hands.empty_the_queue(tasks)
            alive.cancel()
    except BaseExceptionGroup as group:
        # What the rows themselves raise is one of our own errors, and is told as such.
        raise group.exceptions[0] from group


class _Hands:
    """What a worker holds."""

    def __init__(self, rows: Rows, worker: Worker, stop: asyncio.Event) -> None:
        self._rows = rows
        self._worker = worker
        self._stop = stop
        self._held: dict[str, asyncio.Event] = {}
        self._freed = asyncio.Event()
        self._lease_s = 30.0
        self._unreachable = 0
        self._was_reached = False

    async def empty_the_queue(self, tasks: asyncio.TaskGroup) -> None:
        """Take rows as hands become free, until there are none left and all are done."""
        is_over = False
        while not is_over and not self._stop.is_set():
            free = self._worker.concurrency - len(self._held)
            if self._held and free <= self._worker.concurrency // 4:
                await self._somebody_is_done()
                continue
            claimed = await self._rows.claim(min(free, MOST_CLAIMED))
            self._lease_s = claimed.lease_s
            for row in claimed.rows:
                if not self._is_replaying(row.call.id):
                    stop = self._held[row.call.id] = asyncio.Event()
                    tasks.create_task(self._do(row, claimed, stop))
            is_over = claimed.is_over
            if not claimed.rows and not is_over:
                await self._somebody_is_done(LOOK_AGAIN_S)
        while self._held:
            await self._somebody_is_done()

    def _is_replaying(self, id: str) -> bool:
        """Whether the row is here already: a lease ends early where a clock jumps or a machine slept."""
        return (stop := self._held.get(id)) is not None and not stop.is_set()

    async def stay_alive(self) -> None:
        """Renew the leases of what is held; what is not ours any more is stopped."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if held := tuple(self._held):
                for lost in (await self._rows.renew(held)).lost:
                    if (stop := self._held.get(lost)) is not None:
                        stop.set()

    async def _somebody_is_done(self, within_s: float | None = None) -> None:
        self._freed.clear()
        stopped = asyncio.ensure_future(self._stop.wait())
        freed = asyncio.ensure_future(self._freed.wait())
        await asyncio.wait({stopped, freed}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (stopped, freed):
            waiting.cancel()
        if self._stop.is_set():
            for stop in self._held.values():
                stop.set()
            if self._held:
                await self._freed.wait()

    async def _do(self, row: ClaimedRow, terms: ClaimedRows, stop: asyncio.Event) -> None:
        try:
            report = await self._replayed(row, terms, stop)
            if not stop.is_set():
                done = await self._rows.report(row.call.id, report)
                if self._worker.on_done is not None:
                    await self._worker.on_done(done)
        except (WrongState, NotFound):
            pass  # it is somebody else's by now, and they report it, or its conversation was deleted
        finally:
            if self._held.get(row.call.id) is stop:
                del self._held[row.call.id]
            self._freed.set()

    async def _replayed(self, row: ClaimedRow, terms: ClaimedRows, stop: asyncio.Event) -> ReportRow:
        """The replays of a row, or why there are none."""
        name = self._worker.name
        if self._unreachable >= GIVE_UP_AFTER and not self._was_reached:
            return ReportRow(worker=name, error=f"not tried: {GIVE_UP_AFTER} replays before could not reach the agent")
        try:
            runs = [await self._replay(row, terms, number, stop) for number in range(1, terms.repeat + 1)]
        except AgentUnreachable as error:
            self._unreachable += 1
            return ReportRow(worker=name, error=str(error))
        except TakeTwoError as error:
            return ReportRow(worker=name, error=str(error))
        self._was_reached = True
        writing = tuple(sorted(tool for tool, known in current.REGISTERED.items() if known.writes))
        scores = tuple([await self._judged(row.case, run) for run in runs]) if self._worker.evaluators else ()
        return ReportRow(worker=name, runs=tuple(runs), writing_tools=writing, scores=scores)

    async def _judged(self, case: Case, run: Run) -> tuple[Score | Unscored, ...]:
        comparison = compare(case.recorded, run.conversation, cut_short_in=run.cut_short_in)
        return await evaluate(Context(case=case, run=run, comparison=comparison), self._worker.evaluators)

    async def _replay(self, row: ClaimedRow, terms: ClaimedRows, number: int, stop: asyncio.Event) -> Run:
        return await replay(
            row.case,
            self._worker.agent,
            How(
                attempt=number,
                limits=self._worker.limits,
                tools=ToolPolicy(on_miss=terms.on_miss),
                users=terms.users,
                revision=self._worker.revision,
            ),
            stop=stop,
        )

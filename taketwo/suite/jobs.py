"""A suite in several processes, each with an agent of its own: one process has one core for everything that it does.

Every job is the same program with the same cases before it; a line on its standard input tells it which of them are its
own, and it writes one for each that is done (`Teller`). `run_in_jobs` starts them and tells of all as one suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, assert_never

from taketwo.events import CaseErrored, CaseFinished, Event, SuiteFinished, SuiteStarted
from taketwo.suite.executed import Ran, functions_of, functions_of_all, runs_of
from taketwo.suite.opened_files import FilesRead
from taketwo.suite.runner import beside
from taketwo.suite.suite_case import SuiteCase
from taketwo.suite.tally import ResultStore, Tally
from taketwo.value import Value
from taketwo.verdict import CaseResult

LONGEST_LINE = 1 << 30
"""Bytes of a result; a tool may have given a job much to tell of."""
GRACE_S = 30.0
"""How long a job that is told to stop may take, in seconds."""
READ_AHEAD = 100
"""So many results wait to be taken before a job has to wait with its next."""

Key: TypeAlias = tuple[str | None, str]
"""The file and the id of a case."""


class Share(Value):
    """What one job is to do; the line that it reads."""

    keys: tuple[Key, ...]
    """Its cases."""
    concurrency: int
    """How many replays it runs at a time."""
    among: int
    """How many cases the whole suite has."""

    def of(self, cases: Iterable[SuiteCase]) -> list[SuiteCase]:
        """Those of the cases that are in it."""
        mine = frozenset(self.keys)
        return [case for case in cases if key_of(case) in mine]

    @property
    def terms(self) -> dict[str, Any]:
        """What `run_suite` is told of it."""
        return {"concurrency": self.concurrency, "among": self.among}


class Done(Value):
    """A case is done; a line that it writes. The whole suite has the case itself already."""

    key: Key
    """Which."""
    result: CaseResult | None = None
    """What came of it; None where it could not be replayed."""
    error: CaseErrored | None = None
    """Why it could not; None where it could."""
    files: tuple[str, ...] = ()
    """What its process has read since the line before: modules, prompts, data."""
    functions: Ran | None = None
    """The functions that were run; None where nobody could look."""
    functions_of_all: Ran = {}
    """Those that count for every case of its process, of files where they are more than in the line before."""

    @property
    def runs(self) -> list[str]:
        """The replays that the result tells of."""
        return [] if self.result is None else runs_of(self.result)


def key_of(case: SuiteCase) -> Key:
    """What tells a case from all others of a suite."""
    return case.file, case.case.id


class Teller:
    """Writes what a job tells: a report writer, for the one who started it."""

    def __init__(self) -> None:
        """Keep the standard output for it: what the agent prints goes where errors go."""
        self._results = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._files_read = FilesRead()
        self._files_told: frozenset[Path] = frozenset()
        self._functions_told: Ran = {}

    def write(self, event: Event) -> None:
        """A case is done; the rest is known without it."""
        match event:
            case CaseFinished(case=case, result=result):
                done = Done(
                    key=(result.file, case.id),
                    result=result,
                    files=self._new_files(),
                    functions=functions_of(runs_of(result)),
                    functions_of_all=self._new_functions(),
                )
            case CaseErrored(name=name, file=file):
                done = Done(key=(file, name), error=event)
            case SuiteStarted() | SuiteFinished():
                return
            case _:
                assert_never(event)
        self._results.write(done.to_json() + b"\n")
        self._results.flush()

    def close(self) -> None:
        """There is no more."""
        self._results.close()

    def _new_files(self) -> tuple[str, ...]:
        files = self._files_read()
        new, self._files_told = files - self._files_told, files
        return tuple(map(str, new))

    def _new_functions(self) -> Ran:
        functions = functions_of_all()
        new = {file: names for file, names in functions.items() if names != self._functions_told.get(file)}
        self._functions_told = functions
        return new


async def run_in_jobs(
    cases: Sequence[SuiteCase],
    command: Sequence[str],
    jobs: int,
    *,
    agent: str,
    concurrency: int,
    store: ResultStore | None = None,
    suite_id: str | None = None,
    stop: asyncio.Event | None = None,
    done: Sequence[CaseFinished] = (),
    saw: Callable[[Done], None] = lambda done: None,
) -> AsyncIterator[Event]:
    """Run the command so many times, each with a share of the cases, and yield what `run_suite` would.

    command: a program that reads a `Share`, and writes with a `Teller` what `run_suite` yields for it.
    agent: the SPEC, as the suite tells it. concurrency: how many replays run at a time, in all jobs together.
    done: cases of the suite besides these, of which all is known. saw: is told what the jobs' agents read and ran.
    A job that ends before its cases are done leaves a `CaseErrored` for each of them.
    """
    tally = Tally(store, suite_id)
    yield tally.started(agent, len(cases) + len(done))
    for known in tally.adding(done):
        yield known
    shares = [cases[first::jobs] for first in range(min(jobs, len(cases)))]
    running = [_Job(command, share, -(-concurrency // len(shares)), len(cases) + len(done), saw) for share in shares]
    results: asyncio.Queue[CaseFinished | CaseErrored | None] = asyncio.Queue(maxsize=READ_AHEAD)
    stop = stop or asyncio.Event()
    async with beside(_stop_all(running, stop)), beside(_run_all(running, results)):
        while (event := await results.get()) is not None:
            tally.add(event)
            yield event
    yield await tally.finished(cancelled=stop.is_set())


class _Job:
    """One process and its share of the cases."""

    def __init__(
        self,
        command: Sequence[str],
        cases: Sequence[SuiteCase],
        concurrency: int,
        among: int,
        saw: Callable[[Done], None],
    ) -> None:
        self._command = command
        self._saw = saw
        self._open = {key_of(case): case for case in cases}
        self._share = Share(keys=tuple(self._open), concurrency=concurrency, among=among)
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    async def run(self, put: Callable[[CaseFinished | CaseErrored], Awaitable[None]]) -> None:
        """Start it, pass on what it tells, and account for every case that it does not tell of."""
        # In a session of its own, Ctrl-C does not reach it twice.
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # it has died already, which is told below
            process.stdin.write(self._share.to_json() + b"\n")
            await process.stdin.drain()
            process.stdin.close()
        async for line in process.stdout:
            await put(self._event(Done.from_json(line)))
        code = await process.wait()
        if not self._stopped:
            for case in self._open.values():
                error = f"{case.case.id}: the process that replayed it ended with code {code}, see its errors above"
                await put(CaseErrored(name=case.case.id, error=error, file=case.file, line=case.line))

    def stop(self) -> None:
        """Let it end in order: what runs ends at once, and what is done is told."""
        self._stopped = True
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _event(self, done: Done) -> CaseFinished | CaseErrored:
        self._saw(done)
        case = self._open.pop(done.key)
        if done.result is not None:
            return CaseFinished(case=case.case, result=done.result)
        assert done.error is not None
        return done.error


async def _run_all(jobs: Sequence[_Job], results: asyncio.Queue[CaseFinished | CaseErrored | None]) -> None:
    """Until the last one has ended, and none is left however this one is."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job.run(results.put))
        await results.put(None)
    finally:
        for job in jobs:
            job.kill()


async def _stop_all(jobs: Sequence[_Job], stop: asyncio.Event) -> None:
    await stop.wait()
    for job in jobs:
        job.stop()
    await asyncio.sleep(GRACE_S)
    for job in jobs:
        job.kill()

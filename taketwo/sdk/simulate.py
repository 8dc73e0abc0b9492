"""`taketwo.simulate`: runs a run test of a server against an agent in this process, and gives the whole report."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from taketwo.config import Settings, load_settings, model_settings
from taketwo.errors import BadSetting, NotFound, TakeTwoError
from taketwo.evals.evaluator import Evaluator
from taketwo.replay.agents import Agent, closing_agents
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import Limits
from taketwo.sdk.api.executions import (
    CallExecution,
    ClaimedRows,
    ClaimRows,
    ExecuteRunTest,
    RenewedLeases,
    RenewLeases,
    ReportRow,
    Rerun,
    TestExecution,
)
from taketwo.sdk.api.results import Results
from taketwo.sdk.api.run_tests import RunTest
from taketwo.sdk.client import DEFAULT_URL, Client, is_in_a_loop
from taketwo.sdk.server_recordings import ServerRecordings
from taketwo.sdk.telephony import telephony
from taketwo.sdk.working import Worker, work
from taketwo.store.addresses import blobs_of
from taketwo.value import Value
from taketwo.voice.calling import Audio, Telephony
from taketwo.voice.phone import open_for_calls
from taketwo.voice.recordings import Recordings

CONCURRENCY = 5
"""How many rows are replayed at a time unless told otherwise."""
JUDGED_WITHIN_S = 600.0
"""How long the server may take to judge a row: its judges may be models that are asked several times."""
PAGE = 500
"""Call executions that are read together."""


class _RunTests(Value):
    run_tests: tuple[RunTest, ...]


class _Calls(Value):
    call_executions: tuple[CallExecution, ...]
    next: str | None


class Simulated(Value):
    """What came of a run test; `print` it for a summary."""

    execution: TestExecution
    """The execution with its counts and verdicts."""
    results: Results
    """All figures, with intervals."""
    calls: tuple[CallExecution, ...]
    """Every row with its verdict, scores and figures, in order."""
    url: str
    """Where the server shows it."""

    @property
    def passed(self) -> bool:
        """Whether every row was replayed and passed."""
        return self.exit_code(strict=True) == 0

    def exit_code(self, *, strict: bool = False) -> int:
        """What the process should tell a CI system, as `taketwo replay` does.

        1 for a regression, under `strict` for a changed or flaky row too; 2 where a row, or all, could not be done; 3
        under `strict` where rows are only inconclusive.
        """
        from taketwo.suite.decide import exit_code

        undone = self.execution.total - self.execution.counts.get("completed", 0)
        return exit_code({**self.execution.verdicts, **({"error": undone} if undone else {})}, strict=strict)

    def __str__(self) -> str:
        """A line for each row that did not pass, and the counts."""
        return "\n".join(_lines(self))


def simulate(
    run_test: str,
    agent: Callable[..., Any] | object | str,
    *,
    concurrency: int = CONCURRENCY,
    project: str | None = None,
    server: str | None = None,
    key: str | None = None,
    turn_timeout_s: float | None = None,
    audio: Audio | None = None,
    evaluators: Sequence[str | Evaluator | Callable[..., Any]] = (),
    progress: bool | Callable[[str], None] = True,
    trigger: Literal["sdk", "ci"] = "sdk",
) -> Simulated:
    """Run a run test of the server against an agent in this process: the same users' words, the same tool results.

    run_test: its name or id; or the id of an execution that goes on, to take part in it: beside other processes, or
    where one died. agent: a function or object as `--agent package.module:name` takes it, or a SPEC.
    project: where several projects have a run test of that name.
    server, key: URL of the server and a key for it; `TAKETWO_SERVER` and `TAKETWO_SERVER_KEY` when left out.
    audio: how an agent that a SPEC names is called: with the caller's `original` voice, `synthesised`, or `text`; left
    out, as it can be called. Recordings are taken from beside the store of `TAKETWO_STORE`, or else
    from the server; new ones go beside the store.
    evaluators: what judges every replay in this process, besides those of the run test: names as `--evaluator` takes
    them, functions of a context, or objects with `evaluate`.
    progress: whether to tell on stderr how far it is, or who is told.

    Returns when every row is judged. Stopped with Ctrl-C, it cancels the execution that it began. Raises NotFound,
    BadSetting, AgentUnreachable, ServerUnreachable. Inside an event loop use `await simulate_async(…)`.
    """
    if is_in_a_loop():
        raise BadSetting("an event loop is running here", where="simulate", todo="use: await taketwo.simulate_async(…)")
    return asyncio.run(
        simulate_async(
            run_test,
            agent,
            concurrency=concurrency,
            project=project,
            server=server,
            key=key,
            turn_timeout_s=turn_timeout_s,
            audio=audio,
            evaluators=evaluators,
            progress=progress,
            trigger=trigger,
        )
    )


async def simulate_async(
    run_test: str,
    agent: Callable[..., Any] | object | str,
    *,
    concurrency: int = CONCURRENCY,
    project: str | None = None,
    server: str | None = None,
    key: str | None = None,
    turn_timeout_s: float | None = None,
    audio: Audio | None = None,
    evaluators: Sequence[str | Evaluator | Callable[..., Any]] = (),
    progress: bool | Callable[[str], None] = True,
    trigger: Literal["sdk", "ci"] = "sdk",
) -> Simulated:
    """The same as `simulate`, for a program with an event loop of its own."""
    if concurrency < 1:
        raise BadSetting("at least one row must be replayed at a time", where="concurrency")
    here = load_settings(os.environ, Path.cwd())
    calls = telephony(here, audio)
    url, key = server or here.server or DEFAULT_URL, key or here.server_key
    opened = _opened(agent, calls, here, ServerRecordings(url, key))
    client = Client(url, key=key, connections=concurrency + 5)
    limits = Limits(turn_timeout_s=turn_timeout_s or calls.turn_timeout_s(opened.spec, here.turn_timeout_s))
    judges = _evaluators(evaluators, here)
    try:
        async with closing_agents(opened):
            session = Session(client, opened, concurrency, limits, _teller(progress), judges)
            shared = await session.going_on(run_test)
            execution = shared or await session.begin(run_test, project, trigger)
            await session.run(execution, is_shared=shared is not None)
            return await session.report(execution.id)
    finally:
        await client.close()


def _opened(
    agent: Callable[..., Any] | object | str, calls: Telephony, here: Settings, served: ServerRecordings
) -> Agent:
    if isinstance(agent, str):
        return open_for_calls(agent, calls, Recordings([blobs_of(here.store)], [served]))
    if calls.audio in ("original", "synthesised"):
        raise BadSetting("code is called by its SPEC", where="audio", todo="name the agent: package.module:name")
    return CallableAgent(agent)


def _evaluators(given: Sequence[str | Evaluator | Callable[..., Any]], here: Settings) -> list[Evaluator]:
    """Those that are named, opened, and code as it is. Raises BadSetting, MissingExtra."""
    if not given:
        return []
    from taketwo.evals.own import own_evaluator
    from taketwo.llm import model_of
    from taketwo.suite.evaluators import open_evaluators

    named = [one for one in given if isinstance(one, str)]
    opened = open_evaluators(
        named, lambda: None if here.llm_model is None else model_of(model_settings(here)), folder=Path.cwd()
    )
    return [*opened, *(own_evaluator(one) for one in given if not isinstance(one, str))]


class Session(NamedTuple):
    """One run of a run test from this process."""

    client: Client
    """The server."""
    agent: Agent
    """The agent under test."""
    concurrency: int
    """How many rows at a time."""
    limits: Limits
    """What one turn may take."""
    on_done: Callable[[CallExecution, TestExecution], Awaitable[None]]
    """Is told of every row that has ended, in which execution."""
    evaluators: Sequence[Evaluator] = ()
    """What judges every replay in this process."""

    async def begin(self, name: str, project: str | None, trigger: Literal["sdk", "ci"]) -> TestExecution:
        """Begin an execution of the run test of that name or id. Raises NotFound."""
        found = await self.client.get("/run-tests", _RunTests, name=name, project=project)
        asked = ExecuteRunTest(runner="sdk", spec=None, revision=await asyncio.to_thread(git_revision), trigger=trigger)
        path = f"/run-tests/{found.run_tests[0].id}/executions"
        return await self.client.post(path, TestExecution, asked, once=str(uuid4()))

    async def going_on(self, id: str) -> TestExecution | None:
        """The execution of that id, to take part in it; None where none of it goes on."""
        try:
            execution = await self.client.get(f"/test-executions/{quote(id, safe='')}", TestExecution)
        except NotFound:
            return None
        if execution.status not in ("pending", "running"):
            return None
        self._insist_on_being_asked(execution)
        return execution

    def _insist_on_being_asked(self, execution: TestExecution) -> None:
        if execution.runner != "sdk":
            raise BadSetting(
                f"its rows are replayed by the {execution.runner}, not by your process",
                where=f"execution {execution.id}",
                todo=f"{self.client.url}/executions/{execution.id} runs them again",
            )

    async def again(self, id: str) -> TestExecution:
        """Open an execution again for one row, by the row's id, or for those that failed, by its own.

        Raises NotFound, WrongState while it runs, BadSetting where the server replays it itself.
        """
        try:
            call = await self.client.get(f"/call-executions/{id}", CallExecution)
        except NotFound:
            asked, execution_id = Rerun(what="failed"), id
        else:
            asked, execution_id = Rerun(what="all", call_execution_ids=(id,)), call.test_execution_id
        self._insist_on_being_asked(await self.client.get(f"/test-executions/{execution_id}", TestExecution))
        return await self.client.post(f"/test-executions/{execution_id}/rerun", TestExecution, asked)

    async def run(
        self, execution: TestExecution, stop: asyncio.Event | None = None, *, is_shared: bool = False
    ) -> bool:
        """Replay its rows until none are left, or until `stop` is set; gives whether it was cut short.

        It is cancelled on the server when it is cut short, and where this task is cancelled or fails; one that is
        shared is left to the others.
        """
        worker = Worker(
            worker_name(),
            self.agent,
            self.concurrency,
            self.limits,
            lambda call: self.on_done(call, execution),
            execution.revision,
            self.evaluators,
        )
        try:
            await work(ServerRows(self.client, execution.id, worker.name), worker, stop=stop)
        except BaseException:
            if not is_shared:
                await asyncio.shield(self._cancel(execution.id))
            raise
        is_cut_short = stop is not None and stop.is_set()
        if is_cut_short and not is_shared:
            await self._cancel(execution.id)
        return is_cut_short

    async def report(self, id: str) -> Simulated:
        """Everything that came of it."""
        calls: list[CallExecution] = []
        after: str | None = None
        while True:
            page = await self.client.get(f"/test-executions/{id}/call-executions", _Calls, limit=PAGE, after=after)
            calls += page.call_executions
            if (after := page.next) is None:
                break
        return Simulated(
            execution=await self.client.get(f"/test-executions/{id}", TestExecution),
            results=await self.client.get(f"/test-executions/{id}/results", Results),
            calls=tuple(calls),
            url=f"{self.client.url}/executions/{id}",
        )

    async def _cancel(self, id: str) -> None:
        try:
            await self.client.post(f"/test-executions/{id}/cancel", TestExecution)
        except TakeTwoError:
            return  # it has ended, or the server is gone; then the leases end by themselves


class ServerRows:
    """The rows of an execution on a server."""

    def __init__(self, client: Client, execution_id: str, worker: str) -> None:
        """worker: what this process calls itself."""
        self._client = client
        self._path = f"/test-executions/{execution_id}"
        self._worker = worker

    async def claim(self, limit: int) -> ClaimedRows:
        """See `Rows`."""
        return await self._client.post(f"{self._path}/claim", ClaimedRows, ClaimRows(worker=self._worker, limit=limit))

    async def renew(self, ids: tuple[str, ...]) -> RenewedLeases:
        """See `Rows`."""
        asked = RenewLeases(worker=self._worker, call_execution_ids=ids)
        return await self._client.post(f"{self._path}/renew", RenewedLeases, asked)

    async def report(self, id: str, report: ReportRow) -> CallExecution:
        """See `Rows`."""
        path = f"/call-executions/{id}/report"
        return await self._client.post(path, CallExecution, report, timeout_s=JUDGED_WITHIN_S)


def worker_name() -> str:
    """A name that no other worker has, by which a person finds this process."""
    return f"{socket.gethostname()[:100]} {os.getpid()} {uuid4().hex[:6]}"


def git_revision(folder: Path | None = None) -> str | None:
    """The revision of the working folder, with a `+` where files were changed since; None where there is none."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, timeout=5, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _teller(progress: bool | Callable[[str], None]) -> Callable[[CallExecution, TestExecution], Awaitable[None]]:
    done: list[str] = []

    async def tell(call: CallExecution, execution: TestExecution) -> None:
        if progress is False:
            return
        done.append(call.verdict or call.status)
        line = f"{len(done)}/{execution.total} {call.case_id}: {call.verdict or call.status}"
        line += f" ({call.headline or call.ended_reason})" if (call.verdict or "failed") != "pass" else ""
        if progress is True:
            print(line, file=sys.stderr)  # noqa: T201  # asked for
        else:
            progress(line)

    return tell


def _lines(report: Simulated) -> Iterator[str]:
    for call in report.calls:
        if call.verdict != "pass":
            apart = "" if call.quarantine is None else f" (quarantined: {call.quarantine})"
            yield f"{call.verdict or call.status}{apart}: {call.case_id}: {call.headline or call.ended_reason or ''}"
    verdicts = ", ".join(f"{number} {kind}" for kind, number in report.execution.verdicts.items())
    undone = report.execution.total - report.execution.counts.get("completed", 0)
    failed = f", {undone} not done" if undone else ""
    yield f"{report.execution.total} rows: {verdicts or 'none judged'}{failed} ({report.url})"

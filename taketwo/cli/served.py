"""`taketwo replay --run-test` and `--rerun`: rows that a server keeps, against an agent in this process."""

from __future__ import annotations

import asyncio
import functools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from taketwo.cli.interrupts import stop_on_interrupt
from taketwo.cli.report_options import Reports
from taketwo.cli.settings import access
from taketwo.cli.voices import Phone
from taketwo.config import Settings
from taketwo.errors import BadSetting
from taketwo.evals.evaluator import Evaluator
from taketwo.events import CaseErrored, CaseFinished, SuiteFinished, SuiteStarted
from taketwo.replay import current
from taketwo.replay.agents import Agent, closing_agents
from taketwo.replay.engine import Limits
from taketwo.report import Writer, close_writers
from taketwo.value import JSON, Value
from taketwo.voice.calling import Audio

if TYPE_CHECKING:
    from taketwo.sdk.api.executions import CallExecution, TestExecution
    from taketwo.sdk.client import Client
    from taketwo.sdk.simulate import Session


class Served(Value):
    """Which rows of which server, and how."""

    name: str
    """Name or id of a run test; id of an execution or of one of its rows where it is run again."""
    is_again: bool
    """Whether an execution that has ended is run again, rather than a new one begun."""
    url: str | None
    """The server; None for that of the settings."""
    project: str | None = None
    """Its project; None where its name is the only one."""
    concurrency: int | None = None
    """How many rows at a time; None for what the settings say."""
    timeout_s: float | None = None
    """How long the agent may take for one turn; None for what the settings say."""
    audio: Audio | None = None
    """How calls are spoken; None for what the agent takes."""
    store: str | None = None
    """URL of the store that recordings lie beside; None for that of the settings."""

    def so(
        self,
        project: str | None,
        concurrency: int | None,
        timeout_s: float | None,
        audio: Audio | None,
        store: str | None,
    ) -> Served:
        """The same rows, replayed as the command says."""
        return self.but(project=project, concurrency=concurrency, timeout_s=timeout_s, audio=audio, store=store)


def served_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--run-test`, `--rerun` and `--server`, given to the command as `served`."""

    @click.option(
        "--run-test",
        metavar="NAME",
        help="Instead of TARGETs: replay the rows of a run test that a server keeps, and report to it.",
    )
    @click.option(
        "--rerun",
        metavar="ID",
        help="Instead of TARGETs: replay a row that a server keeps again, or what failed in an execution; "
        "take part in an execution that goes on.",
    )
    @click.option("--server", metavar="URL", help="That server.  [default: http://127.0.0.1:4318]")
    @functools.wraps(command)
    def with_served(*, run_test: str | None, rerun: str | None, server: str | None, **given: Any) -> Any:
        if run_test is not None and rerun is not None:
            raise BadSetting("give --run-test or --rerun, and not both", todo="taketwo replay --help")
        name = rerun or run_test
        served = None if name is None else Served(name=name, is_again=rerun is not None, url=server)
        return command(served=served, **given)

    return with_served


def replay_served(
    served: Served,
    spec: str,
    overrides: dict[str, JSON],
    evaluators: Sequence[Evaluator],
    reports: Reports,
    here: Settings,
) -> int:
    """Replay its rows, and write what was asked for; gives the exit code. Ctrl-C cancels the execution."""
    with reports.opened() as writers:
        # Not at the top: what speaks to a server takes a tenth of a second to import, and most replays need none.
        from taketwo.sdk.client import DEFAULT_URL
        from taketwo.sdk.server_recordings import ServerRecordings

        server = ServerRecordings(served.url or here.server or DEFAULT_URL, here.server_key)
        phone = Phone(here, served.audio, served.store or here.store, (), [server])
        agent = phone.open(spec, overrides=overrides, **access(here))
        served = served.but(timeout_s=served.timeout_s or phone.turn_timeout_s(spec))
        return reports.exit_code(asyncio.run(_replayed(served, agent, evaluators, writers, here)))


async def _replayed(
    served: Served, agent: Agent, evaluators: Sequence[Evaluator], writers: Sequence[Writer], here: Settings
) -> SuiteFinished:
    # Not at the top: what speaks to a server takes a tenth of a second to import, and most replays need none.
    from taketwo.sdk.client import DEFAULT_URL, Client
    from taketwo.sdk.simulate import Session

    current.never_go_live()
    concurrency = served.concurrency or here.concurrency
    client = Client(served.url or here.server or DEFAULT_URL, key=here.server_key, connections=concurrency + 5)
    counts: Counter[str] = Counter()

    async def tell(call: CallExecution, execution: TestExecution) -> None:
        event = await _event(client, call)
        counts[event.counts_as] += 1
        for writer in writers:
            writer.write(event)

    try:
        async with closing_agents(agent):
            limits = Limits(turn_timeout_s=served.timeout_s or here.turn_timeout_s)
            session = Session(client, agent, concurrency, limits, tell, evaluators)
            return await _run(session, served, writers, counts)
    finally:
        await client.close()


async def _run(session: Session, served: Served, writers: Sequence[Writer], counts: Counter[str]) -> SuiteFinished:
    began = datetime.now(UTC)
    stop = asyncio.Event()
    stop_on_interrupt(asyncio.get_running_loop(), stop)
    shared = await session.going_on(served.name) if served.is_again else None
    if shared is not None:
        execution = shared
    elif served.is_again:
        execution = await session.again(served.name)
    else:
        execution = await session.begin(served.name, served.project, "ci" if os.environ.get("CI") else "sdk")
    open_rows = execution.total - execution.done
    for writer in writers:
        writer.write(SuiteStarted(agent=session.agent.spec, cases=open_rows, at=began))
    is_cut_short = await session.run(execution, stop, is_shared=shared is not None)
    ended = datetime.now(UTC)
    finished = SuiteFinished(
        at=ended, duration_s=(ended - began).total_seconds(), counts=dict(counts), cancelled=is_cut_short
    )
    for writer in writers:
        writer.write(finished)
    close_writers(writers)
    return finished


async def _event(client: Client, call: CallExecution) -> CaseFinished | CaseErrored:
    if call.status != "completed":
        return CaseErrored(name=call.case_id, error=call.ended_reason or call.status)
    from taketwo.sdk.api.results import CaseAndResult

    found = await client.get(f"/call-executions/{call.id}/result", CaseAndResult)
    return CaseFinished(case=found.case, result=found.result)

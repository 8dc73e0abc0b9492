"""The executor inside the server: a thread with an event loop of its own, so that no request waits for it.

All that it needs to know is in the store. When it starts it takes up what another process left, and looks again every
few seconds for what others leave while it runs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from datetime import timedelta
from typing import Any, assert_never

from taketwo.errors import TakeTwoError
from taketwo.replay.agents import Agent, closing_agents
from taketwo.replay.agents.hosts import with_keys_kept
from taketwo.replay.engine import DEFAULT_LIMITS, Limits
from taketwo.replay.preflight import reach_of
from taketwo.sdk.api.executions import (
    CallExecution,
    ClaimedRows,
    ClaimRows,
    RenewedLeases,
    RenewLeases,
    ReportRow,
)
from taketwo.sdk.working import Worker, work
from taketwo.server.flow.alerts import Delivery, send_news
from taketwo.server.flow.executions import (
    EXECUTIONS,
    OPEN,
    fail_abandoned,
    fail_execution,
    judge_again,
    left_unjudged,
)
from taketwo.server.flow.executor import Work
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.hand_outs import claim_rows, renew_leases, report_row
from taketwo.server.flow.replay_sessions import SESSIONS, copy_conversations
from taketwo.server.flow.schedules import run_what_is_due
from taketwo.server.flow.shelf import Flow, new_id
from taketwo.server.gateway import gateway
from taketwo.server.nearby import bound
from taketwo.server.own_spans import OwnSpans
from taketwo.voice.calling import Telephony
from taketwo.voice.phone import open_for_calls
from taketwo.voice.recordings import Recordings, Server

LOOK_AGAIN_S = 5.0
"""How often it looks for what others left."""
QUIET_S = 10.0
"""Conversations are copied by the request that selects them; when it was not heard of for so long, it has died."""
CONCURRENCY = 10
"""How many rows of one execution the server replays at a time."""

_log = logging.getLogger("taketwo.server")


class Embedded:
    """Carries out work in this process."""

    def __init__(
        self,
        access: Mapping[str, Any] | None = None,
        *,
        telephony: Telephony = Telephony(),  # noqa: B008  # a value, never changed
        delivery: Delivery = Delivery(),  # noqa: B008  # a value, never changed
        concurrency: int = CONCURRENCY,
    ) -> None:
        """access: keys and endpoints of agents, as `open_agent` takes them. telephony: how agents are called.

        delivery: how alerts leave.
        """
        self._telephony = telephony
        self._delivery = delivery
        self._access = dict(access or {})
        self._concurrency = concurrency
        self._name = f"server {new_id()[:8]}"
        self._going_on: dict[Work, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._flow: Flow | None = None
        self._spans = OwnSpans()
        self._sending: asyncio.Task[int] | None = None

    def start(self, flow: Flow, spans: OwnSpans = OwnSpans()) -> None:  # noqa: B008  # one that makes none
        """Begin to work, with what was left by whoever worked before. spans: what makes a span of each step."""
        self._flow, self._spans = flow, spans
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="taketwo-executor")
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        """Stop; what is not done is taken up again by the next one that starts."""
        if self._thread is not None and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None

    def begin(self, work: Work) -> None:
        """See `Executor`."""
        if self._loop is not None and not self._loop.is_closed():
            # In an empty context: the request may be confined to one project, what is begun here belongs to any.
            self._loop.call_soon_threadsafe(self._begin, work, context=Context())

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        while not self._stop.is_set():
            await self._take_up_what_was_left()
            try:
                await asyncio.wait_for(self._stop.wait(), LOOK_AGAIN_S)
            except TimeoutError:
                continue
        tasks = list(self._going_on.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Work) -> None:
        if work in self._going_on or self._stop is None or self._stop.is_set():
            return
        assert self._loop is not None, "work begins in the loop"
        task = self._going_on[work] = self._loop.create_task(self._carry_out(work))
        task.add_done_callback(lambda done: self._going_on.pop(work, None))

    async def _take_up_what_was_left(self) -> None:
        assert self._flow is not None, "it was started"
        try:
            for left in await asyncio.to_thread(left_over, self._flow):
                self._begin(left)
            await asyncio.to_thread(run_what_is_due, self._flow)
            self._begin_sending()
        except TakeTwoError as error:
            _log.warning("what was left cannot be looked for: %s", error)

    def _begin_sending(self) -> None:
        """Send alerts beside everything else: a receiver may take its time."""
        assert self._loop is not None and self._flow is not None, "it was started"
        if self._sending is None or self._sending.done():
            self._sending = self._loop.create_task(asyncio.to_thread(send_news, self._flow, self._delivery))

    async def _carry_out(self, work: Work) -> None:
        try:
            with self._spans.span(work.kind) as attributes:
                attributes["taketwo.id"] = work.id
                await self._do(work)
        except TakeTwoError as error:
            _log.warning("%s %s: %s", work.kind, work.id, error)
        except Exception:  # a bug of ours in one piece of work must not take the others along
            _log.exception("%s %s", work.kind, work.id)
            if work.kind == "run_execution":
                assert self._flow is not None, "it was started"
                todo = "please report this, with the server's log"
                await asyncio.to_thread(fail_execution, self._flow, work.id, "Take Two failed", todo)

    async def _do(self, work: Work) -> None:
        assert self._flow is not None, "it was started"
        if work.kind == "run_execution":
            await self._run_execution(self._flow, work.id)
        else:
            await asyncio.to_thread(take_step, self._flow, work)

    async def _run_execution(self, flow: Flow, id: str) -> None:
        async with agent_of(flow, id, self._access, self._telephony) as agent:
            if agent is not None:
                worker = Worker(self._name, agent, self._concurrency, limits_of(agent))
                await work(FlowRows(flow, id, self._name), worker)


def take_step(flow: Flow, work: Work) -> None:
    """Do a piece of work that is one step."""
    match work.kind:
        case "copy_conversations":
            copy_conversations(flow, work.id)
        case "generate_scenario":
            make_scenario(flow, work.id)
        case "judge_again":
            judge_again(flow, work.id)
        case "run_execution":
            raise ValueError("an execution has a step for each of its rows")
        case _:
            assert_never(work.kind)


@asynccontextmanager
async def agent_of(
    flow: Flow, execution_id: str, access: Mapping[str, Any], telephony: Telephony, servers: Sequence[Server] = ()
) -> AsyncIterator[Agent | None]:
    """The agent of an execution, and beside it the recorded tools for one that calls them from elsewhere.

    servers: where recordings are that are not here, and those of new calls are sent.
    None where the execution has ended, or has failed now as its agent cannot be opened.
    """
    execution = await asyncio.to_thread(EXECUTIONS.get, flow, execution_id)
    if execution.status not in OPEN or execution.runner != "server":
        yield None
        return
    async with AsyncExitStack() as stack:
        reach = with_keys_kept(access, execution.agent)
        if reach_of(execution.agent) == "elsewhere":
            reach["tools_url"] = await stack.enter_async_context(gateway(stack.enter_context(bound())))
        try:
            agent = await asyncio.to_thread(
                open_for_calls,
                execution.agent,
                telephony.but(agent_key=reach.get("api_key")),
                Recordings([flow.store.recordings(execution.project)], servers),
                overrides=execution.overrides,
                **reach,
            )
        except TakeTwoError as error:
            await asyncio.to_thread(fail_execution, flow, execution_id, str(error), error.todo)
            yield None
            return
        await stack.enter_async_context(closing_agents(agent))
        yield agent


def limits_of(agent: Agent) -> Limits:
    """What a turn of it may take: one that is spoken takes as long as it is spoken."""
    return Limits(turn_timeout_s=Telephony().turn_timeout_s(agent.spec, DEFAULT_LIMITS.turn_timeout_s))


class FlowRows:
    """The rows of an execution, taken out of the store without a detour over HTTP."""

    def __init__(self, flow: Flow, execution_id: str, worker: str) -> None:
        """worker: what whoever takes them calls itself."""
        self._flow = flow
        self._id = execution_id
        self._worker = worker

    async def claim(self, limit: int) -> ClaimedRows:
        """See `Rows`."""
        return await asyncio.to_thread(claim_rows, self._flow, self._id, ClaimRows(worker=self._worker, limit=limit))

    async def renew(self, ids: tuple[str, ...]) -> RenewedLeases:
        """See `Rows`."""
        asked = RenewLeases(worker=self._worker, call_execution_ids=ids)
        return await asyncio.to_thread(renew_leases, self._flow, self._id, asked)

    async def report(self, id: str, report: ReportRow) -> CallExecution:
        """See `Rows`."""
        return await asyncio.to_thread(report_row, self._flow, id, report)


def left_over(flow: Flow) -> list[Work]:
    """Work that somebody began and that is not done; also ends executions whose last row ended and nobody noted it."""
    quiet_since = flow.now() - timedelta(seconds=QUIET_S)
    found = [
        Work("copy_conversations", session.id)
        for session in SESSIONS.every(flow, state="init")
        if (session.copied < session.selected or session.suggestions is None) and session.updated_at < quiet_since
    ]
    found += [Work("generate_scenario", session.id) for session in SESSIONS.every(flow, state="generating")]
    found += [Work("judge_again", execution.id) for execution in left_unjudged(flow)]
    for state in OPEN:
        for execution in EXECUTIONS.every(flow, state=state):
            if fail_abandoned(flow, execution.id).status in OPEN and execution.runner == "server":
                found.append(Work("run_execution", execution.id))
    return found

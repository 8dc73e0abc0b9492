"""The executor on a Temporal server: a piece of work is a workflow, some rows of an execution an activity of it.

What is to be done and how far it is stays in the store, as with the embedded executor; Temporal sees to it that it is
done by one of the workers (`taketwo worker`), whoever dies. A row is taken under a lease that is as long as Temporal
waits for a heartbeat, so that a worker that is not heard of gives it back at once, and says so on the row. Of many rows
an activity replays some, one after the other: asking Temporal and opening an agent cost more than a row that is quick.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from importlib.metadata import version
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taketwo.errors import BadSetting, NotFound, StoreUnavailable, TakeTwoError, TooFast, WrongState
from taketwo.replay.agents import Agent
from taketwo.sdk.api.executions import CallExecution, ClaimedRow, ClaimedRows, RenewedLeases, ReportRow
from taketwo.sdk.working import Worker as Hands
from taketwo.sdk.working import work as do_rows
from taketwo.server.flow.alerts import Delivery
from taketwo.server.flow.embedded import Embedded, agent_of, limits_of, take_step
from taketwo.server.flow.executions import CALLS, EXECUTIONS, OPEN, finish_if_done
from taketwo.server.flow.executor import Work, WorkKind
from taketwo.server.flow.hand_outs import report_row, take_call, with_case
from taketwo.server.flow.shelf import Flow
from taketwo.voice.calling import Telephony
from taketwo.voice.recordings import Server

TASK_QUEUE = "taketwo"
"""Where workers look for work."""
HEARTBEAT_S = 15.0
"""A worker that is not heard of for so long has lost its row."""
PAGE = 1_000
"""Rows that are looked up at a time."""
AT_A_TIME = 50
"""Rows of one execution that are under way at a time, over all workers."""
STEP_LIMIT = timedelta(hours=12)
AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
"""A step that could not be taken is taken again, until it can."""


class Address(NamedTuple):
    """Where a Temporal server is."""

    target: str
    """Host and port."""
    namespace: str
    """The namespace in it."""


def read_address(url: str) -> Address:
    """`temporal://host:port`, or with `/namespace`. Raises BadSetting."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "temporal" or not parts.hostname or port is None:
        raise BadSetting(f"{url!r} names no executor", where="executor", todo="use temporal://HOST:PORT[/NAMESPACE]")
    return Address(f"{parts.hostname}:{port}", parts.path.strip("/") or "default")


async def connect(address: Address) -> Client:
    """A connection. Raises StoreUnavailable where nobody answers."""
    try:
        return await Client.connect(address.target, namespace=address.namespace)
    except (RPCError, RuntimeError, OSError) as error:
        raise StoreUnavailable(f"Temporal does not answer: {error}", where=address.target) from error


class OnTemporal(Embedded):
    """Hands work to Temporal and waits for it; what the server did not hear of before it died is handed in again."""

    def __init__(self, address: Address, *, delivery: Delivery = Delivery()) -> None:  # noqa: B008  # a value
        """address: where the Temporal server is; it need not be there yet. delivery: how alerts leave."""
        super().__init__(delivery=delivery)
        self._address = address
        self._client: Client | None = None

    async def _do(self, work: Work) -> None:
        self._client = self._client or await connect(self._address)
        try:
            handle = await self._client.start_workflow(
                CarryOut.run,
                args=[work.kind, work.id],
                id=f"taketwo-{work.kind}-{work.id}",
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            await handle.result()
        except RPCError as error:
            raise StoreUnavailable(f"Temporal does not answer: {error}", where=self._address.target) from error


@workflow.defn(name="taketwo.carry_out")
class CarryOut:
    """One piece of work. For an execution: its rows, some at a time, until none is open."""

    @workflow.run
    async def run(self, kind: WorkKind, id: str) -> None:
        """Carry it out."""
        if kind != "run_execution":
            await workflow.execute_activity(
                "taketwo.take_step", args=[kind, id], start_to_close_timeout=STEP_LIMIT, retry_policy=AGAIN
            )
            return
        while shares := await self._open_rows(id):
            await asyncio.gather(*(self._replayed(id, share) for share in shares))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(args=[kind, id])

    async def _open_rows(self, id: str) -> list[list[str]]:
        found: list[list[str]] = await workflow.execute_activity(
            "taketwo.open_rows",
            id,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=AGAIN,
            result_type=list[list[str]],
        )
        return found

    async def _replayed(self, id: str, share: list[str]) -> None:
        await workflow.execute_activity(
            "taketwo.replay_rows",
            args=[id, share],
            start_to_close_timeout=STEP_LIMIT,
            heartbeat_timeout=timedelta(seconds=HEARTBEAT_S),
            retry_policy=AGAIN,
        )


class Activities:
    """What workers do; every one may be done again where it was left."""

    def __init__(
        self,
        flow: Flow,
        name: str,
        access: Mapping[str, Any],
        telephony: Telephony,
        servers: Sequence[Server] = (),
    ) -> None:
        """name: what the worker calls itself. access: keys and endpoints of agents, as `open_agent` takes them.

        telephony: how agents are called. servers: where recordings are that are not here, and new ones are sent.
        """
        self._servers = servers
        self._telephony = telephony
        self._flow = flow
        self._name = name
        self._access = access

    @activity.defn(name="taketwo.take_step")
    async def take_step(self, kind: WorkKind, id: str) -> None:
        """Work that is one step."""
        await asyncio.to_thread(take_step, self._flow, Work(kind, id))

    @activity.defn(name="taketwo.open_rows")
    async def open_rows(self, execution_id: str) -> list[list[str]]:
        """The next rows that are open, in shares of equal size, of which each is replayed by one worker.

        None where the execution has ended or cannot be begun.
        """
        async with self._agent(execution_id) as agent:
            if agent is None:
                return []
            rows = await asyncio.to_thread(self._open_rows, execution_id)
        if not rows:
            await asyncio.to_thread(finish_if_done, self._flow, execution_id)
        size = -(-len(rows) // AT_A_TIME) or 1
        return [rows[first : first + size] for first in range(0, len(rows), size)]

    @activity.defn(name="taketwo.replay_rows")
    async def replay_rows(self, execution_id: str, call_ids: list[str]) -> None:
        """Replay rows and report them, one after the other; those that have ended meanwhile are left as they are."""
        info = activity.info()
        # The attempt is in the name: a worker that was given up and comes back is somebody else by then.
        name = f"{self._name} {info.workflow_run_id[:8]}-{info.attempt}"
        async with self._agent(execution_id) as agent:
            if agent is None:
                return
            rows = _Share(self._flow, execution_id, call_ids, name)
            await do_rows(rows, Hands(name, agent, 1, limits_of(agent)))
        if rows.left is not None:
            raise rows.left

    def _agent(self, execution_id: str) -> AbstractAsyncContextManager[Agent | None]:
        return agent_of(self._flow, execution_id, self._access, self._telephony, self._servers)

    def _open_rows(self, execution_id: str) -> list[str]:
        parts = (call.id for state in OPEN for call in CALLS.parts(self._flow, execution_id, state=state))
        return list(islice(parts, PAGE))


class _Share:
    """The rows of an activity, for hands that take rows until none is left; a renewed lease is a heartbeat."""

    def __init__(self, flow: Flow, execution_id: str, call_ids: Sequence[str], worker: str) -> None:
        self._flow = flow
        self._execution_id = execution_id
        self._waiting = deque(call_ids)
        self._worker = worker
        self.left: TakeTwoError | None = None
        """Why some rows could not be taken now, and are to be asked for again; None where all were."""

    async def claim(self, limit: int) -> ClaimedRows:
        """The next rows that can be taken."""
        activity.heartbeat()
        execution = await asyncio.to_thread(EXECUTIONS.get, self._flow, self._execution_id)
        rows: list[ClaimedRow] = []
        while self._waiting and len(rows) < limit:
            if (row := await asyncio.to_thread(self._taken, self._waiting.popleft())) is not None:
                rows.append(row)
        return ClaimedRows(
            rows=tuple(rows),
            is_over=not self._waiting,
            lease_s=HEARTBEAT_S,
            repeat=execution.repeat,
            users=execution.users,
            on_miss=execution.on_miss,
        )

    def _taken(self, id: str) -> ClaimedRow | None:
        """A row; None where it is gone, has ended, or is not to be had now."""
        try:
            call = take_call(self._flow, id, self._worker, HEARTBEAT_S)
            return with_case(self._flow, call, self._worker) if call.status == "running" else None
        except NotFound:
            return None
        except (WrongState, TooFast) as error:
            if CALLS.get(self._flow, id).status in OPEN:
                self.left = error  # somebody else has it still, or its project enough: Temporal asks again
            return None

    async def renew(self, ids: tuple[str, ...]) -> RenewedLeases:
        """Say to both that it is still worked on."""
        activity.heartbeat()
        return await asyncio.to_thread(self._renewed, ids)

    def _renewed(self, ids: tuple[str, ...]) -> RenewedLeases:
        lost = []
        for id in ids:
            try:
                take_call(self._flow, id, self._worker, HEARTBEAT_S)
            except (NotFound, WrongState, TooFast):
                lost.append(id)
        return RenewedLeases(kept=tuple(id for id in ids if id not in lost), lost=tuple(lost))

    async def report(self, id: str, report: ReportRow) -> CallExecution:
        """What came of it."""
        return await asyncio.to_thread(report_row, self._flow, id, report)


async def run_worker(
    flow: Flow,
    address: Address,
    *,
    name: str,
    concurrency: int,
    access: Mapping[str, Any],
    telephony: Telephony,
    stop: asyncio.Event,
    servers: Sequence[Server] = (),
) -> None:
    """Do what Temporal hands out until `stop` is set; then finish what is under way. Raises StoreUnavailable."""
    client = await connect(address)
    activities = Activities(flow, name, access, telephony, servers)
    with ThreadPoolExecutor(max_workers=4) as threads:
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            identity=name,
            build_id=version("taketwo"),  # else it reads and compiles every loaded module to make one up
            workflows=[CarryOut],
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=[activities.take_step, activities.open_rows, activities.replay_rows],
            activity_executor=threads,
            max_concurrent_activities=concurrency,
            graceful_shutdown_timeout=timedelta(seconds=30),
        )
        async with worker:
            with contextlib.suppress(asyncio.CancelledError):
                await stop.wait()

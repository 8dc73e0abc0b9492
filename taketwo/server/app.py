"""The web application: the receiver, the API and the pages over one store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from taketwo.compare.severity import TABLE, Weight
from taketwo.errors import TakeTwoError
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.server import assets
from taketwo.server.access import Access, Keys, only_project
from taketwo.server.api import door
from taketwo.server.captures import Captures
from taketwo.server.compat import Compat
from taketwo.server.dispatch import BesideTheServer, Intake, InThreads
from taketwo.server.expiry import expire_regularly
from taketwo.server.fetching import Fetching, Sources
from taketwo.server.flow.alerts import Delivery
from taketwo.server.flow.asking import WITHOUT_MODEL, Asking
from taketwo.server.flow.chats import Chats
from taketwo.server.flow.embedded import Embedded
from taketwo.server.flow.shelf import Flow
from taketwo.server.guard import Guard
from taketwo.server.health import Health
from taketwo.server.limits import Limits
from taketwo.server.login import Login
from taketwo.server.logs import LogForm
from taketwo.server.metrics import Figures, Measured, Metrics, Scraped
from taketwo.server.own_spans import OwnSpans
from taketwo.server.pages.conversations import Conversations
from taketwo.server.pages.executions import Executions
from taketwo.server.pages.feedback import GivenFeedback
from taketwo.server.pages.keeping import Keeping
from taketwo.server.pages.lists import Lists
from taketwo.server.pages.over_time import OverTime
from taketwo.server.pages.replays import Replays
from taketwo.server.pages.rows import Rows
from taketwo.server.pages.scenarios import Scenarios
from taketwo.server.pages.settings import Settings
from taketwo.server.pages.start import Start
from taketwo.server.pages.suites import Suites
from taketwo.server.problems import tell, tell_fault, tell_http
from taketwo.server.receiver import Receiver
from taketwo.server.recordings import SentRecordings
from taketwo.server.room import Room
from taketwo.server.tracing import Traced
from taketwo.server.unfinished import Unfinished
from taketwo.server.webhooks import Webhooks, WebhookSecrets
from taketwo.store import Store
from taketwo.store.addresses import is_shared
from taketwo.store.scoped import ScopedStore
from taketwo.voice.calling import Telephony

if TYPE_CHECKING:
    from taketwo.server.otlp_grpc import GrpcDoor

TOLD = {TakeTwoError: tell, HTTPException: tell_http, Exception: tell_fault}
"""How what goes wrong is answered."""

FINISH_WITHIN_S = 30
"""How long requests that are under way may take when the server is told to stop."""


class Telling(NamedTuple):
    """What the server tells about itself, beside its figures."""

    logs: LogForm = LogForm()
    """How lines of logs are written."""
    spans: OwnSpans = OwnSpans()
    """Where its spans go."""


class Means(NamedTuple):
    """What a server has from its settings for what it does by itself."""

    access: Mapping[str, Any] = {}
    """Keys and endpoints of agents that it replays against, as `open_agent` takes them."""
    telephony: Telephony = Telephony()
    """How agents are called, and what calls cost."""
    agent_hosts: AgentHosts | None = None
    """Agents in its own network that it may ask where it needs keys, as others say there whom to ask; None for any."""
    delivery: Delivery = Delivery()
    """How alerts leave."""
    webhooks: WebhookSecrets = WebhookSecrets()
    """What voice platforms must show that send calls."""
    sources: Sources = Sources()
    """Where the recordings of calls may be fetched from."""
    severities: Mapping[str, Weight] = TABLE
    """How grave differences are, where run tests are judged."""
    asking: Asking = WITHOUT_MODEL
    """Who asks the language model for judges and invented situations."""
    executor: Embedded | None = None
    """Who carries out what outlives a request; this process when there is none."""


def create_app(
    store: Store,
    *,
    limits: Limits = Limits(),  # noqa: B008  # a value, never changed
    grpc_door: GrpcDoor | None = None,
    keys_required: bool = False,
    means: Means = Means(),  # noqa: B008  # a value, never changed
    draining: threading.Event | None = None,
    telling: Telling = Telling(),  # noqa: B008  # a value, never changed
) -> Starlette:
    """The application; the process that writes to the store runs as long as it does, and so does the door for gRPC.

    A request that shows a key of one project sees nothing else, and with `keys_required` every request must show one.
    draining: set as soon as the server is told to stop, and from then on it says that it is not ready.
    telling: what it tells about itself.
    """
    keys = Keys(store, required=keys_required)
    store.hurry(limits.reading_s)
    hosts = means.agent_hosts if keys_required else None
    executor = means.executor or Embedded(
        {**means.access, "hosts": hosts}, telephony=means.telephony, delivery=means.delivery
    )
    store, whole_store = ScopedStore(store, only_project), store
    flow = Flow(store, executor, severities=means.severities, asking=means.asking)
    chats = Chats(flow)
    room, metrics = Room(limits), Metrics()
    metrics.registry.register(Figures(Flow(whole_store), room))
    intake, fetching = _intake(store, limits, telling.logs), Fetching(whole_store, means.sources)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        replayed = flow._replace(store=whole_store)
        async with _receiving(intake, grpc_door, room, keys, metrics) as tasks:
            expiry = tasks.create_task(expire_regularly(flow))
            fetching.start()
            async with _replaying(tasks, executor, replayed, chats, telling.spans):
                yield
            expiry.cancel()
            await asyncio.to_thread(fetching.close)

    routes = [
        *Receiver(intake, limits, room, metrics).routes(),
        *Health(whole_store, intake, limits, draining or threading.Event()).routes(),
        *Scraped(metrics).routes(),
        *Webhooks(whole_store, means.webhooks, fetching, body_bytes=limits.body_bytes).routes(),
        *Login(keys).routes(),
        assets.route(),
        *Captures(store).routes(),
        *SentRecordings(flow, limits).routes(),
        *door.routes(flow, body_bytes=limits.body_bytes),
        *Compat(flow, chats).routes(),
        *_pages(store, flow, metrics),
    ]
    around = _around(metrics, keys, telling.spans)
    return Starlette(routes=routes, middleware=around, exception_handlers=TOLD, lifespan=running)


def _around(metrics: Metrics, keys: Keys, spans: OwnSpans) -> list[Middleware]:
    """What every request goes through, the outermost first."""
    return [
        Middleware(Measured, metrics=metrics),
        Middleware(Unfinished),
        Middleware(Traced, spans=spans),
        Middleware(Guard, any_name=keys.required),
        Middleware(Access, keys=keys),
    ]


def _intake(store: Store, limits: Limits, logs: LogForm) -> Intake:
    """A process of its own where that can open the store too."""
    if is_shared(store.url):
        return BesideTheServer(store.url, limits, logs)
    return InThreads(store, limits)


@asynccontextmanager
async def _receiving(
    intake: Intake, grpc_door: GrpcDoor | None, room: Room, keys: Keys, metrics: Metrics
) -> AsyncIterator[asyncio.TaskGroup]:
    """Have somebody work on what comes in, and let it in by gRPC, until the end of the block."""
    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(intake.run(started))
        await started.wait()
        if grpc_door is not None:
            await grpc_door.open(intake, room, tasks, keys, metrics)
        yield tasks
        if grpc_door is not None:
            await grpc_door.close(FINISH_WITHIN_S)
        work.cancel()


@asynccontextmanager
async def _replaying(
    tasks: asyncio.TaskGroup, executor: Embedded, flow: Flow, chats: Chats, spans: OwnSpans
) -> AsyncIterator[None]:
    """Work on what outlives a request, until the end of the block."""
    await asyncio.to_thread(executor.start, flow, spans)
    looking_after = tasks.create_task(chats.look_after())
    yield
    looking_after.cancel()
    await asyncio.to_thread(executor.close)
    await asyncio.to_thread(spans.close)


def _pages(store: Store, flow: Flow, metrics: Metrics) -> list[BaseRoute]:
    """What people look at."""
    return [
        *Lists(store).routes(),
        *OverTime(store).routes(),
        *Conversations(store).routes(),
        *GivenFeedback(store).routes(),
        *Keeping(store).routes(),
        *Start(store, only_project).routes(),
        *Replays(flow).routes(),
        *Suites(flow).routes(),
        *Executions(flow).routes(),
        *Rows(flow).routes(),
        *Scenarios(flow).routes(),
        *Settings(flow, metrics.acknowledged, metrics.rejected, metrics.lately, only_project).routes(),
    ]

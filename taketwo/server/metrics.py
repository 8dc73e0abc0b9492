"""Figures of the server for Prometheus: what came in, how fast it was answered, what is going on."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taketwo.errors import NotAllowed, TakeTwoError
from taketwo.select.filters import parse
from taketwo.server.access import only_project
from taketwo.server.answers import Answer, Signal
from taketwo.server.disk import free_bytes, store_bytes
from taketwo.server.flow.executions import CALLS, EXECUTIONS, OPEN
from taketwo.server.flow.run_tests import RUN_TESTS
from taketwo.server.flow.shelf import Flow
from taketwo.server.lately import Lately
from taketwo.server.logs import FIELDS
from taketwo.server.room import Room

Transport: TypeAlias = Literal["http", "grpc"]

KNOWN_FOR_S: Final = 10.0
"""How long what the store was asked for is told again: several may scrape."""

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; exporters give up after 10."""

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods that are told apart: a client may send any word as one."""

HOUR_S: Final = 3600

_log = logging.getLogger("taketwo.server.requests")


class Metrics:
    """Counts what happens. No label has more values than the code knows: no project, no session, no address."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.registry = CollectorRegistry()
        self.lately = Lately()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "taketwo_ingest_requests",
            "Requests of senders, by what they were answered; 429 and 503 are sent again.",
            ("signal", "transport", "status"),
            registry=self.registry,
        )
        self._records = Counter(
            "taketwo_ingest_records",
            "Spans and log records that were acknowledged.",
            ("signal",),
            registry=self.registry,
        )
        self._rejected = Counter(
            "taketwo_ingest_rejected_records",
            "Spans and log records that were refused one by one, in requests that were acknowledged.",
            ("signal",),
            registry=self.registry,
        )
        self._acknowledged = Histogram(
            "taketwo_ingest_seconds",
            "From the head of a request to its acknowledgement, when all of it is on disk.",
            ("signal",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._http = Histogram(
            "taketwo_http_seconds",
            "From the head of a request to the head of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )

    def received(self, signal: Signal, transport: Transport, answer: Answer, seconds: float) -> None:
        """Count the request of a sender."""
        self._requests.labels(signal, transport, str(answer.status)).inc()
        if answer.status == 200:
            self._records.labels(signal).inc(answer.kept)
            self.lately.add(answer.kept)
            self._rejected.labels(signal).inc(answer.rejected)
            self._acknowledged.labels(signal).observe(seconds)

    def acknowledged(self) -> int:
        """Spans and log records that were acknowledged since the start."""
        return _total(self._records)

    def rejected(self) -> int:
        """Spans and log records that were refused one by one since the start."""
        return _total(self._rejected)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count any request over HTTP."""
        known = method if method in METHODS else "other"
        self._http.labels(known, route, f"{status // 100}xx").observe(seconds)


def _total(counter: Counter) -> int:
    """Over all labels."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


class Measured:
    """Wraps an application, counts its answers, and tells the log of them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap that one."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status, seconds = time.perf_counter(), 500, 0.0

        async def counted(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - begin
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            # Addresses hold ids: the route is what they have in common. Whatever fits none is one of them.
            route = getattr(scope.get("route"), "path", "none")
            seconds = seconds or time.perf_counter() - begin
            self._metrics.answered(scope["method"], route, status, seconds)
            if _log.isEnabledFor(logging.INFO):
                # Without what follows the `?`: filters quote what people said.
                told = {"method": scope["method"], "path": scope["path"], "status": status}
                _log.info("answered", extra={FIELDS: {**told, "ms": round(seconds * 1000, 1)}})


class Figures(Collector):
    """What is going on, asked of the store where somebody wishes to know."""

    def __init__(self, flow: Flow, room: Room) -> None:
        """Ask these."""
        self._flow = flow
        self._room = room
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._found: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield _gauge("taketwo_in_flight_requests", "Requests that are received or worked on.", self._room.requests)
        yield _gauge("taketwo_in_flight_bytes", "Bytes of them.", self._room.bytes)
        with self._lock:
            if time.monotonic() - self._asked_at > KNOWN_FOR_S:
                self._found = list(self._ask())
                self._asked_at = time.monotonic()
            yield from self._found

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the store is not to be asked when the server starts."""
        return []

    def _ask(self) -> Iterator[Metric]:
        try:
            of_store = list(self._of_store())
        except TakeTwoError:  # then the store is not up; that it is not stands in the log already
            of_store = [_gauge("taketwo_store_up", "Whether the store answers.", 0)]
        yield from of_store

    def _of_store(self) -> Iterator[Metric]:
        store = self._flow.store
        for name, help, bytes in (
            ("taketwo_store_bytes", "Size of the store's files.", store_bytes(store.url)),
            ("taketwo_store_free_bytes", "What is left on the store's disk.", free_bytes(store.url)),
        ):
            if bytes is not None:
                yield _gauge(name, help, bytes)
        yield _gauge("taketwo_unread_sessions", "Sessions with something that no search finds yet.", self._unread())
        yield _gauge("taketwo_recent_sessions", "Sessions that began within the last hour.", self._recent())
        yield _labelled("taketwo_executions", "Test executions, by state.", "state", self._executions())
        rows = self._open_rows()
        yield _labelled("taketwo_open_rows", "Rows of executions that go on, by state.", "state", rows)
        yield _gauge("taketwo_leases", "Rows that are in the hands of workers.", rows["running"])
        yield _gauge("taketwo_store_up", "Whether the store answers.", 1)

    def _unread(self) -> int:
        return self._flow.store.search.unread()

    def _recent(self) -> int:
        until = self._flow.now()
        since = until - timedelta(seconds=HOUR_S)
        found = self._flow.store.search.timeline(parse(""), since=since, until=until, step_s=HOUR_S)
        return sum(stretch.conversations for stretch in found)

    def _executions(self) -> Tally[str]:
        """Counted by run test, which an index answers; there are far fewer of those."""
        found: Tally[str] = Tally({state: 0 for state in (*OPEN, "completed", "failed", "cancelled")})
        for test in RUN_TESTS.every(self._flow):
            for (state, _), number in EXECUTIONS.counts(self._flow, test.id).items():
                found[state] += number
        return found

    def _open_rows(self) -> Tally[str]:
        found: Tally[str] = Tally({state: 0 for state in OPEN})
        for going_on in OPEN:
            for execution in EXECUTIONS.every(self._flow, state=going_on):
                for (state, _), number in CALLS.counts(self._flow, execution.id).items():
                    found[state] += number
        return Tally({state: found[state] for state in OPEN})


class Scraped:
    """Gives the figures to whoever may look at all projects."""

    def __init__(self, metrics: Metrics) -> None:
        """Give these."""
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """The address."""
        return [Route("/metrics", self.metrics)]

    async def metrics(self, request: Request) -> Response:
        """In the form that the scraper asks for. Raises NotAllowed."""
        if (only := only_project()) is not None:
            raise NotAllowed(f"figures concern all projects, and this key is for project {only!r}")
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await asyncio.to_thread(encode, self._metrics.registry), headers={"content-type": content_type})


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _labelled(name: str, help: str, label: str, values: Tally[str]) -> Metric:
    family = GaugeMetricFamily(name, help, labels=(label,))
    for value, number in sorted(values.items()):
        family.add_metric((value,), number)
    return family

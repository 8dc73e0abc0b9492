"""The real exporters, Python's and JavaScript's, deliver through an overload: what they are told is kept, is kept."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from taketwo.server.limits import Limits
from taketwo.store import open_store

JS = Path(__file__).resolve().parent.parent / "js"

SPANS = 10_000
SPANS_A_TRACE = 10
SENDERS = 4
LOCKED_S = 2.5
"""How long another process writes, so that nothing can be kept: longer than an exporter waits between two attempts."""

EXPORTERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.exporter.otlp.proto.grpc.exporter")
"""Where the Python exporters log."""

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Noting(SpanExporter):
    """Notes what the real exporter says of each batch."""

    def __init__(self, exporter: SpanExporter, acknowledged: Counter[str]) -> None:
        self._exporter = exporter
        self._acknowledged = acknowledged

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._acknowledged.update(f"{span.context.trace_id:032x}" for span in spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def send_from_python(make_exporter: Callable[[], SpanExporter]) -> Counter[str]:
    """Send the spans from several providers at once; gives how many of each trace were acknowledged."""
    counts = [Counter[str]() for _ in range(SENDERS)]

    def send(acknowledged: Counter[str]) -> None:
        provider = TracerProvider(resource=Resource({"service.name": "desk", "taketwo.project": "python"}))
        exporter = Noting(make_exporter(), acknowledged)
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=SPANS))
        tracer = provider.get_tracer("test")
        for _ in range(SPANS // SENDERS // SPANS_A_TRACE):
            with tracer.start_as_current_span("turn", attributes={"session.id": "python", "note": "x" * 300}) as root:
                for _ in range(SPANS_A_TRACE - 1):
                    inside = trace.set_span_in_context(root)
                    tracer.start_span("step", inside, attributes={"note": "x" * 300}).end()
        assert provider.force_flush(60_000)
        provider.shutdown()

    with ThreadPoolExecutor(SENDERS) as threads:
        list(threads.map(send, counts))
    return sum(counts, Counter())


@contextmanager
def overload(store: Path, address: str) -> Iterator[None]:
    """Somebody else's write lock, from before the block until the server has turned requests away for a while."""
    with sqlite3.connect(store, isolation_level=None) as other, ThreadPoolExecutor(1) as threads:
        other.execute("BEGIN IMMEDIATE")
        done = threads.submit(_until_turned_away, address)
        yield
        done.result()
        time.sleep(LOCKED_S)
        other.execute("ROLLBACK")
    other.close()


def _until_turned_away(address: str) -> None:
    """Ask with so little patience that the answer comes at once."""
    until = time.monotonic() + 120
    with grpc.insecure_channel(address) as channel:
        while True:
            try:
                channel.unary_unary(EXPORT)(b"", timeout=2)
            except grpc.RpcError as error:
                assert isinstance(error, grpc.Call)
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return
            assert time.monotonic() < until, "the server was never too busy"
            time.sleep(0.02)


def traces_url(both: Any) -> str:
    return f"{str(both.http.base_url).rstrip('/')}/v1/traces"


def hold_against_the_store(url: str, acknowledged: dict[str, int]) -> None:
    """Every span was acknowledged, and every one of them is there."""
    assert sum(acknowledged.values()) == SPANS
    store = open_store(url)
    there = {found.id: found.spans for found in store.traces()}
    store.close()
    assert there == acknowledged


@pytest.fixture
def turned_away() -> Iterator[list[str]]:
    """What the exporters say of being turned away, before they leave repetitions out of their log."""
    said: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.msg.startswith("Transient error"):
            said.append(record.getMessage())
        return True

    loggers = [logging.getLogger(name) for name in EXPORTERS]
    for logger in loggers:
        logger.filters.insert(0, note)
    yield said
    for logger in loggers:
        logger.removeFilter(note)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "compression"), [("http", "none"), ("http", "gzip"), ("grpc", "none"), ("grpc", "gzip")]
)
def test_python_delivers_through_an_overload(
    serving_both, tmp_path: Path, turned_away: list[str], protocol: str, compression: str
) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    with serving_both(store, Limits(requests_in_flight=2, waiting_s=0.5)) as both:

        def exporter() -> SpanExporter:
            if protocol == "http":
                return HttpSpanExporter(traces_url(both), compression=Compression(compression), timeout=60)
            packing = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
            return GrpcSpanExporter(f"http://{both.grpc}", insecure=True, compression=packing, timeout=60)

        with ThreadPoolExecutor(1) as threads:
            with overload(path, both.grpc):
                sending = threads.submit(send_from_python, exporter)
            acknowledged = sending.result()
    store.close()
    assert turned_away
    hold_against_the_store(store.url, acknowledged)


@pytest.fixture(scope="module")
def js_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the JavaScript exporters, as npm installs them."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed, so the JavaScript exporters cannot be tried")
    folder = tmp_path_factory.mktemp("js")
    for file in ("package.json", "package-lock.json", "send.cjs"):
        shutil.copy(JS / file, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


def send_from_javascript(folder: Path, kind: str, url: str, compression: str) -> dict[str, Any]:
    """What `send.cjs` prints."""
    command = ["node", "send.cjs", kind, url, str(SPANS), compression]
    sent = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert sent.returncode == 0, sent.stderr
    said: dict[str, Any] = json.loads(sent.stdout)
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "compression"), [("http", "none"), ("http", "gzip"), ("proto", "gzip"), ("grpc", "none"), ("grpc", "gzip")]
)
def test_javascript_delivers_through_an_overload(
    js_folder: Path, serving_both, tmp_path: Path, kind: str, compression: str
) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    # Over gRPC it never sends again what was refused, so there it is the server that has to have patience.
    limits = Limits(requests_in_flight=2, waiting_s=5 if kind == "grpc" else 0.8)
    with serving_both(store, limits) as both, ThreadPoolExecutor(1) as threads:
        url = f"http://{both.grpc}" if kind == "grpc" else traces_url(both)
        with overload(path, both.grpc):
            sending: Future[dict[str, Any]] = threads.submit(send_from_javascript, js_folder, kind, url, compression)
        said = sending.result()
    store.close()
    assert said["failures"] == []
    assert (said["retries"] > 0) == (kind != "grpc")
    hold_against_the_store(store.url, said["acknowledged"])

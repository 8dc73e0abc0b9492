"""OTLP/gRPC: the same spans, the same rules and the same patience as over HTTP, told in gRPC's own way."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_spans import chat_span, log_request, trace_request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from taketwo.errors import StoreUnavailable
from taketwo.server.limits import Limits
from taketwo.server.otlp_grpc import GrpcDoor
from taketwo.store import Store, open_store

ServingBoth: TypeAlias = Callable[..., AbstractContextManager[Any]]

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
LIMITS = Limits(body_bytes=100_000, bytes_in_flight=300_000, retry_after_s=7, waiting_s=1.0)


class Refused(Exception):
    """What a sender is told."""

    def __init__(self, error: grpc.RpcError) -> None:
        assert isinstance(error, grpc.Call)
        self.code = error.code()
        self.trailers = dict(error.trailing_metadata() or ())
        super().__init__(f"{self.code}: {error.details()}")

    @property
    def retry_after_s(self) -> int | None:
        """The RetryInfo, as the specification has it sent; checked against the other place where it is looked for."""
        status = Status.FromString(self.trailers["grpc-status-details-bin"])
        found = None
        for detail in status.details:
            info = RetryInfo()
            assert detail.Unpack(info)
            found = info.retry_delay.seconds
            assert RetryInfo.FromString(self.trailers["google.rpc.retryinfo-bin"]) == info
        assert (found is None) == ("google.rpc.retryinfo-bin" not in self.trailers)
        return found


@contextmanager
def sender(address: str) -> Iterator[Callable[..., bytes]]:
    """Sends one message as bytes and gives the answer as bytes."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:

        def send(body: bytes, method: str = TRACES, *, timeout: float | None = 120, **more: Any) -> bytes:
            try:
                return channel.unary_unary(method)(body, timeout=timeout, **more)
            except grpc.RpcError as error:
                raise Refused(error) from error

        yield send


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def receiving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, serving_both: ServingBoth
) -> Iterator[tuple[Callable[..., bytes], Store]]:
    folder: Path = tmp_path_factory.mktemp("store")
    store = open_store("memory:" if request.param == "memory" else f"sqlite:///{folder}/store.sqlite3")
    with serving_both(store, LIMITS) as both, sender(both.grpc) as send:
        yield send, store
    store.close()


@pytest.fixture
def send(receiving: tuple[Callable[..., bytes], Store]) -> Callable[..., bytes]:
    return receiving[0]


@pytest.fixture
def store(receiving: tuple[Callable[..., bytes], Store]) -> Store:
    return receiving[1]


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_spans_come_in_compressed_or_not(send, store: Store, compression: grpc.Compression) -> None:
    body = trace_request(chat_span(31 + compression.value, 1, session=f"by {compression.name}", padding="x" * 9_000))
    assert send(body, compression=compression) == b""
    assert len(store.raw_spans(f"by {compression.name}")) == 1


def test_log_records_join_their_spans(send, store: Store) -> None:
    send(trace_request(chat_span(41, 1, session="with a log")))
    assert send(log_request((41, 1, "hello")), LOGS) == b""
    assert len(store.raw_logs("with a log")) == 1


def test_a_request_without_spans_is_a_success(send) -> None:
    assert send(b"") == send(b"", LOGS) == send(trace_request()) == b""


@pytest.mark.parametrize(
    ("metadata", "resource", "project"),
    [
        ({"x-taketwo-project": "by key"}, {"taketwo.project": "by resource"}, "by key"),
        ({"x-project-name": "by other key"}, {}, "by other key"),
        ({"x-taketwo-project": " "}, {"openinference.project.name": "by resource"}, "by resource"),
        ({"x-odd-bin": b"\xff"}, {"service.name": "desk"}, "default"),
    ],
)
def test_the_project_comes_from_the_metadata_else_from_the_resource(
    send, store: Store, metadata: dict[str, str | bytes], resource: dict[str, str], project: str
) -> None:
    body = trace_request(chat_span(42, 1, session=f"in {project}"), resource=resource)
    send(body, metadata=tuple(metadata.items()))
    assert len(store.raw_spans(f"in {project}", project)) == 1


def test_what_breaks_a_rule_is_refused_alone_and_the_rule_is_named(send, store: Store) -> None:
    broken = [chat_span(43, span, session="partly") for span in range(2, 12)]
    for span in broken:
        span.span_id = span.span_id[-3:]
    answer = ExportTraceServiceResponse.FromString(send(trace_request(*broken, chat_span(43, 1, session="partly"))))
    assert answer.partial_success.rejected_spans == 10
    assert answer.partial_success.error_message.count("the span id has 3 bytes, not 8") == 10
    assert len(store.raw_spans("partly")) == 1
    logs = ExportLogsServiceResponse.FromString(send(log_request((0, 0, "of no trace")), LOGS))
    assert logs.partial_success.rejected_log_records == 1


@pytest.mark.parametrize(
    ("body", "method", "code", "words"),
    [
        (b"\xff\xff\xff", TRACES, grpc.StatusCode.INVALID_ARGUMENT, "no OTLP trace request"),
        (b"\xff\xff\xff", LOGS, grpc.StatusCode.INVALID_ARGUMENT, "no OTLP log request"),
        (log_request((1, 1, "log")), TRACES, grpc.StatusCode.INVALID_ARGUMENT, "look like log records"),
        (trace_request(chat_span(1, 1)), LOGS, grpc.StatusCode.INVALID_ARGUMENT, "look like spans"),
        (b"", METRICS, grpc.StatusCode.UNIMPLEMENTED, "OTEL_METRICS_EXPORTER=none"),
    ],
)
def test_what_can_never_be_taken_is_refused_for_good(
    send, body: bytes, method: str, code: grpc.StatusCode, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        send(body, method)
    assert (refused.value.code, refused.value.retry_after_s) == (code, None)
    status = Status.FromString(refused.value.trailers["grpc-status-details-bin"])
    assert (status.code, words in status.message) == (code.value[0], True)


def test_a_method_that_nobody_knows_is_unimplemented(send) -> None:
    with pytest.raises(Refused) as refused:
        send(b"", "/some.Service/Method")
    assert refused.value.code == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@pytest.mark.parametrize("size", [100_001, 50_000_000])
def test_a_message_over_the_limit_is_refused_for_good(send, compression: grpc.Compression, size: int) -> None:
    with pytest.raises(Refused) as refused:
        send(b"\x00" * size, compression=compression)
    assert refused.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in refused.value.trailers
    assert send(b"") == b""


def test_a_request_without_a_message_is_refused_and_one_that_stays_away_keeps_nobody_waiting(
    tmp_path: Path, serving_both: ServingBoth
) -> None:
    with (
        serving_both(open_store("memory:"), LIMITS) as both,
        sender(both.grpc) as send,
        grpc.insecure_channel(both.grpc) as channel,
    ):
        stream = channel.stream_unary(TRACES)
        with pytest.raises(grpc.RpcError) as error:
            stream(iter(()), timeout=60)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        released = threading.Event()

        def late() -> Iterator[bytes]:
            released.wait()
            yield b""

        waiting = [stream.future(late(), timeout=120) for _ in range(2)]
        assert send(b"") == b""
        released.set()
        assert [one.result() for one in waiting] == [b"", b""]


def test_too_much_at_once_waits_a_while_and_is_then_told_when_to_come_back(
    tmp_path: Path, serving_both: ServingBoth
) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    with (
        serving_both(store, LIMITS.but(requests_in_flight=1, waiting_s=30)) as both,
        sender(both.grpc) as send,
        ThreadPoolExecutor() as threads,
        sqlite3.connect(path, isolation_level=None) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        first = threads.submit(send, trace_request(chat_span(51, 1)))
        while "\ntaketwo_in_flight_requests 1.0\n" not in both.http.get("/metrics").text:
            assert not first.done()
        begin = time.monotonic()
        with pytest.raises(Refused, match="too much") as refused:
            send(trace_request(chat_span(51, 2)), timeout=6)
        assert time.monotonic() - begin > 2.9  # half of what the sender would wait
        assert (refused.value.code, refused.value.retry_after_s) == (grpc.StatusCode.UNAVAILABLE, 7)
        patient = threads.submit(send, trace_request(chat_span(51, 3)))
        by_http = {"content-type": "application/x-protobuf"}
        patient_too = threads.submit(both.http.post, "/v1/traces", content=b"", headers=by_http)
        time.sleep(0.3)
        assert not patient_too.done() and not first.done() and not patient.done()
        other.execute("ROLLBACK")
        assert first.result() == patient.result() == b""
        assert patient_too.result().status_code == 200
    assert [trace.spans for trace in store.traces()] == [2]
    store.close()


def test_a_sender_that_stops_waiting_gives_its_room_back_when_its_spans_are_done_with(
    tmp_path: Path, serving_both: ServingBoth
) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    with (
        serving_both(store, LIMITS.but(requests_in_flight=1, waiting_s=0.2)) as both,
        sender(both.grpc) as send,
        grpc.insecure_channel(both.grpc) as channel,
        sqlite3.connect(path, isolation_level=None) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        impatient = channel.unary_unary(TRACES).future(trace_request(chat_span(52, 1)), timeout=120)
        while "\ntaketwo_in_flight_requests 1.0\n" not in both.http.get("/metrics").text:
            assert not impatient.done()
        assert impatient.cancel()
        with pytest.raises(Refused, match="too much"):
            send(b"")
        other.execute("ROLLBACK")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(Refused):
                assert send(trace_request(chat_span(52, 2))) == b""
                break
        else:
            pytest.fail("the room was not given back")
    store.close()


def test_two_servers_never_share_a_port(serving_both: ServingBoth) -> None:
    with serving_both(open_store("memory:")) as both:
        port = int(both.grpc.rpartition(":")[2])

        async def bind() -> None:
            GrpcDoor("127.0.0.1", port, LIMITS).bind()

        with pytest.raises(StoreUnavailable, match=str(port)):
            asyncio.run(bind())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), method=st.sampled_from([TRACES, LOGS]), cut=st.integers(0, 600))
def test_no_bytes_at_all_bring_it_down(send, body: bytes, method: str, cut: int) -> None:
    whole = trace_request(chat_span(61, 1)) if method == TRACES else log_request((61, 1, "log"))
    for sent in (body, whole[:cut] + body, body + whole[cut:]):
        try:
            send(sent, method)
        except Refused as refused:
            assert refused.code == grpc.StatusCode.INVALID_ARGUMENT, refused
    assert send(b"") == b""

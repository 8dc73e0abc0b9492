"""The OTLP/HTTP receiver: every form of request, and every form of error."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
import uvicorn
import zstandard
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from made_spans import PROTOBUF, chat_span, log_request, trace_request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from taketwo.server.app import create_app
from taketwo.server.limits import Limits
from taketwo.server.receiver import PREFIXES
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]

JSON_TYPE = "application/json"
LIMITS = Limits(body_bytes=100_000, bytes_in_flight=300_000, retry_after_s=7, waiting_s=0.2)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def receiving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, serving: Serving
) -> Iterator[tuple[httpx.Client, Store]]:
    folder: Path = tmp_path_factory.mktemp("store")
    store = open_store("memory:" if request.param == "memory" else f"sqlite:///{folder}/store.sqlite3")
    with serving(store, LIMITS) as client:
        yield client, store
    store.close()


@pytest.fixture
def client(receiving: tuple[httpx.Client, Store]) -> httpx.Client:
    return receiving[0]


@pytest.fixture
def store(receiving: tuple[httpx.Client, Store]) -> Store:
    return receiving[1]


def as_json(body: bytes) -> bytes:
    """The same request as OTLP/JSON: protobuf's mapping, with ids in hex."""
    request = ExportTraceServiceRequest.FromString(body)
    document = MessageToDict(request, use_integers_for_enums=True)
    for around, raw_around in zip(document["resourceSpans"], request.resource_spans, strict=True):
        for scope, raw_scope in zip(around["scopeSpans"], raw_around.scope_spans, strict=True):
            for span, raw in zip(scope["spans"], raw_scope.spans, strict=True):
                span["traceId"], span["spanId"] = raw.trace_id.hex().upper(), raw.span_id.hex()
    return json.dumps(document).encode()


def test_protobuf_and_json_are_the_same_spans(client: httpx.Client, store: Store) -> None:
    body = trace_request(chat_span(11, 1, session="both-ways"))
    first = client.post("/v1/traces", content=body, headers={"content-type": f"{PROTOBUF}; charset=utf-8"})
    assert (first.status_code, first.content, first.headers["content-type"]) == (200, b"", PROTOBUF)
    again = client.post(
        "/v1/traces", content=as_json(body), headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert (again.status_code, again.json(), again.headers["content-type"]) == (200, {}, JSON_TYPE)
    assert len(store.raw_spans("both-ways")) == 1


@pytest.mark.parametrize(
    ("encoding", "squeeze"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("identity", bytes),
        ("GZIP", gzip.compress),
    ],
)
def test_compressed_bodies_are_read(client: httpx.Client, store: Store, encoding: str, squeeze: object) -> None:
    assert callable(squeeze)
    trace = 100 + len(list(store.traces()))
    body = squeeze(trace_request(chat_span(trace, 1, session=f"squeezed-{encoding}")))
    answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, "content-encoding": encoding})
    assert answer.status_code == 200
    assert len(store.raw_spans(f"squeezed-{encoding}")) == 1


@pytest.mark.parametrize("prefix", PREFIXES)
def test_senders_of_other_products_find_their_address(client: httpx.Client, store: Store, prefix: str) -> None:
    session = f"from {prefix or 'plain'}"
    body = trace_request(chat_span(13 + len(prefix), 1, session=session))
    assert client.post(f"{prefix}/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
    body = log_request((13 + len(prefix), 1, "hello"))
    assert client.post(f"{prefix}/v1/logs", content=body, headers={"content-type": PROTOBUF}).status_code == 200
    assert len(store.raw_logs(session)) == 1


def test_a_body_may_come_in_pieces_of_unknown_length(client: httpx.Client, store: Store) -> None:
    body = trace_request(chat_span(14, 1, session="piecewise"))
    pieces = (body[at : at + 100] for at in range(0, len(body), 100))
    assert client.post("/v1/traces", content=pieces, headers={"content-type": PROTOBUF}).status_code == 200
    assert len(store.raw_spans("piecewise")) == 1


def test_an_empty_request_is_a_success(client: httpx.Client) -> None:
    assert client.post("/v1/traces", content=b"", headers={"content-type": PROTOBUF}).status_code == 200
    assert client.post("/v1/logs", content=b"{}", headers={"content-type": JSON_TYPE}).json() == {}


@pytest.mark.parametrize(
    ("headers", "resource", "project"),
    [
        ({"x-taketwo-project": "by header"}, {"taketwo.project": "by resource"}, "by header"),
        ({"x-project-name": "by other header"}, {}, "by other header"),
        ({"x-taketwo-project": ""}, {"openinference.project.name": "by resource"}, "by resource"),
        ({}, {"taketwo.project": "by our own name"}, "by our own name"),
        ({}, {"service.name": "desk"}, "default"),
    ],
)
def test_the_project_comes_from_a_header_else_from_the_resource(
    client: httpx.Client, store: Store, headers: dict[str, str], resource: dict[str, str], project: str
) -> None:
    session = f"in {project}"
    body = trace_request(chat_span(15, 1, session=session), resource=resource)
    assert client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, **headers}).status_code == 200
    assert len(store.raw_spans(session, project)) == 1


def test_what_breaks_a_rule_is_refused_alone_and_the_rule_is_named(client: httpx.Client, store: Store) -> None:
    broken = chat_span(16, 1, session="partly")
    broken.span_id = b"123"
    body = trace_request(broken, chat_span(16, 2, session="partly"))
    answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "span id has 3 bytes, not 8" in partial.error_message
    assert len(store.raw_spans("partly")) == 1


def test_log_records_without_a_trace_are_counted_as_refused(client: httpx.Client) -> None:
    body = log_request((0, 0, "server started"), (17, 1, "of a trace"))
    answer = client.post("/v1/logs", content=body, headers={"content-type": PROTOBUF})
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_log_records) == (200, 1)
    assert "belongs to no trace" in partial.error_message


@pytest.mark.parametrize(
    ("status", "body", "headers", "word"),
    [
        (400, b"\xff\xff\xff", {}, "no OTLP"),
        (400, b"{", {"content-type": JSON_TYPE}, ""),
        (400, b"[]", {"content-type": JSON_TYPE}, ""),
        (400, b"not gzip", {"content-encoding": "gzip"}, "gzip"),
        (400, gzip.compress(b"x" * 100, mtime=0)[:-10], {"content-encoding": "gzip"}, "cut off"),
        (400, b"x", {"content-encoding": "br"}, "encoding"),
        (400, log_request((1, 1, "a log record")), {}, "/v1/logs"),
        (413, b"x" * 100_001, {}, "larger than"),
        (413, gzip.compress(b"\x00" * 10_000_000, mtime=0), {"content-encoding": "gzip"}, "larger than"),
        (413, zstandard.compress(b"\x00" * 10_000_000), {"content-encoding": "zstd"}, "larger than"),
        (415, b"hello", {"content-type": "text/plain"}, "text/plain"),
        (415, b"hello", {"content-type": ""}, "content type"),
    ],
)
def test_every_error_is_a_status_in_the_encoding_of_the_request(
    client: httpx.Client, status: int, body: bytes, headers: dict[str, str], word: str
) -> None:
    answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, **headers})
    assert answer.status_code == status
    if answer.headers["content-type"] == PROTOBUF:
        message = Status.FromString(answer.content).message
    else:
        message = answer.json()["message"]
    assert word in message
    assert "retry-after" not in answer.headers


def test_a_body_longer_than_the_limit_is_refused_while_it_comes(client: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 10_000
            yield b"x" * 10_000

    answer = client.post("/v1/traces", content=endless(), headers={"content-type": PROTOBUF})
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_taken(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/v1/traces", headers={"content-type": PROTOBUF})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert Status.FromString(answer.content).code == 12


@pytest.mark.parametrize(("path", "words"), [("metrics", "OTEL_METRICS_EXPORTER=none"), ("profiles", "no profiles")])
def test_signals_that_are_not_kept_are_refused_for_good_with_the_reason(
    client: httpx.Client, path: str, words: str
) -> None:
    address = f"/v1development/{path}" if path == "profiles" else f"/v1/{path}"
    binary = client.post(address, content=b"", headers={"content-type": PROTOBUF})
    assert (binary.status_code, Status.FromString(binary.content).code) == (404, 12)
    assert words in Status.FromString(binary.content).message
    assert words in client.post(address, content=b"{}", headers={"content-type": JSON_TYPE}).json()["message"]
    assert client.get(address).status_code == 405


def test_names_in_snake_case_and_members_that_are_null_are_read_all_the_same(
    client: httpx.Client, store: Store
) -> None:
    span = {
        "trace_id": f"{22:032x}",
        "span_id": f"{1:016x}",
        "name": "chat",
        "parent_span_id": None,
        "start_time_unix_nano": 1795000000000000000,
        "attributes": [{"key": "session.id", "value": {"string_value": "snake", "int_value": None}}],
    }
    body = {"resource_spans": [{"resource": None, "scope_spans": [{"spans": [span]}]}, {"scope_spans": []}]}
    answer = client.post("/v1/traces", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    assert len(store.raw_spans("snake")) == 1


def test_too_much_at_once_is_sent_away_with_a_time_to_come_back(tmp_path: Path, serving: Serving) -> None:
    small = LIMITS.but(bytes_in_flight=1_000)
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    with serving(store, small) as client:
        body = trace_request(chat_span(18, 1, padding="x" * 2_000))
        answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        assert Status.FromString(answer.content).code == 14
        little = trace_request(chat_span(18, 1, session="little", said=["x"]))
        assert client.post("/v1/traces", content=little, headers={"content-type": PROTOBUF}).status_code == 200
    store.close()


def test_a_sender_that_goes_away_leaves_no_trace_and_gives_its_room_back(tmp_path: Path, serving: Serving) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    body = trace_request(chat_span(20, 1, session="whole", padding="x" * 2_000))
    with serving(store, LIMITS.but(bytes_in_flight=5_000)) as client:
        for _ in range(5):
            with socket.create_connection((client.base_url.host, client.base_url.port)) as half:
                head = f"Host: localhost\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 4000\r\n\r\n"
                half.sendall(b"POST /v1/traces HTTP/1.1\r\n" + head.encode() + body[:1_000])
        for _ in range(100):
            answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
            if answer.status_code == 200:
                break
            time.sleep(0.05)
        assert answer.status_code == 200
    assert [row.id for row in store.traces()] == [f"{20:032x}"]
    store.close()


@pytest.mark.parametrize("path", ["/v1/traces", "/api/replay-sessions"])
def test_what_is_under_way_when_the_server_must_end_is_to_be_sent_again(path: str) -> None:
    app = create_app(open_store("memory:"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with socket.create_connection(server.servers[0].sockets[0].getsockname()) as half:
        head = f"Host: localhost\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 4000\r\n\r\n"
        half.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode() + b"x" * 100)
        while not server.server_state.tasks:
            time.sleep(0.01)
        server.should_exit = True
        answer = HTTPResponse(half)
        answer.begin()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        if path == "/v1/traces":
            assert Status.FromString(answer.read()).code == 14
    thread.join()


def test_a_tool_result_of_five_megabytes_comes_through(tmp_path: Path, serving: Serving) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    with serving(store) as client:
        body = trace_request(chat_span(19, 1, session="large", padding="result " * 750_000))
        assert client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
    assert [len(span.body) > 5_000_000 for span in store.raw_spans("large")] == [True]
    store.close()

"""A real server process and the real OpenTelemetry SDK: nothing that was acknowledged is ever lost."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from made_spans import PROTOBUF, chat_span, trace_request
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from taketwo.errors import BadSetting
from taketwo.server.limits import Limits
from taketwo.server.run import GRPC_PORT, serve
from taketwo.store import open_store

KILLS = 10
SENT = {"content-type": PROTOBUF}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def provider(
    address: str, *, compression: Compression = Compression.NoCompression, at_once: bool = False
) -> TracerProvider:
    """The SDK as a user sets it up, and more patient: on a busy machine a server starts again within a minute."""
    exporter = OTLPSpanExporter(endpoint=f"{address}/v1/traces", compression=compression, timeout=120)
    made = TracerProvider(resource=Resource({"service.name": "desk", "taketwo.project": "shop"}))
    made.add_span_processor(SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter))
    return made


def json_request(*traces: int, said: str = "Hello.") -> bytes:
    """A request in JSON with one span for each trace."""
    spans = [
        {
            "traceId": f"{trace:032x}",
            "spanId": f"{trace:016x}",
            "name": "chat",
            "startTimeUnixNano": "1795000000000000000",
            "attributes": [{"key": "text", "value": {"stringValue": said}}],
        }
        for trace in traces
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.com", "", "127.0.0.1.example.com"])
def test_only_this_machine_may_connect_as_long_as_there_are_no_keys(host: str) -> None:
    with pytest.raises(BadSetting, match="no keys yet"):
        serve(open_store("memory:"), host=host, port=0)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_named(port: int) -> None:
    with pytest.raises(BadSetting, match="cannot listen on port"):
        serve(open_store("memory:"), port=port)


@pytest.mark.slow
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_spans_of_the_real_sdk_read_back(server_process, tmp_path: Path, compression: Compression) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    server = server_process(url)
    sdk = provider(server.address, compression=compression)
    tracer = sdk.get_tracer("test")
    for number in range(1_200):
        with (
            tracer.start_as_current_span("turn", attributes={"session.id": f"desk-{number // 100}"}),
            tracer.start_as_current_span("step", attributes={"note": "x" * 500}),
        ):
            pass
    sdk.shutdown()
    store = open_store(url)
    assert store.projects() == ["shop"]
    assert sum(trace.spans for trace in store.traces()) == 2_400
    assert [len(store.raw_spans(f"desk-{number}")) for number in range(12)] == [200] * 12
    store.close()
    assert server.end() == 0


@pytest.mark.slow
def test_what_came_is_read_into_conversations_as_soon_as_it_is_quiet(server_process, tmp_path: Path) -> None:
    server = server_process(f"sqlite:///{tmp_path}/store.sqlite3")
    body = trace_request(*(chat_span(trace, 1, session=f"desk-{trace}") for trace in range(1, 30)))
    answer = httpx.post(f"{server.address}/v1/traces", content=body, headers=SENT, timeout=120)
    assert answer.status_code == 200
    until = time.monotonic() + 120
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        unsettled = "SELECT count(*) FROM conversation WHERE changes > settled"
        while connection.execute(unsettled).fetchone() != (0,):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (29,)


@pytest.mark.slow
def test_a_connection_of_an_exporter_that_sends_every_few_seconds_stays_open(server_process, tmp_path: Path) -> None:
    server = server_process(f"sqlite:///{tmp_path}/store.sqlite3")
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"))
    connection.connect()
    first = connection.sock
    for number in (1, 2):
        connection.request("POST", "/v1/traces", trace_request(chat_span(number, 1)), SENT)
        response = connection.getresponse()
        response.read()
        assert (response.status, connection.sock) == (200, first)
        time.sleep(6 if number == 1 else 0)
    connection.close()
    assert server.end() == 0


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_finishes_what_is_under_way(server_process, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    server = server_process(url)
    body = trace_request(*(chat_span(trace, 1, padding="x" * 2_000) for trace in range(1, 3_000)))
    answers: list[int] = []
    sender = threading.Thread(
        target=lambda: answers.append(
            httpx.post(f"{server.address}/v1/traces", content=body, headers=SENT, timeout=120).status_code
        )
    )
    sender.start()
    wait_for(lambda: answers or under_way(server.address))
    server.process.send_signal(signal.SIGINT)
    sender.join()
    assert server.process.wait(120) == 0
    assert answers == [200]
    store = open_store(url)
    assert sum(trace.spans for trace in store.traces()) == 2_999
    store.close()


@pytest.mark.slow
def test_what_was_acknowledged_in_a_burst_is_in_the_file_itself_as_soon_as_the_server_has_stopped(
    server_process, tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite3"
    server = server_process(f"sqlite:///{path}")
    acknowledged: list[int] = []
    numbers = iter(range(1, 1_000_000))

    def send() -> None:
        with httpx.Client(base_url=server.address, headers=SENT, timeout=60) as client, suppress(httpx.TransportError):
            while True:
                number = next(numbers)
                spans = [chat_span(number, span, padding="x" * 20_000) for span in range(1, 40)]
                if client.post("/v1/traces", content=trace_request(*spans)).status_code == 200:
                    acknowledged.append(number)

    with ThreadPoolExecutor(6) as threads:
        sending = [threads.submit(send) for _ in range(6)]
        while len(acknowledged) < 60:  # more than is stored at once waits in the journal by then
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for one in sending:
            one.result()
    assert server.process.wait(120) == 0
    # Not by opening the store, which would first take over what was left.
    with closing(sqlite3.connect(path)) as file:
        there = {trace.hex(): spans for trace, spans in file.execute("SELECT trace_id, spans FROM trace")}
    assert {number for number in acknowledged if there.get(f"{number:032x}") != 39} == set()
    assert not list(tmp_path.glob("*arrivals*/*.journal"))


@pytest.mark.slow
def test_a_stop_for_the_whole_group_of_processes_finishes_what_is_under_way_over_grpc_too(
    server_process, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    server = server_process(url)
    body = trace_request(*(chat_span(trace, 1, padding="x" * 2_000) for trace in range(1, 3_000)))
    with grpc.insecure_channel(server.grpc) as channel, ThreadPoolExecutor(1) as threads:
        sent = threads.submit(channel.unary_unary(EXPORT), body, timeout=60)
        wait_for(lambda: sent.done() or under_way(server.address))
        for process in (server.process, *psutil.Process(server.process.pid).children()):
            process.send_signal(signal.SIGTERM)
        assert sent.result() == b""
    assert server.process.wait(120) == 0
    store = open_store(url)
    assert sum(trace.spans for trace in store.traces()) == 2_999
    store.close()


@pytest.mark.slow
def test_a_grpc_port_that_is_taken_is_refused_if_it_was_named_and_else_left_out(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.sqlite3"
    with socket.socket() as taken:
        # Whoever has the default port already serves as well.
        with suppress(OSError):
            taken.bind(("127.0.0.1", GRPC_PORT))
            taken.listen()
        with pytest.raises(BadSetting, match=f"--grpc-port: cannot listen on port {GRPC_PORT}: .*in use"):
            serve(open_store("memory:"), port=0, grpc_port=GRPC_PORT)
        said, noted = said_by(["serve", "--port", "0", "--store", store])
    assert "gRPC" not in said and said.startswith("listening on http://127.0.0.1:")
    assert noted.count("\n") == 1 and f"no gRPC: --grpc-port: cannot listen on port {GRPC_PORT}" in noted


@pytest.mark.slow
def test_without_grpcio_http_is_served_alone_and_that_is_said(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.sqlite3"
    said, noted = said_by(["serve", "--port", "0", "--store", store], without="grpc")
    assert "gRPC" not in said and said.startswith("listening on http://127.0.0.1:")
    assert noted == "no gRPC: OTLP/gRPC needs the extra 'grpc' (pip install 'taketwo[grpc]')\n"
    said, noted = said_by(["serve", "--port", "0", "--grpc-port", "0", "--store", store], without="grpc")
    assert said == "" and "pip install 'taketwo[grpc]'" in noted


def said_by(arguments: list[str], *, without: str = "") -> tuple[str, str]:
    """The first line that a command prints, and then all that it complained about until it was stopped."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({without.split()!r})); from taketwo.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        # What it has to complain about follows the two lines that say where it is.
        noted = process.stderr.readline() if said and process.stdout.readline() and "gRPC" not in said else ""
        process.terminate()
        return said, noted + process.communicate(timeout=120)[1]


def wait_for(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def under_way(address: str) -> int:
    """How many requests of senders a server has not answered yet."""
    figures = httpx.get(f"{address.rstrip('/')}/metrics", timeout=60).text
    found = re.search(r"^taketwo_in_flight_requests (\S+)$", figures, re.MULTILINE)
    assert found is not None
    return int(float(found.group(1)))


@pytest.mark.slow
def test_ten_kills_lose_no_acknowledged_span(server_process, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    acknowledged: set[int] = set()
    number = 0
    for kill in range(KILLS):
        server = server_process(url)
        connection = http.client.HTTPConnection(server.address.removeprefix("http://"))
        killer = threading.Timer(0.07 * kill, server.kill)
        try:
            while True:
                number += 1
                spans = [chat_span(number, span, padding="x" * 2_000) for span in range(1, 40)]
                connection.request("POST", "/v1/traces", trace_request(*spans), {"content-type": PROTOBUF})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    acknowledged.add(number)
                    if not killer.is_alive():
                        killer.start()
        except (OSError, http.client.HTTPException):
            killer.join()
        finally:
            connection.close()
    store = open_store(url)
    there = {trace.id: trace.spans for trace in store.traces()}
    assert len(acknowledged) >= KILLS
    assert {number for number in acknowledged if there.get(f"{number:032x}") != 39} == set()
    store.close()
    assert server_process(url).end() == 0


@pytest.mark.slow
def test_a_writing_process_that_dies_is_replaced_and_nothing_acknowledged_is_lost(
    server_process, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    server = server_process(url)
    sdk = provider(server.address, at_once=True)
    tracer = sdk.get_tracer("test")
    for kill in range(3):
        for number in range(20):
            with tracer.start_as_current_span("turn", attributes={"session.id": f"desk-{kill}", "number": number}):
                pass
        (worker,) = psutil.Process(server.process.pid).children()
        worker.kill()
    sdk.shutdown()
    store = open_store(url)
    assert [len(store.raw_spans(f"desk-{kill}")) for kill in range(3)] == [20, 20, 20]
    store.close()


@pytest.mark.slow
def test_an_overloaded_server_sends_the_real_exporter_away_and_it_comes_back(serving, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    with serving(store, Limits(bytes_in_flight=200_000, waiting_s=0.05)) as client:
        address = str(client.base_url).rstrip("/")
        refused = 0

        def count_refusals(stop: threading.Event) -> None:
            nonlocal refused
            body = trace_request(*(chat_span(trace, 1, padding="x" * 2_000) for trace in range(1, 70)))
            # Until the exporter was in a crowd for a while.
            while not (refused > 20 and stop.is_set()):
                answer = httpx.post(f"{address}/v1/traces", content=body, headers=SENT, timeout=120)
                refused += answer.status_code == 503

        stop = threading.Event()
        crowd = [threading.Thread(target=count_refusals, args=(stop,)) for _ in range(6)]
        for one in crowd:
            one.start()
        sdk = provider(address)
        tracer = sdk.get_tracer("test")
        for _ in range(400):
            with tracer.start_as_current_span("turn", attributes={"session.id": "desk", "note": "x" * 200}):
                pass
        threading.Timer(1.5, stop.set).start()
        assert sdk.force_flush(120_000)
        for one in crowd:
            one.join()
        sdk.shutdown()
    assert len(store.raw_spans("desk")) == 400
    store.close()


@pytest.mark.slow
def test_health_is_answered_while_a_body_of_fifty_megabytes_is_taken(server_process, tmp_path: Path) -> None:
    server = server_process(f"sqlite:///{tmp_path}/store.sqlite3")
    body = json_request(*range(1, 23_000), said="word " * 400)
    assert len(body) > 45_000_000
    answers: list[int] = []

    def send() -> None:
        answer = httpx.post(
            f"{server.address}/v1/traces", content=body, headers={"content-type": "application/json"}, timeout=120
        )
        answers.append(answer.status_code)

    sender = threading.Thread(target=send)
    sender.start()
    times, began = [], time.perf_counter()
    with httpx.Client(base_url=server.address, timeout=120) as client:
        while sender.is_alive():
            begin = time.perf_counter()
            assert client.get("/health").json() == {"status": "ok"}
            times.append(time.perf_counter() - begin)
            time.sleep(0.01)
    assert answers == [200]
    # Measured: 1 ms. With the body in the server's own process it was most of the time that the body takes.
    assert sorted(times)[len(times) // 2] < (time.perf_counter() - began) / 5

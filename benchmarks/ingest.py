"""How fast spans get from a sender into the store over OTLP: `python benchmarks/ingest.py [--grpc|--json]`.

A real `taketwo serve` gets requests of spans of more than 2 KB each, built beforehand, over a few connections. A
request counts when it is acknowledged, which means on disk; then it is waited until all of it is stored, and can be
read, and counted. At last the servers end, and some of what they did not read into conversations meanwhile is read.
The sender runs on the same machine and takes part of it. `--store postgresql` starts a PostgreSQL for it, and what that
takes counts as the server's; with `--servers 2` two servers share the store.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from database import postgresql
from google.protobuf.json_format import MessageToDict
from machine import cpu_seconds, describe, percentile, tree_memory_mib
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from taketwo.store import Store, open_store
from taketwo.store.journal import waiting
from taketwo.store.tables import TableStore

Way: TypeAlias = Callable[[Iterator[bytes]], Iterator[float]]
"""Sends bodies, and tells how long each took."""

SPANS_A_REQUEST = 512
SPANS_A_TRACE = 20
STEMS = ("order", "refund", "ship", "parcel", "card", "mail", "agent", "price", "date", "store")
WORDS = [f"{stem}{ending}" for stem in STEMS for ending in "aeioulnrst"]


def build_request(random_numbers: random.Random, spans: int = SPANS_A_REQUEST) -> bytes:
    """An OTLP request of traces of 20 spans, each trace a session of its own."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(_text("service.name", "support-agent"))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "benchmark"
    for begin in range(0, spans, SPANS_A_TRACE):
        scope_spans.spans.extend(_trace(random_numbers, min(SPANS_A_TRACE, spans - begin)))
    return request.SerializeToString()


def _trace(random_numbers: random.Random, spans: int) -> Iterator[Span]:
    trace_id = random_numbers.randbytes(16)
    session = f"session-{trace_id.hex()[:12]}"
    start = time.time_ns()
    root = random_numbers.randbytes(8)
    for position in range(spans):
        span = Span(
            trace_id=trace_id,
            span_id=root if position == 0 else random_numbers.randbytes(8),
            parent_span_id=b"" if position == 0 else root,
            name="chat gpt-4o",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start + position * 1_000_000,
            end_time_unix_nano=start + position * 1_000_000 + 900_000,
        )
        said = [{"role": "user", "content": _words(random_numbers, 66)} for _ in range(3)]
        answer = [{"role": "assistant", "content": _words(random_numbers, 66)}]
        span.attributes.extend(
            [
                _text("gen_ai.operation.name", "chat"),
                _text("gen_ai.request.model", "gpt-4o"),
                _text("gen_ai.conversation.id", session),
                _text("gen_ai.response.id", random_numbers.randbytes(12).hex()),
                KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=random_numbers.randrange(4000))),
                KeyValue(key="gen_ai.usage.output_tokens", value=AnyValue(int_value=random_numbers.randrange(400))),
                _text("gen_ai.input.messages", json.dumps(said)),
                _text("gen_ai.output.messages", json.dumps(answer)),
                _text("user.id", f"user-{random_numbers.randrange(1000)}"),
                _text("server.address", "api.example.com"),
            ]
        )
        yield span


def _words(random_numbers: random.Random, count: int) -> str:
    return " ".join(random_numbers.choices(WORDS, k=count))


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


@contextmanager
def running_server(store: str) -> Iterator[tuple[int, str, str]]:
    """Pid, HTTP address and gRPC address of a `taketwo serve`, as a process of its own."""
    command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--store", store]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout is not None
        words = server.stdout.readline().split()
        try:
            yield server.pid, words[2].removeprefix("http://"), words[4]
        finally:
            server.terminate()


def as_json(body: bytes) -> bytes:
    """The request as OTLP/JSON has it: ids in hex, not in base64."""
    request = MessageToDict(ExportTraceServiceRequest.FromString(body))
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span |= {key: b64decode(span[key]).hex() for key in ("traceId", "spanId", "parentSpanId") if key in span}
    return json.dumps(request).encode()


def by_http(address: str, bodies: Iterator[bytes], content_type: str = "application/x-protobuf") -> Iterator[float]:
    """Send bodies over one connection; gives how long each took in seconds, those sent again after a refusal too."""
    with closing(http.client.HTTPConnection(address)) as connection:
        for body in bodies:
            begin = time.perf_counter()
            while True:
                connection.request("POST", "/v1/traces", body, {"content-type": content_type})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    break
                time.sleep(float(response.headers["retry-after"]))
            yield time.perf_counter() - begin


def by_grpc(address: str, bodies: Iterator[bytes]) -> Iterator[float]:
    """The same over gRPC, where a refusal ends the benchmark."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        export: Any = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        for body in bodies:
            begin = time.perf_counter()
            export(body, timeout=60)
            yield time.perf_counter() - begin


def send(bodies: list[bytes], connections: int, *ways: Way) -> list[float]:
    """Send all bodies over several connections, each in the next of the ways; gives how long each took in seconds."""
    waiting, next_way = iter(bodies), cycle(ways)
    lock = threading.Lock()

    def next_body() -> bytes | None:
        with lock:
            return next(waiting, None)

    with ThreadPoolExecutor(connections) as threads:
        senders = [threads.submit(list, next(next_way)(iter(next_body, None))) for _ in range(connections)]
        return [took for sender in senders for took in sender.result()]


def wait_until_stored(store: Store) -> None:
    """Wait until the store has all that was acknowledged, so that it can be read; to read it is another matter."""
    arrivals = store.arrivals if isinstance(store, TableStore) else None
    until = time.monotonic() + 120
    while arrivals is not None and waiting(arrivals) and time.monotonic() < until:
        time.sleep(0.005)


def read_into_conversations(store: Store, databases: list[int]) -> str:
    """Read and index some of what the servers had no time for, as they do it; tells what that costs."""
    begin = time.process_time() + sum(map(cpu_seconds, databases))
    number = store.settle(300)
    spent = time.process_time() + sum(map(cpu_seconds, databases)) - begin
    return f"read and indexed: {number:,} conversations, {spent / max(1, number) * 1e3:.1f} ms of processor each"


def bytes_of(store: str) -> int:
    """What a store takes, without the log in which a PostgreSQL server first writes everything."""
    if store.startswith("postgresql:"):
        import psycopg

        sizes = "SELECT sum(pg_total_relation_size(relid)) FROM pg_statio_user_tables WHERE schemaname = 'taketwo'"
        with psycopg.connect(store.partition("?")[0]) as connection:
            (size,) = connection.execute(sizes).fetchone() or (0,)
            return int(size)
    folder = Path(store.removeprefix("sqlite:///")).parent
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Build, send, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--spans-a-request", type=int, default=SPANS_A_REQUEST)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--journal", action="store_true", help="with a journal before PostgreSQL, as a file has one")
    parser.add_argument("--servers", type=int, default=1, help="how many servers share the store")
    parser.add_argument("--json", action="store_true", help="send JSON")
    parser.add_argument("--grpc", action="store_true", help="send over gRPC instead of HTTP")
    arguments = parser.parse_args()
    print(describe())
    random_numbers = random.Random(1)
    size = arguments.spans_a_request
    bodies = [build_request(random_numbers, size) for _ in range(-(-arguments.spans // size))]
    spans = len(bodies) * size
    if arguments.json:
        bodies = list(map(as_json, bodies))
    sent = sum(map(len, bodies))
    protocol = "gRPC" if arguments.grpc else "HTTP, as JSON" if arguments.json else "HTTP"
    http_way = partial(by_http, content_type="application/json") if arguments.json else by_http
    print(f"{len(bodies)} requests of {size} spans over {arguments.connections} connections of {protocol}")
    with tempfile.TemporaryDirectory(prefix="taketwo-ingest-") as folder, ExitStack() as running:
        store, databases = f"sqlite:///{folder}/store.sqlite3", list[int]()
        if arguments.store == "postgresql":
            store, database_pid = running.enter_context(postgresql(Path(folder)))
            databases.append(database_pid)
            store += f"?journal={folder}/arrivals" if arguments.journal else ""
        with ExitStack() as serving:
            servers = [serving.enter_context(running_server(store)) for _ in range(arguments.servers)]
            pids = [*databases, *(pid for pid, _, _ in servers)]
            before = sum(map(cpu_seconds, pids))
            begin = time.perf_counter()
            ways = [partial(by_grpc, rpc) if arguments.grpc else partial(http_way, http) for _, http, rpc in servers]
            times = send(bodies, arguments.connections, *ways)
            took, spent = time.perf_counter() - begin, sum(map(cpu_seconds, pids)) - before
            opened = open_store(store)
            wait_until_stored(opened)
            stored, busy = time.perf_counter() - begin, sum(map(cpu_seconds, pids)) - before
            memory = sum(map(tree_memory_mib, pids))
        there, read = opened.search.held().spans, read_into_conversations(opened, databases)
        opened.close()
        on_disk = bytes_of(store)
    print(
        f"acknowledged and on disk: {spans:,} in {took:.2f} s = {spans / took:,.0f} spans/s, "
        f"{spent / spans * 1e6:.1f} µs of processor a span"
    )
    print(
        f"stored, so that they can be read: {there:,} after {stored:.2f} s = {spans / stored:,.0f} spans/s, "
        f"{busy / spans * 1e6:.1f} µs of processor a span; load {os.getloadavg()[0]:.1f}"
    )
    print(read)
    print(f"a request: p50 {percentile(times, 0.5) * 1e3:.0f} ms, p99 {percentile(times, 0.99) * 1e3:.0f} ms")
    print(f"memory of the server: {memory:.0f} MiB; disk: {on_disk / spans:.0f} B a span of {sent / spans:.0f} B")
    if there != spans:
        sys.exit(f"{spans - there} acknowledged spans are missing")


if __name__ == "__main__":
    main()

"""How fast one session is found, fetched and read out of its spans: `python benchmarks/read.py [--spans N]`.

Fills a store with sessions of 50 spans that came over several requests, then asks a store opened by another process for
random ones: once as they lie, reading them out of their spans, and once more when that reading is kept.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import describe, percentile
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from taketwo.capture.otlp import read_spans
from taketwo.span import RawSpan
from taketwo.store import open_store

TRACES_A_SESSION = 5
SPANS_A_TRACE = 10
SPANS_A_SESSION = TRACES_A_SESSION * SPANS_A_TRACE
LINE = "My parcel with the order number A-1042 has not come yet, although it was promised for Tuesday. "

ASKING = """
import sys, time
from taketwo.store import open_store
store = open_store(sys.argv[1])
store.conversation(sys.argv[2])
for name in sys.argv[3:]:
    begin = time.perf_counter()
    conversation = store.conversation(name)
    print(time.perf_counter() - begin, len(conversation.turns))
store.close()
"""


def said_by_default(turn: int, numbers: random.Random) -> str:
    """The same line again and again, with a number at its end."""
    return f"{LINE} {numbers.random()}"


def session(
    name: str,
    start_ns: int,
    numbers: random.Random,
    said: Callable[[int, random.Random], str] = said_by_default,
) -> list[Span]:
    """A talk of five turns: each a trace with an agent span, model calls that repeat the history, and tool calls."""
    spans: list[Span] = []
    history: list[dict[str, object]] = []
    for turn in range(TRACES_A_SESSION):
        history.append(_message("user", said(turn, numbers)))
        spans += _turn(name, start_ns + turn * 60_000_000_000, history, numbers)
    return spans


def _turn(name: str, start_ns: int, history: list[dict[str, object]], numbers: random.Random) -> list[Span]:
    trace, root = numbers.randbytes(16), numbers.randbytes(8)
    spans = [_span(trace, root, b"", "invoke_agent desk", start_ns, {"gen_ai.operation.name": "invoke_agent"})]
    rounds = (SPANS_A_TRACE - 2) // 2
    for number in range(rounds):
        call = {"id": numbers.randbytes(6).hex(), "name": "check_status", "arguments": {"order_id": f"A-{number}"}}
        asked: dict[str, object] = {
            "role": "assistant",
            "parts": [{"type": "tool_call", **call}],
            "finish_reason": "tool_calls",
        }
        at = start_ns + number * 1_000_000_000
        spans.append(_chat(trace, numbers.randbytes(8), root, at, history, asked))
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "check_status"}
        tool |= {"gen_ai.tool.call.id": str(call["id"]), "gen_ai.tool.call.result": "shipped"}
        spans.append(_span(trace, numbers.randbytes(8), root, "execute_tool", at + 500_000_000, tool))
        result = {"type": "tool_call_response", "id": call["id"], "response": "shipped"}
        history += [asked, {"role": "tool", "parts": [result]}]
    answer = _message("assistant", "It was shipped and arrives tomorrow.")
    spans.append(_chat(trace, numbers.randbytes(8), root, start_ns + rounds * 1_000_000_000, history, answer))
    history.append(answer)
    for span in spans:
        span.attributes.append(KeyValue(key="gen_ai.conversation.id", value=AnyValue(string_value=name)))
    return spans


def _chat(
    trace: bytes, id: bytes, parent: bytes, at_ns: int, history: list[dict[str, object]], answer: dict[str, object]
) -> Span:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": json.dumps(history),
        "gen_ai.output.messages": json.dumps([answer]),
    }
    return _span(trace, id, parent, "chat gpt-4o", at_ns, attributes)


def _span(trace: bytes, id: bytes, parent: bytes, name: str, at_ns: int, attributes: dict[str, str]) -> Span:
    span = Span(trace_id=trace, span_id=id, parent_span_id=parent, name=name)
    span.start_time_unix_nano, span.end_time_unix_nano = at_ns, at_ns + 400_000_000
    span.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in attributes.items())
    return span


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def fill(url: str, sessions: int) -> list[str]:
    """Store that many sessions, the turns of twenty of them mixed in each request; gives their names."""
    numbers = random.Random(1)
    names = [f"session-{number:06}" for number in range(sessions)]
    store = open_store(url)
    for begin in range(0, sessions, 20):
        talks = [session(name, (begin + 1) * 10**12, numbers) for name in names[begin : begin + 20]]
        for turn in range(TRACES_A_SESSION):
            some = [span for talk in talks for span in talk[turn * SPANS_A_TRACE : (turn + 1) * SPANS_A_TRACE]]
            store.add_spans("benchmark", _received(some))
    store.close()
    return names


def request(spans: list[Span]) -> bytes:
    """The spans as one request."""
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.extend(spans)
    return made.SerializeToString()


def _received(spans: list[Span]) -> list[RawSpan]:
    return read_spans(request(spans), "application/x-protobuf").spans


def main() -> None:
    """Fill, ask twice, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=300, help="how many are asked for")
    arguments = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory(prefix="taketwo-read-") as folder:
        url = f"sqlite:///{folder}/store.sqlite3"
        begin = time.perf_counter()
        names = fill(url, arguments.spans // SPANS_A_SESSION)
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
        spans = len(names) * SPANS_A_SESSION
        print(f"{spans:,} spans in {len(names):,} sessions, {size:.0f} MiB, in {time.perf_counter() - begin:.0f} s")
        first, *asked = random.Random(2).sample(names, min(arguments.sessions, len(names) - 1) + 1)
        for what in ("read out of 50 spans", "kept from the last time"):
            command = [sys.executable, "-c", ASKING, url, first, *asked]
            lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            times = [float(line.split()[0]) * 1e3 for line in lines]
            assert all(line.split()[1] == str(TRACES_A_SESSION) for line in lines)
            p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
            print(f"a session, {what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(times):.1f} ms")


if __name__ == "__main__":
    main()

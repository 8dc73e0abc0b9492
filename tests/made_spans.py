"""Spans and log records made by hand, as a sender would send them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from taketwo.capture.otlp import read_logs, read_spans
from taketwo.span import RawLog, RawSpan
from taketwo.store.chunks import LARGE_BYTES

PROTOBUF = "application/x-protobuf"
START_NS = 1_795_000_000_000_000_000


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def chat_span(
    trace: int,
    span: int,
    *,
    said: Sequence[str] = ("Where is my order?",),
    answered: str = "On its way.",
    history: Sequence[tuple[str, str]] = (),
    session: str | None = None,
    parent: int | None = None,
    after_s: float = 0,
    ended: bool = True,
    failed: bool = False,
    padding: str = "",
) -> Span:
    """A model call as the GenAI conventions write it: the history, what the user says now, and the answer."""
    start = START_NS + int((after_s + trace % 10_000 + span / 100) * 1e9)
    made = Span(
        trace_id=trace.to_bytes(16),
        span_id=span.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent is not None else b"",
        name="chat gpt-4o",
        start_time_unix_nano=start,
        end_time_unix_nano=start + 5_000_000 if ended else 0,
    )
    talk = [*history, *(("user", line) for line in said)]
    asked = [{"role": role, "parts": [{"type": "text", "content": line}]} for role, line in talk]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": answered}], "finish_reason": "stop"}]
    made.attributes.extend(
        [
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.provider.name", "openai"),
            text("gen_ai.request.model", "gpt-4o"),
            text("gen_ai.input.messages", json.dumps(asked)),
        ]
    )
    if ended:
        made.attributes.append(text("gen_ai.output.messages", json.dumps(answer)))
    if session is not None:
        made.attributes.append(text("gen_ai.conversation.id", session))
    if padding:
        made.attributes.append(text("padding", padding))
    if failed:
        made.status.code = Status.STATUS_CODE_ERROR
    return made


def trace_request(*spans: Span, resource: dict[str, str] | None = None) -> bytes:
    """The body of an OTLP request."""
    request = ExportTraceServiceRequest()
    around = request.resource_spans.add()
    around.resource.attributes.extend(text(key, value) for key, value in (resource or {"service.name": "desk"}).items())
    scope = around.scope_spans.add()
    scope.scope.name = "made"
    scope.spans.extend(spans)
    return request.SerializeToString()


def large_span(trace: int, span: int = 1, *, session: str, said: str = "Hello") -> RawSpan:
    """A span that carries a long document."""
    made = chat_span(trace, span, said=[said], session=session)
    made.attributes.append(text("document", f"{said} {session} {trace} " * (LARGE_BYTES // 10)))
    (raw,) = raw_spans(made)
    assert len(raw.body) > LARGE_BYTES
    return raw


def raw_spans(*spans: Span) -> list[RawSpan]:
    """The spans as the receiver hands them to the store."""
    return read_spans(trace_request(*spans), PROTOBUF).spans


def log_request(*records: tuple[int, int, str], session: str | None = None) -> bytes:
    """The body of an OTLP request with log records of trace, span and text."""
    request = ExportLogsServiceRequest()
    around = request.resource_logs.add()
    around.resource.attributes.append(text("service.name", "desk"))
    scope = around.scope_logs.add()
    for trace, span, line in records:
        record = scope.log_records.add(time_unix_nano=START_NS, body=AnyValue(string_value=line))
        record.trace_id = trace.to_bytes(16) if trace else b""
        record.span_id = span.to_bytes(8) if span else b""
        if session is not None:
            record.attributes.append(text("session.id", session))
    return request.SerializeToString()


def raw_logs(*records: tuple[int, int, str], session: str | None = None) -> list[RawLog]:
    """Log records as the receiver hands them to the store."""
    return read_logs(log_request(*records, session=session), PROTOBUF).logs

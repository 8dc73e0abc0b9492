"""OTLP bytes, protobuf or JSON, to raw spans and raw log records, and those to spans and log records.

What is read here is the wire format alone; what the attributes mean is the business of the dialects.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from taketwo.capture.otlp_json import WrongSignal, document, log_request, trace_request
from taketwo.capture.projects import project_of
from taketwo.capture.session_keys import IN_JSON, SESSION_KEYS
from taketwo.errors import TraceUnreadable
from taketwo.span import LogRecord, RawLog, RawSpan, Span, SpanEvent
from taketwo.value import JSON, Value

LAST_NS: Final = 2**63 - 1
"""The latest moment that a store can hold, in the year 2262."""

_SCRUBBED: Final = ("[Scrubbed due to", "__REDACTED__")
"""How the marks begin that senders put in place of a secret; taken for ids they would join strangers to one session."""

# What lies inside `metadata` is read later, with all that is read of a span.
_SESSION_RANK: Final = {key: rank for rank, key in enumerate(SESSION_KEYS) if key not in IN_JSON}
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


class UnknownContentType(TraceUnreadable):
    """OTLP is protobuf or JSON, and this is neither."""


class ReceivedSpans(Value):
    """The spans of one request."""

    spans: list[RawSpan]
    """The spans that can be kept, in the order received."""
    rejected: list[str] = []
    """For every refused span one line that names the rule it broke."""


class CheckedSpans(Value):
    """What is known of a request before its spans are read."""

    body: bytes
    """The request in protobuf."""
    counts: dict[str, int]
    """By project: how many spans can be kept."""
    rejected: list[str] = []
    """For every refused span one line that names the rule it broke."""


class CheckedLogs(Value):
    """What is known of a request before its log records are read."""

    body: bytes
    """The request in protobuf."""
    counts: dict[str, int]
    """By project: how many records of traces can be kept."""
    without_trace: int = 0
    """How many belong to no trace."""
    rejected: list[str] = []
    """For every refused record one line that names the rule it broke."""


class ReceivedLogs(Value):
    """The log records of one request."""

    logs: list[RawLog]
    """The records that can be kept, in the order received."""
    rejected: list[str] = []
    """For every refused record one line that names the rule it broke."""


def read_spans(body: bytes, content_type: str) -> ReceivedSpans:
    """The spans of an uncompressed OTLP request; a span that breaks a rule is refused, and the others go through.

    Raises UnknownContentType, WrongSignal where the body holds log records, TraceUnreadable where it is no OTLP at all.
    """
    is_json = _encoding(content_type) == "json"
    received = _received_spans(*(trace_request(document(body)) if is_json else (_trace_request(body), [])))
    if not is_json and received.rejected and not received.spans and _holds_logs(body):
        raise _logs_among_traces()
    return received


def check_spans(body: bytes, content_type: str, named: str | None) -> CheckedSpans:
    """The same as far as its sender must be told: of protobuf in a third of the time.

    named: the project that is named beside the spans. Raises what `read_spans` raises.
    """
    is_json = _encoding(content_type) == "json"
    request, rejected = trace_request(document(body)) if is_json else (_trace_request(body), [])
    counts: Counter[str] = Counter()
    for resource_spans in request.resource_spans:
        project = named or project_of(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if broken := _broken_rule(span):
                    rejected.append(_rejection(span, broken))
                else:
                    counts[project] += 1
    if not is_json and rejected and not counts and _holds_logs(body):
        raise _logs_among_traces()
    return CheckedSpans(body=request.SerializeToString() if is_json else body, counts=counts, rejected=rejected)


def read_logs(body: bytes, content_type: str) -> ReceivedLogs:
    """The log records of an uncompressed OTLP request; an id that is none counts as absent, as OTLP asks.

    Raises UnknownContentType, WrongSignal where the body holds spans, TraceUnreadable where it is no OTLP at all.
    """
    if _encoding(content_type) == "json":
        return logs_in(document(body))
    return _received_logs(_log_request(body), [])


def check_logs(body: bytes, content_type: str, named: str | None) -> CheckedLogs:
    """The same as far as its sender must be told.

    named: the project that is named beside the records. Raises what `read_logs` raises.
    """
    is_json = _encoding(content_type) == "json"
    request, rejected = log_request(document(body)) if is_json else (_log_request(body), [])
    counts: Counter[str] = Counter()
    without_trace = 0
    for resource_logs in request.resource_logs:
        project = named or project_of(resource_logs.resource)
        for record in (one for scope_logs in resource_logs.scope_logs for one in scope_logs.log_records):
            if (broken := _broken_rule_of_log(record)) is not None:
                rejected.append(broken)
            elif _trace_of_log(record):
                counts[project] += 1
            else:
                without_trace += 1
    plain = request.SerializeToString() if is_json else body
    return CheckedLogs(body=plain, counts=counts, without_trace=without_trace, rejected=rejected)


def spans_in(given: JSON) -> ReceivedSpans:
    """The spans of an OTLP/JSON document that is already parsed; raises what `read_spans` raises."""
    return _received_spans(*trace_request(given))


def logs_in(given: JSON) -> ReceivedLogs:
    """The log records of an OTLP/JSON document that is already parsed; raises what `read_logs` raises."""
    return _received_logs(*log_request(given))


def decode_span(raw: RawSpan) -> Span:
    """The whole span with all its attributes.

    Raises TraceUnreadable where the stored bytes are damaged.
    """
    try:
        span = trace_pb2.Span.FromString(raw.body)
        resource, scope, scope_version = _span_envelope(raw.envelope)
    except DecodeError as error:
        raise TraceUnreadable(f"the stored span cannot be decoded: {error}", where=f"span {raw.span_id}") from error
    return Span(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        name=span.name,
        trace_state=span.trace_state,
        start_ns=raw.start_ns,
        end_ns=raw.end_ns,
        status=_status(span.status.code),
        status_message=span.status.message,
        attributes=_object(span.attributes),
        events=tuple(
            SpanEvent(name=event.name, at_ns=event.time_unix_nano, attributes=_object(event.attributes))
            for event in span.events
        ),
        scope=scope,
        scope_version=scope_version,
        resource=resource,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
    )


def decode_log(raw: RawLog) -> LogRecord:
    """The whole log record with its body and attributes.

    Raises TraceUnreadable where the stored bytes are damaged.
    """
    try:
        record = logs_pb2.LogRecord.FromString(raw.body)
        resource, scope = _log_envelope(raw.envelope)
    except DecodeError as error:
        raise TraceUnreadable(
            f"the stored log record cannot be decoded: {error}", where=f"trace {raw.trace_id or 'unknown'}"
        ) from error
    return LogRecord(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        event_name=record.event_name,
        at_ns=raw.at_ns,
        body=_plain(record.body),
        attributes=_object(record.attributes),
        scope=scope,
        resource=resource,
    )


def _encoding(content_type: str) -> Literal["protobuf", "json"]:
    match content_type.partition(";")[0].strip().lower():
        case "application/x-protobuf" | "application/protobuf":
            return "protobuf"
        case "application/json":
            return "json"
        case other:
            raise UnknownContentType(
                f"the content type is {other!r}" if other else "there is no content type",
                todo="send application/x-protobuf or application/json",
            )


def _trace_request(body: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise _undecodable_spans(body, error) from error


def _log_request(body: bytes) -> ExportLogsServiceRequest:
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise _undecodable_logs(body, error) from error
    if not _says_when(request) and _holds_spans(body):
        raise _spans_among_logs()
    return request


def _received_spans(request: ExportTraceServiceRequest, rejected: list[str]) -> ReceivedSpans:
    spans = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            if not scope_spans.spans:
                continue
            envelope = _envelope_of_spans(resource_spans, scope_spans)
            for span in scope_spans.spans:
                if broken := _broken_rule(span):
                    rejected.append(_rejection(span, broken))
                else:
                    spans.append(_raw_span(span, envelope))
    return ReceivedSpans(spans=spans, rejected=rejected)


def _raw_span(span: trace_pb2.Span, envelope: bytes) -> RawSpan:
    parent_id = span.parent_span_id.hex()
    return RawSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=parent_id if parent_id and parent_id != _NO_SPAN else None,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        session_id=_session_id(span.attributes),
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        body=span.SerializeToString(),
        envelope=envelope,
    )


def _broken_rule(span: trace_pb2.Span) -> str | None:
    """Why the span cannot be kept; None when it can."""
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16:
        return f"the trace id has {len(trace_id)} bytes, not 16"
    if len(span_id) != 8:
        return f"the span id has {len(span_id)} bytes, not 8"
    if not any(trace_id) or not any(span_id):
        return f"the {'span' if any(trace_id) else 'trace'} id is all zero"
    if parent_id and len(parent_id) != 8:
        return f"the parent span id has {len(parent_id)} bytes, not 8"
    if span.start_time_unix_nano > LAST_NS or span.end_time_unix_nano > LAST_NS:
        return "a time lies after the year 2262"
    return None


def _rejection(span: trace_pb2.Span, broken: str) -> str:
    return f"span {span.span_id.hex()[:16] or 'without id'}: {broken}"


def _received_logs(request: ExportLogsServiceRequest, rejected: list[str]) -> ReceivedLogs:
    logs = []
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            if not scope_logs.log_records:
                continue
            envelope = _envelope_of_logs(resource_logs, scope_logs)
            for record in scope_logs.log_records:
                if (broken := _broken_rule_of_log(record)) is not None:
                    rejected.append(broken)
                else:
                    logs.append(_raw_log(record, envelope))
    return ReceivedLogs(logs=logs, rejected=rejected)


def _broken_rule_of_log(record: logs_pb2.LogRecord) -> str | None:
    """Why the log record cannot be kept; None when it can."""
    if _time_of_log(record) <= LAST_NS:
        return None
    return f"log record of trace {_trace_of_log(record) or 'unknown'}: its time is after the year 2262"


def _trace_of_log(record: logs_pb2.LogRecord) -> str:
    """Its trace id; empty where it has none."""
    trace_id = record.trace_id.hex()
    return trace_id if len(trace_id) == 32 and trace_id != _NO_TRACE else ""


def _time_of_log(record: logs_pb2.LogRecord) -> int:
    return record.time_unix_nano or record.observed_time_unix_nano


def _raw_log(record: logs_pb2.LogRecord, envelope: bytes) -> RawLog:
    span_id = record.span_id.hex()
    return RawLog(
        trace_id=_trace_of_log(record),
        span_id=span_id if len(span_id) == 16 and span_id != _NO_SPAN else "",
        at_ns=_time_of_log(record),
        session_id=_session_id(record.attributes),
        body=record.SerializeToString(),
        envelope=envelope,
    )


def _session_id(attributes: Iterable[KeyValue]) -> str | None:
    """The session under the most telling of the keys that are there, wherever it stands in the list."""
    best, found = len(SESSION_KEYS), None
    for attribute in attributes:
        key = attribute.key
        if key in _SESSION_RANK and _SESSION_RANK[key] < best:
            text = attribute.value.string_value
            if text and not text.startswith((*_SCRUBBED, '"')):
                best, found = _SESSION_RANK[key], text
    return found


def _envelope_of_spans(resource_spans: trace_pb2.ResourceSpans, scope_spans: trace_pb2.ScopeSpans) -> bytes:
    scope = trace_pb2.ScopeSpans(scope=scope_spans.scope, schema_url=scope_spans.schema_url)
    return trace_pb2.ResourceSpans(
        resource=resource_spans.resource, scope_spans=[scope], schema_url=resource_spans.schema_url
    ).SerializeToString()


def _envelope_of_logs(resource_logs: logs_pb2.ResourceLogs, scope_logs: logs_pb2.ScopeLogs) -> bytes:
    scope = logs_pb2.ScopeLogs(scope=scope_logs.scope, schema_url=scope_logs.schema_url)
    return logs_pb2.ResourceLogs(
        resource=resource_logs.resource, scope_logs=[scope], schema_url=resource_logs.schema_url
    ).SerializeToString()


@lru_cache(maxsize=256)
def _span_envelope(envelope: bytes) -> tuple[dict[str, JSON], str, str]:
    """Resource attributes, scope name and scope version: the same, and shared, for hundreds of spans in a row."""
    around = trace_pb2.ResourceSpans.FromString(envelope)
    scope = around.scope_spans[0].scope if around.scope_spans else trace_pb2.ScopeSpans().scope
    return _object(around.resource.attributes), scope.name, scope.version


@lru_cache(maxsize=256)
def _log_envelope(envelope: bytes) -> tuple[dict[str, JSON], str]:
    around = logs_pb2.ResourceLogs.FromString(envelope)
    scope = around.scope_logs[0].scope.name if around.scope_logs else ""
    return _object(around.resource.attributes), scope


def _status(code: int) -> str:
    match code:
        case trace_pb2.Status.STATUS_CODE_OK:
            return "ok"
        case trace_pb2.Status.STATUS_CODE_ERROR:
            return "error"
        case _:
            return "unset"


def _object(attributes: Iterable[KeyValue]) -> dict[str, JSON]:
    return {attribute.key: _plain(attribute.value) for attribute in attributes}


def _plain(value: AnyValue) -> JSON:
    """The value as JSON holds it: bytes as base64, infinities and NaN by their names, a missing value as None.

    The depth needs no guard: protobuf itself refuses messages that are nested more than 100 deep.
    """
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else repr(number)
        case "bool_value":
            return value.bool_value
        case "kvlist_value":
            return _object(value.kvlist_value.values)
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "bytes_value":
            return b64encode(value.bytes_value).decode("ascii")
        case _:
            return None


def _undecodable_spans(body: bytes, error: DecodeError) -> TraceUnreadable:
    return _logs_among_traces() if _holds_logs(body) else TraceUnreadable(f"the body is no OTLP trace request: {error}")


def _undecodable_logs(body: bytes, error: DecodeError) -> TraceUnreadable:
    return _spans_among_logs() if _holds_spans(body) else TraceUnreadable(f"the body is no OTLP log request: {error}")


def _holds_logs(body: bytes) -> bool:
    """Whether these are log records, which decode as spans without ids because the field numbers of both agree.

    Where a record has its time (fixed64) and severity (varint), a span has ids (bytes), so no span can look like that.
    """
    try:
        return _says_when(ExportLogsServiceRequest.FromString(body))
    except DecodeError:
        return False


def _says_when(request: ExportLogsServiceRequest) -> bool:
    return any(
        record.time_unix_nano or record.observed_time_unix_nano or record.severity_number
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    )


def _holds_spans(body: bytes) -> bool:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return False
    return bool(_received_spans(request, []).spans)


def _logs_among_traces() -> WrongSignal:
    return WrongSignal("these look like log records, not spans", todo="send them to /v1/logs")


def _spans_among_logs() -> WrongSignal:
    return WrongSignal("these look like spans, not log records", todo="send them to /v1/traces")

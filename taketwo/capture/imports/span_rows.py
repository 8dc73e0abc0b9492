"""Spans out of other tools' tables, as the OTLP spans that their dialects read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.moment_texts import nanoseconds
from taketwo.capture.otlp import LAST_NS, ReceivedSpans, read_spans
from taketwo.errors import TraceUnreadable
from taketwo.span import RawSpan
from taketwo.value import JSON, Value, clean_text, content_hash

_TRACE_DIGITS: Final = 32
_SPAN_DIGITS: Final = 16
_HEX: Final = re.compile(r"[0-9a-f]+")
_SPANS_TOGETHER: Final = 256
_BYTES_TOGETHER: Final = 4 * 1024 * 1024


class SpanRow(Value):
    """One span as a table has it, before it is an OTLP span."""

    trace: str
    """Name of the trace in the table's own spelling; see `trace_id`."""
    span: str
    """Name of the span in the table's own spelling; see `span_id`."""
    parent: str | None = None
    """The parent's name in the same spelling; None for a root."""
    name: str = ""
    """The span's name."""
    start: JSON = None
    """When it began, in any spelling that `nanoseconds` reads."""
    end: JSON = None
    """When it ended."""
    failed: bool | None = None
    """Whether it failed; None when the table does not say."""
    message: str = ""
    """What the table says about the failure."""
    attributes: dict[str, JSON] = {}
    """What its dialect reads. Nulls are left out; an object is written as JSON, as SDKs do."""
    events: tuple[tuple[str, JSON, dict[str, JSON]], ...] = ()
    """Its events: name, moment and attributes."""
    scope: str = ""
    """The instrumentation scope that its dialect goes by."""
    resource: dict[str, JSON] = {}
    """Attributes of the resource."""


def raw_span(row: SpanRow) -> RawSpan:
    """The row as an OTLP span; the same row gives the same bytes at every import.

    Raises TraceUnreadable where a moment is none or a rule of OTLP is broken.
    """
    request = ExportTraceServiceRequest(resource_spans=[_resource_spans(row)])
    received = read_spans(request.SerializeToString(), "application/x-protobuf")
    if received.rejected:
        raise TraceUnreadable(received.rejected[0])
    return received.spans[0]


def or_unread(where: str, read: Callable[[], RawSpan]) -> RawSpan | Unread:
    """The span that `read` gives, or why there is none."""
    try:
        return read()
    except TraceUnreadable as error:
        return Unread(where=where, why=error.what)
    except RecursionError:
        return Unread(where=where, why="the row is nested too deep to read")


def trace_id(name: str) -> str:
    """32 hex digits for a trace: its name itself where that has so many, as a UUID has, else a hash of it."""
    plain = name.lower().replace("-", "")
    is_id = len(plain) == _TRACE_DIGITS and _HEX.fullmatch(plain)
    return plain if is_id else content_hash(clean_text(name))[:_TRACE_DIGITS]


def span_id(name: str) -> str:
    """16 hex digits for a span: its name itself where that has so many, else a hash of it.

    A UUID is hashed, because its first half is mostly time, and two runs of one moment would become one.
    """
    plain = name.lower()
    is_id = len(plain) == _SPAN_DIGITS and _HEX.fullmatch(plain)
    return plain if is_id else content_hash(clean_text(plain))[:_SPAN_DIGITS]


def together(found: Iterable[RawSpan | Unread]) -> Iterator[Imported]:
    """The spans in batches that a store takes at once, what could not be read in between."""
    batch: list[RawSpan] = []
    size = 0
    for item in found:
        if isinstance(item, Unread):
            yield item
            continue
        batch.append(item)
        size += len(item.body)
        if len(batch) >= _SPANS_TOGETHER or size >= _BYTES_TOGETHER:
            yield ReceivedSpans(spans=batch)
            batch, size = [], 0
    if batch:
        yield ReceivedSpans(spans=batch)


def json_text(value: JSON) -> str:
    """A text as it is, anything else as JSON: the way in which SDKs write a value into an attribute."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _resource_spans(row: SpanRow) -> trace_pb2.ResourceSpans:
    scope = trace_pb2.ScopeSpans(spans=[_span(row)])
    scope.scope.name = row.scope
    found = trace_pb2.ResourceSpans(scope_spans=[scope])
    found.resource.attributes.extend(_attributes(row.resource))
    return found


def _span(row: SpanRow) -> trace_pb2.Span:
    return trace_pb2.Span(
        trace_id=bytes.fromhex(trace_id(row.trace)),
        span_id=bytes.fromhex(span_id(row.span)),
        parent_span_id=bytes.fromhex(span_id(row.parent)) if row.parent else b"",
        name=clean_text(row.name),
        start_time_unix_nano=_moment("start", row.start),
        end_time_unix_nano=_moment("end", row.end),
        status=trace_pb2.Status(code=_CODES[row.failed], message=clean_text(row.message)),
        attributes=_attributes(row.attributes),
        events=[
            trace_pb2.Span.Event(
                name=clean_text(name), time_unix_nano=_moment(name, at), attributes=_attributes(attributes)
            )
            for name, at, attributes in row.events
        ],
    )


_CODES: Final[dict[bool | None, trace_pb2.Status.StatusCode.ValueType]] = {
    None: trace_pb2.Status.STATUS_CODE_UNSET,
    False: trace_pb2.Status.STATUS_CODE_OK,
    True: trace_pb2.Status.STATUS_CODE_ERROR,
}


def _moment(what: str, value: JSON) -> int:
    try:
        if 0 <= (found := nanoseconds(value)) <= LAST_NS:
            return found
        raise ValueError("it lies before the year 1970 or after 2262")
    except (ValueError, OverflowError) as error:
        raise TraceUnreadable(f"the {clean_text(what)} cannot be {str(value)[:40]!r}") from error


def _attributes(given: dict[str, JSON]) -> list[KeyValue]:
    return [KeyValue(key=clean_text(key), value=_any_value(value)) for key, value in given.items() if value is not None]


def _any_value(value: JSON) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=clean_text(value))
        case bool():
            return AnyValue(bool_value=value)
        case int() if abs(value) < 2**63:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list() if value and all(isinstance(item, str | int | float) for item in value):
            return AnyValue(array_value=ArrayValue(values=map(_any_value, value)))
        case _:
            return AnyValue(string_value=clean_text(json_text(value)))

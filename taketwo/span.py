"""A Span: one OpenTelemetry span as received, and the log records that belong to it."""

from __future__ import annotations

from taketwo.value import JSON, Value


class SpanEvent(Value):
    """Something that happened at one moment inside a span."""

    name: str
    """The event's name, such as `exception` or `gen_ai.choice`."""
    at_ns: int
    """When, in nanoseconds since 1970; 0 when the sender did not say."""
    attributes: dict[str, JSON] = {}
    """Its attributes, decoded to plain JSON values."""


class Span(Value):
    """One OpenTelemetry span, decoded: every attribute as the sender wrote it, nothing interpreted."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    parent_id: str | None = None
    """16 lower-case hex digits; None for a root."""
    name: str = ""
    """The span's name."""
    trace_state: str = ""
    """The W3C `tracestate` that it was made under; empty when there was none."""
    start_ns: int = 0
    """Start in nanoseconds since 1970; 0 when the sender did not say."""
    end_ns: int = 0
    """End in nanoseconds since 1970; 0 when the sender did not say."""
    status: str = "unset"
    """`unset`, `ok` or `error`."""
    status_message: str = ""
    """What the sender said about the status."""
    attributes: dict[str, JSON] = {}
    """The attributes, decoded to plain JSON values: strings, numbers, booleans, lists, objects."""
    events: tuple[SpanEvent, ...] = ()
    """The span's events in the order received."""
    scope: str = ""
    """Name of the instrumentation scope, such as `openinference.instrumentation.openai`."""
    scope_version: str = ""
    """Version of the instrumentation scope; empty when the sender did not say."""
    resource: dict[str, JSON] = {}
    """Attributes of the resource, such as `service.name`."""
    dropped_attributes: int = 0
    """How many attributes the sender's SDK threw away because of its limits."""
    dropped_events: int = 0
    """How many events the sender's SDK threw away because of its limits."""


class LogRecord(Value):
    """One OpenTelemetry log record; the ones that carry messages belong to a span."""

    trace_id: str = ""
    """32 lower-case hex digits; empty when the record belongs to no trace."""
    span_id: str = ""
    """16 lower-case hex digits; empty when the record belongs to no span."""
    event_name: str = ""
    """The event's name, such as `gen_ai.user.message`; empty for an ordinary log line."""
    at_ns: int = 0
    """When it happened, or when it was observed where the sender gave only that; nanoseconds since 1970."""
    body: JSON = None
    """The body, decoded to a plain JSON value."""
    attributes: dict[str, JSON] = {}
    """Its attributes, decoded to plain JSON values."""
    scope: str = ""
    """Name of the instrumentation scope."""
    resource: dict[str, JSON] = {}
    """Attributes of the resource."""


class RawSpan(Value):
    """A span on its way into the store: what a store must know to file it, and the bytes it came in."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    parent_id: str | None
    """16 lower-case hex digits; None for a root."""
    start_ns: int
    """Start in nanoseconds since 1970; 0 when the sender did not say."""
    end_ns: int
    """End in nanoseconds since 1970; 0 when the sender did not say."""
    session_id: str | None
    """The session that the span itself names under one of the usual keys; None when it names none."""
    is_error: bool
    """Whether the span's own status is an error."""
    body: bytes
    """The OTLP `Span` message, protobuf encoded."""
    envelope: bytes
    """The OTLP `ResourceSpans` message around it with its resource and scope but without spans."""


class RawLog(Value):
    """A log record on its way into the store."""

    trace_id: str
    """32 lower-case hex digits; empty when the record belongs to no trace."""
    span_id: str
    """16 lower-case hex digits; empty when the record belongs to no span."""
    at_ns: int
    """When it happened or was observed, in nanoseconds since 1970."""
    session_id: str | None
    """The session that the record itself names; None when it names none."""
    body: bytes
    """The OTLP `LogRecord` message, protobuf encoded."""
    envelope: bytes
    """The OTLP `ResourceLogs` message around it with its resource and scope but without records."""

"""Redacts spans and log records as they come in, before anything of them is on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from taketwo.capture.identity import PROJECT_KEYS
from taketwo.capture.redact import Pairs, Redactor, Report, redact_json
from taketwo.capture.session_keys import SESSION_KEYS
from taketwo.errors import TraceUnreadable
from taketwo.span import RawLog, RawSpan
from taketwo.value import JSON

_SESSION_KEYS: Final = frozenset(SESSION_KEYS)
_KEPT_OF_RESOURCES: Final = frozenset({*PROJECT_KEYS, "service.name", "service.version"})
"""What a resource says about where its spans are filed."""


def redact_span_body(raw: RawSpan, redactor: Redactor, report: Report | None = None) -> RawSpan:
    """The span without secrets and personal data in its name, status, attributes, events, links and resource.

    A span that holds none comes back as it is, byte for byte. Texts that many spans repeat become the same in each of
    them, so names are replaced only where a key stands by them: see `redact_texts_by_pseudonyms`. Raises
    TraceUnreadable where the bytes are damaged.
    """
    try:
        span = trace_pb2.Span.FromString(raw.body)
        envelope = _redacted_envelope(raw.envelope, True, redactor)
    except DecodeError as error:
        raise TraceUnreadable(f"the span cannot be decoded: {error}", where=f"span {raw.span_id}") from error
    parts = [span.attributes, *(event.attributes for event in span.events), *(link.attributes for link in span.links)]
    before: JSON = [*map(_pairs, parts), span.name, span.status.message]
    after = redact_json(before, redactor, report, learns=False)
    if after == before:
        return raw if envelope == raw.envelope else raw.but(envelope=envelope)
    for attributes, new in zip(parts, after, strict=False):
        _put(attributes, new)
    span.name = after[-2]
    if after[-1]:  # a status that is merely touched would be written out
        span.status.message = after[-1]
    session_id = _session_after(raw.session_id, before[0], after[0])
    return raw.but(body=span.SerializeToString(), envelope=envelope, session_id=session_id)


def redact_log_body(raw: RawLog, redactor: Redactor, report: Report | None = None) -> RawLog:
    """The log record without secrets and personal data in its body, attributes and resource.

    A record that holds none comes back as it is, byte for byte. Raises TraceUnreadable where the bytes are damaged.
    """
    try:
        record = logs_pb2.LogRecord.FromString(raw.body)
        envelope = _redacted_envelope(raw.envelope, False, redactor)
    except DecodeError as error:
        raise TraceUnreadable(f"the log record cannot be decoded: {error}", where=f"trace {raw.trace_id}") from error
    before = [_pairs(record.attributes), _plain(record.body)]
    after = redact_json(before, redactor, report, learns=False)
    if after == before:
        return raw if envelope == raw.envelope else raw.but(envelope=envelope)
    _put(record.attributes, after[0])
    if record.HasField("body"):
        _put_value(record.body, after[1])
    session_id = _session_after(raw.session_id, before[0], after[0])
    return raw.but(body=record.SerializeToString(), envelope=envelope, session_id=session_id)


@lru_cache(maxsize=256)
def _redacted_envelope(envelope: bytes, of_spans: bool, redactor: Redactor) -> bytes:
    """The same for hundreds of spans in a row."""
    around = trace_pb2.ResourceSpans() if of_spans else logs_pb2.ResourceLogs()
    around.ParseFromString(envelope)
    before = Pairs(pair for pair in _pairs(around.resource.attributes) if pair[0] not in _KEPT_OF_RESOURCES)
    after = redact_json(before, redactor, learns=False)
    if after == before:
        return envelope
    _put([one for one in around.resource.attributes if one.key not in _KEPT_OF_RESOURCES], after)
    return around.SerializeToString()


def _session_after(session_id: str | None, before: Pairs, after: Pairs) -> str | None:
    """The session's id as it stands in the attributes now: an address of mail may be one."""
    for (key, old), (_, new) in zip(before, after, strict=True):
        if key in _SESSION_KEYS and old == session_id and isinstance(new, str):
            return new
    return session_id


def _pairs(attributes: Iterable[KeyValue]) -> Pairs:
    return Pairs((attribute.key, _plain(attribute.value)) for attribute in attributes)


def _plain(value: AnyValue) -> JSON:
    """What can hold a text or a number; None for what cannot."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "kvlist_value":
            return _pairs(value.kvlist_value.values)
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case _:
            return None


def _put(attributes: Sequence[KeyValue], new: Pairs) -> None:
    for attribute, (key, value) in zip(attributes, new, strict=True):
        attribute.key = key
        _put_value(attribute.value, value)


def _put_value(place: AnyValue, new: JSON) -> None:
    match place.WhichOneof("value"):
        case "string_value":
            place.string_value = new
        case "int_value":
            place.int_value = new
        case "kvlist_value":
            _put(place.kvlist_value.values, new)
        case "array_value":
            for item, value in zip(place.array_value.values, new, strict=True):
                _put_value(item, value)
        case _:
            return

"""OTLP/JSON to the messages that protobuf gives, so that there is one stored form.

The mapping is protobuf's own JSON mapping, with ids in hex and enums as numbers (opentelemetry-proto,
docs/specification.md). It is read more generously than written there: snake_case keys, members that are null and
enums by name occur in the wild.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taketwo.errors import TraceUnreadable
from taketwo.value import JSON, clean_text, cut_to

DEEPEST: Final = 90
"""Messages inside messages; protobuf reads back no more than 100."""

_HEX_FIELDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_RECORDS: Final = {"spans": "span", "log_records": "log record"}


class WrongSignal(TraceUnreadable):
    """Log records came where spans belong, or spans where log records belong."""


def document(body: bytes) -> JSON:
    """The JSON of the body; raises TraceUnreadable where it is none."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise TraceUnreadable("the JSON is nested too deep to read") from error
    except ValueError as error:
        raise TraceUnreadable(f"the body is no JSON: {error}") from error


def trace_request(given: JSON) -> tuple[ExportTraceServiceRequest, list[str]]:
    """The request that the JSON says, and one line for every span that had to be left out of it.

    Raises TraceUnreadable where it is no OTLP/JSON, WrongSignal where it holds log records alone.
    """
    if _holds_only(given, "resourceLogs", "resourceSpans"):
        raise WrongSignal("these look like log records, not spans", todo="send them to /v1/logs")
    request = ExportTraceServiceRequest()
    rejected: list[str] = []
    _fill(request, given, 0, rejected)
    return request, rejected


def log_request(given: JSON) -> tuple[ExportLogsServiceRequest, list[str]]:
    """The request that the JSON says, and one line for every log record that had to be left out of it.

    Raises TraceUnreadable where it is no OTLP/JSON, WrongSignal where it holds spans alone.
    """
    if _holds_only(given, "resourceSpans", "resourceLogs"):
        raise WrongSignal("these look like spans, not log records", todo="send them to /v1/traces")
    request = ExportLogsServiceRequest()
    rejected: list[str] = []
    _fill(request, given, 0, rejected)
    return request, rejected


def _holds_only(given: JSON, one: str, other: str) -> bool:
    if not isinstance(given, dict):
        raise TraceUnreadable(f"the JSON is {_called(given)}, not an object with resourceSpans or resourceLogs")
    fields = {_camel(key) for key in given}
    return one in fields and other not in fields


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _fill(message: Message, given: JSON, depth: int, rejected: list[str]) -> None:
    """Set the fields of the message from the object; members that the message does not have are left out."""
    if not isinstance(given, dict):
        raise TraceUnreadable(f"{message.DESCRIPTOR.name} is {_called(given)}, not an object")
    if depth > DEEPEST:
        raise TraceUnreadable(f"a value is nested more than {DEEPEST} messages deep")
    # A class is hashable, whatever the stubs say of its instances.
    fields = _fields(type(message))  # type: ignore[arg-type,unused-ignore]  # depends on the release of the stubs
    for key, value in given.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        if field.repeated:
            _fill_list(message, field, value, depth, rejected)
        elif field.kind == FieldDescriptor.TYPE_MESSAGE:
            part = getattr(message, field.name)
            part.SetInParent()
            _fill(part, value, depth + 1, rejected)
        else:
            _put(field, value, partial(setattr, message, field.name))


def _fill_list(message: Message, field: _Field, given: JSON, depth: int, rejected: list[str]) -> None:
    if not isinstance(given, list):
        raise TraceUnreadable(f"{field.name} is {_called(given)}, not a list")
    target = getattr(message, field.name)
    for item in given:
        if field.kind != FieldDescriptor.TYPE_MESSAGE:
            _put(field, item, target.append)
        elif field.name in _RECORDS:
            _fill_record(target, field, item, depth, rejected)
        elif field.name != "attributes" or not _add_plain(target, item):
            _fill(target.add(), item, depth + 1, rejected)


def _add_plain(attributes: Any, given: JSON) -> bool:
    """Add an attribute that is a text, as most of a request are; False where it is none and nothing was added."""
    if type(given) is not dict or len(given) != 2:
        return False
    key, value = given.get("key"), given.get("value")
    if type(key) is not str or type(value) is not dict or len(value) != 1:
        return False
    if type(text := value.get("stringValue")) is not str:
        return False
    attributes.add(key=clean_text(key)).value.string_value = clean_text(text)
    return True


def _fill_record(target: Any, field: _Field, given: JSON, depth: int, rejected: list[str]) -> None:
    """One span or log record: where it is malformed it is left out, and the others go through."""
    try:
        _fill(target.add(), given, depth + 1, rejected)
    except TraceUnreadable as error:
        del target[-1]
        rejected.append(f"{_RECORDS[field.name]} {_id_of(given)}: {error.what}")


def _id_of(given: JSON) -> str:
    found = given.get("spanId", given.get("span_id")) if isinstance(given, dict) else None
    return found[:40] if isinstance(found, str) and found else "without id"


class _Field(NamedTuple):
    name: str
    kind: int
    repeated: bool
    enum: dict[str, int]


@cache
def _fields(message_type: type[Message]) -> dict[str, _Field]:
    """The fields of a message under both spellings of their names."""
    empty = message_type()
    found = {}
    for descriptor in message_type.DESCRIPTOR.fields:
        names = descriptor.enum_type.values_by_name if descriptor.enum_type else {}
        field = _Field(
            name=descriptor.name,
            kind=descriptor.type,
            # Asked of a value, because the descriptor's own way of saying it changed between protobuf releases.
            repeated=hasattr(getattr(empty, descriptor.name), "extend"),
            enum={name: value.number for name, value in names.items()},
        )
        found[descriptor.name] = found[descriptor.json_name] = field
    return found


def _put(field: _Field, given: JSON, put: Callable[[object], None]) -> None:
    """Hand the value over in the form that the field holds; protobuf itself refuses numbers out of range."""
    try:
        put(_scalar(field, given))
    except (ValueError, TypeError, OverflowError) as error:
        raise TraceUnreadable(f"{field.name} cannot be {_shown(given)}") from error


def _scalar(field: _Field, given: JSON) -> object:
    """The value as the field holds it; raises ValueError or TypeError where it holds none such."""
    match field.kind:
        case FieldDescriptor.TYPE_BYTES if field.name in _HEX_FIELDS:
            return bytes.fromhex(given)
        case FieldDescriptor.TYPE_BYTES:
            return b64decode(given, validate=True)
        case FieldDescriptor.TYPE_STRING:
            return _text(given)
        case FieldDescriptor.TYPE_BOOL:
            return _truth(given)
        case FieldDescriptor.TYPE_DOUBLE:
            return math.nan if given == "NaN" else float(given)
        case FieldDescriptor.TYPE_ENUM if isinstance(given, str) and given in field.enum:
            return field.enum[given]
        case _:
            return _whole_number(given)


def _text(given: JSON) -> str:
    if not isinstance(given, str):
        raise TypeError("not a string")
    return clean_text(given)


def _truth(given: JSON) -> bool:
    if not isinstance(given, bool):
        raise TypeError("not a boolean")
    return given


def _whole_number(given: JSON) -> int:
    """JSON's numbers are doubles in many senders, so 64-bit integers come as strings, and as floats that are whole."""
    if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
        raise ValueError("not a whole number")
    return int(given)


def _called(given: JSON) -> str:
    match given:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a string"
        case _:
            return "a number"


def _shown(given: JSON) -> str:
    return cut_to(repr(given), 60)

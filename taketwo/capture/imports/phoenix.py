"""Spans out of Phoenix: the answers of its API, in its own form and as OTLP, and dataframes in files.

All hold OpenInference's attributes, taken apart in different ways. They are put together as the instrumentation sent
them (Phoenix: src/phoenix/server/api/routers/v1/spans.py and trace/attributes.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from taketwo.capture.dialects.loose_json import decimal_of, loosely, python_literal
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_records import Record
from taketwo.capture.imports.rows import columns, rows
from taketwo.capture.imports.span_rows import SpanRow, json_text, or_unread, raw_span, together
from taketwo.capture.otlp import spans_in
from taketwo.errors import TraceUnreadable
from taketwo.span import RawSpan
from taketwo.value import JSON

_JSON_TEXTS: Final = ("metadata", "tool.parameters", "llm.prompt_template.variables")
"""Attributes that are JSON texts on the wire, and that Phoenix takes apart."""

_WRITTEN_AS_JSON: Final = (*_JSON_TEXTS, "json_schema", "llm.invocation_parameters", "input.value", "output.value")
"""Attributes that are texts to the dialect even where they come as an object."""

_LISTS: Final = ("llm.input_messages", "llm.output_messages", "llm.tools", "retrieval.documents", "tag.tags")
_COUNTS: Final = ("llm.token_count.", "llm.cost.")
_PREFIX: Final = "attributes."
_OTLP_BEGINS: Final = re.compile(rb'\s*\{\s*"data"\s*:\s*\[\s*\{\s*"attributes"\s*:\s*\[\s*\{\s*"key"')
"""Where the ids come only after the attributes, which may be long."""


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds Phoenix's spans."""
    return bool(_OTLP_BEGINS.match(head)) or is_row(columns(head))


def is_row(keys: AbstractSet[str]) -> bool:
    """Whether a row of these columns is a span of Phoenix's."""
    return (
        {"span_kind", "context"} <= keys
        or {"context.span_id", "context.trace_id"} <= keys
        or {"trace_id", "span_id", "start_time_unix_nano"} <= keys
    )


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The spans of the file."""
    return read_rows(rows(stream))


def read_rows(found: Iterable[Record | Unread]) -> Iterator[Imported]:
    """The spans of rows, wherever they come from."""
    return together(_spans(found))


def _spans(found: Iterable[Record | Unread]) -> Iterator[RawSpan | Unread]:
    for record in found:
        yield record if isinstance(record, Unread) else or_unread(record.where, partial(_span, record.value))


def _span(row: JSON) -> RawSpan:
    if not isinstance(row, dict):
        raise TraceUnreadable("this is no row of a table of spans")
    if "start_time_unix_nano" in row:
        return _otlp_span(row)
    context = row.get("context")
    named = context if isinstance(context, dict) else {}
    trace = named.get("trace_id", row.get("context.trace_id"))
    span = named.get("span_id", row.get("context.span_id"))
    if not (isinstance(trace, str) and isinstance(span, str) and trace and span):
        raise TraceUnreadable("the row has no context with a trace id and a span id")
    status = _text(row.get("status_code")).upper()
    return raw_span(
        SpanRow(
            trace=trace,
            span=span,
            parent=_text(row.get("parent_id")) or None,
            name=_text(row.get("name")),
            start=row.get("start_time"),
            end=row.get("end_time"),
            failed={"ERROR": True, "OK": False}.get(status),
            message=_text(row.get("status_message")),
            attributes=_attributes(row),
            events=tuple(_events(row.get("events"))),
        )
    )


def _otlp_span(row: dict[str, JSON]) -> RawSpan:
    """A span that is OTLP already, only without the envelopes around it."""
    received = spans_in({"resourceSpans": [{"scopeSpans": [{"spans": [row]}]}]})
    if received.rejected:
        raise TraceUnreadable(received.rejected[0])
    return received.spans[0]


def _attributes(row: Mapping[str, JSON]) -> dict[str, JSON]:
    """The attributes of the row, spelled as the instrumentation sent them."""
    found: dict[str, JSON] = {}
    whole = row.get("attributes")
    for key, value in (whole if isinstance(whole, dict) else {}).items():
        found.update(_flat(key, value))
    for key, value in row.items():
        if key.startswith(_PREFIX):
            name = key.removeprefix(_PREFIX)
            found.update(_flat(name, _opened(name, value)))
    if (kind := row.get("span_kind")) and isinstance(kind, str) and kind != "UNKNOWN":
        found["openinference.span.kind"] = kind
    return _put_together(found)


def _opened(name: str, value: JSON) -> JSON:
    """What a cell of CSV stands for: pandas writes lists and objects as Python prints them, and counts as decimals."""
    if not isinstance(value, str):
        return value
    if name in (*_LISTS, *_JSON_TEXTS):
        opened = loosely(value)
        literal = python_literal(value.strip()) if isinstance(opened, str) else opened
        return value if literal is None else literal
    if name.startswith(_COUNTS) and (number := decimal_of(value)) is not None:
        return int(number) if number.is_integer() else number
    return value


def _flat(key: str, value: JSON) -> Iterator[tuple[str, JSON]]:
    """Objects and lists of objects taken apart into keys with dots; what is missing in a dataframe is left out."""
    match value:
        case None:
            return
        case float() if value != value:
            return
        case dict() if key.endswith(_WRITTEN_AS_JSON):
            yield key, json_text(value)
        case dict():
            for name, inner in value.items():
                yield from _flat(f"{key}.{name}", inner)
        case list() if any(isinstance(item, dict) for item in value):
            for number, inner in enumerate(value):
                yield from _flat(f"{key}.{number}", inner)
        case _:
            yield key, value


def _put_together(found: dict[str, JSON]) -> dict[str, JSON]:
    """The JSON texts again that the API gives as one key each for everything in them."""
    whole: dict[str, dict[str, JSON]] = {}
    kept: dict[str, JSON] = {}
    for key, value in found.items():
        name = next((name for name in _JSON_TEXTS if key.startswith(f"{name}.")), None)
        if name is None:
            kept[key] = value
        else:
            _put(whole.setdefault(name, {}), key[len(name) + 1 :].split("."), value)
    return {**{name: json_text(value) for name, value in whole.items()}, **kept}


def _put(place: dict[str, JSON], path: list[str], value: JSON) -> None:
    for step in path[:-1]:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = place[step] = {}
        place = inner
    place[path[-1]] = value


def _events(given: JSON) -> Iterator[tuple[str, JSON, dict[str, JSON]]]:
    given = loosely(given)
    for event in given if isinstance(given, list) else []:
        if isinstance(event, dict) and isinstance(name := event.get("name"), str):
            attributes = event.get("attributes")
            flat = dict(pair for pair in _flat("", attributes) if pair[0]) if isinstance(attributes, dict) else {}
            yield name, event.get("timestamp"), {key.removeprefix("."): value for key, value in flat.items()}


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""

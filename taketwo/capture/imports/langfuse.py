"""Exports of Langfuse: observations and traces out of its pages, its API and its blob storage.

A row becomes the span that Langfuse's own SDK sends (`langfuse.*` attributes). A trace, which is no span of its own
there, becomes the root of its observations, so that it brings them its session, its user and its scores, in whichever
order the two files are imported. Columns are camelCase in the API and on the pages, snake_case in blob storage.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final

from taketwo.capture.dialects.loose_json import as_object, decimal_of, loosely
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_records import Record
from taketwo.capture.imports.moment_texts import nanoseconds
from taketwo.capture.imports.rows import columns, rows
from taketwo.capture.imports.span_rows import SpanRow, json_text, or_unread, raw_span, together
from taketwo.errors import TraceUnreadable
from taketwo.span import RawSpan
from taketwo.value import JSON

_SCOPE: Final = "langfuse-sdk"

_OBSERVATION_MARKS: Final = (
    *("parent_observation_id", "completion_start_time", "status_message", "usage_details", "model_parameters"),
    *("level", "prompt_id", "provided_model_name"),
)
_TRACE_MARKS: Final = ("bookmarked", "release", "public", "user_id", "html_path", "observations")
_TRACE_COLUMNS: Final = frozenset(
    {
        *("id", "timestamp", "name", "user_id", "session_id", "release", "version", "environment", "tags", "public"),
        *("input", "output", "metadata", "latency", "usage", "level", "observation_count", "observations", "scores"),
        *("input_cost", "output_cost", "total_cost", "input_tokens", "output_tokens", "total_tokens", "bookmarked"),
        *("created_at", "updated_at", "project_id", "html_path", "comments", "cost_details", "usage_details"),
        *("external_id", "is_deleted", "event_ts", "error_count", "warning_count", "default_count", "debug_count"),
    }
)
"""What a row of the table of traces has; every other column that holds a list is a score, as its author named it."""

_TEXTS: Final = {
    "level": "langfuse.observation.level",
    "status_message": "langfuse.observation.status_message",
    "completion_start_time": "langfuse.observation.completion_start_time",
    "prompt_name": "langfuse.observation.prompt.name",
    "version": "langfuse.version",
    "trace_name": "langfuse.trace.name",
    "session_id": "session.id",
    "user_id": "user.id",
}
"""Columns of an observation that are attributes as they are."""

_JSON: Final = {
    "input": "langfuse.observation.input",
    "output": "langfuse.observation.output",
    "model_parameters": "langfuse.observation.model.parameters",
    "cost_details": "langfuse.observation.cost_details",
}
"""Columns of an observation that are JSON on the wire; a text in them is one already."""


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds observations or traces of Langfuse."""
    return is_row(columns(head))


def is_row(keys: AbstractSet[str]) -> bool:
    """Whether a row of these columns is an observation, a trace or a session of Langfuse's."""
    named = set(map(_snake, keys))
    is_observation = {"id", "trace_id", "type", "start_time"} <= named and bool(named & set(_OBSERVATION_MARKS))
    is_trace = {"id", "timestamp"} <= named and len(named & set(_TRACE_MARKS)) >= 2
    return is_observation or is_trace or {"id", "created_at", "project_id", "traces"} <= named


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The spans of the file."""
    return read_rows(rows(stream))


def read_rows(found: Iterable[Record | Unread]) -> Iterator[Imported]:
    """The spans of rows, wherever they come from."""
    return together(_spans(found))


def _spans(found: Iterable[Record | Unread]) -> Iterator[RawSpan | Unread]:
    for record in found:
        if isinstance(record, Unread):
            yield record
        elif isinstance(record.value, dict):
            yield from _row_spans(record.where, record.value)
        else:
            yield Unread(where=record.where, why="this is no row of a table of observations or traces")


def _row_spans(where: str, given: Mapping[str, JSON]) -> Iterator[RawSpan | Unread]:
    """The spans of a session with its traces, of a trace with its observations, or of one observation."""
    row = {_snake(key): value for key, value in given.items()}
    inner, what = next(
        ((row[name], name[:-1]) for name in ("traces", "observations") if isinstance(row.get(name), list)), ([], "")
    )
    if "traces" not in row:
        yield or_unread(where, lambda: raw_span(_observation(row) if "trace_id" in row else _trace(row, given)))
    for number, item in enumerate(inner, start=1):
        # A list of traces names their observations only by their ids.
        if isinstance(item, dict):
            told = {"sessionId": row.get("id"), **item} if what == "trace" else item
            yield from _row_spans(f"{where}, {what} {number}" if where else f"{what} {number}", told)


def _observation(row: Mapping[str, JSON]) -> SpanRow:
    trace, kind = _name(row.get("trace_id"), "trace id"), row.get("type")
    failed = row.get("level") == "ERROR"
    model = row.get("model") or row.get("provided_model_name")
    usage = _usage(row)
    return SpanRow(
        trace=trace,
        span=_name(row.get("id"), "id"),
        parent=_parent(row.get("parent_observation_id"), trace),
        name=_text(row.get("name")),
        start=row.get("start_time"),
        end=row.get("end_time"),
        failed=True if failed else None,
        message=_text(row.get("status_message")) if failed else "",
        attributes={
            "langfuse.observation.type": kind.lower() if isinstance(kind, str) else "span",
            **{key: _text(row.get(column)) or None for column, key in _TEXTS.items()},
            **{key: json_text(row[column]) for column, key in _JSON.items() if row.get(column) is not None},
            "langfuse.observation.model.name": _text(model) or None,
            "langfuse.observation.usage_details": json_text(usage) if usage else None,
            "langfuse.observation.prompt.version": row.get("prompt_version"),
            **_metadata("langfuse.observation.metadata", row.get("metadata")),
            **_place(row),
        },
        scope=_SCOPE,
        resource=_place(row),
    )


def _trace(row: Mapping[str, JSON], given: Mapping[str, JSON]) -> SpanRow:
    name = _name(row.get("id"), "id")
    if "timestamp" not in row:
        raise TraceUnreadable("the row is neither an observation with a trace id nor a trace with a timestamp")
    latency = decimal_of(row.get("latency"))
    end = _later(row.get("timestamp"), latency) if latency else None
    return SpanRow(
        trace=name,
        span=_root(name),
        name=_text(row.get("name")) or "trace",
        start=row.get("timestamp"),
        end=end,
        attributes={
            "langfuse.observation.type": "span",
            "langfuse.trace.name": _text(row.get("name")) or None,
            "langfuse.trace.input": _json_or_none(row.get("input")),
            "langfuse.trace.output": _json_or_none(row.get("output")),
            "langfuse.trace.tags": loosely(row.get("tags")) or None,
            "langfuse.version": _text(row.get("version")) or None,
            "session.id": _text(row.get("session_id")) or None,
            "user.id": _text(row.get("user_id")) or None,
            **_metadata("langfuse.trace.metadata", row.get("metadata")),
            **_place(row),
        },
        events=tuple(_scores(row, given)),
        scope=_SCOPE,
        resource=_place(row),
    )


def _later(timestamp: JSON, seconds: float) -> int | None:
    try:
        return nanoseconds(timestamp) + round(max(0.0, seconds) * 10**9)
    except (ValueError, OverflowError):
        # Where the timestamp is none, the row is refused for that.
        return None


def _parent(named: JSON, trace: str) -> str:
    return named if isinstance(named, str) and named else _root(trace)


def _root(trace: str) -> str:
    return f"trace {trace}"


def _usage(row: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """What was counted: details by name, else the three columns of older exports."""
    details = as_object(row.get("usage_details")) or as_object(row.get("usage"))
    flat = {"input": row.get("prompt_tokens"), "output": row.get("completion_tokens"), "total": row.get("total_tokens")}
    return details or {name: count for name, count in flat.items() if count is not None} or None


def _metadata(prefix: str, given: JSON) -> dict[str, JSON]:
    found = as_object(given)
    if found is None:
        return {prefix: given if isinstance(given, str) else json_text(given)} if given else {}
    return {f"{prefix}.{key}": value for key, value in found.items()}


def _place(row: Mapping[str, JSON]) -> dict[str, JSON]:
    """Environment and release, which scope a session's id."""
    named = {"langfuse.environment": row.get("environment"), "langfuse.release": row.get("release")}
    return {key: value for key, value in named.items() if isinstance(value, str) and value}


def _scores(row: Mapping[str, JSON], given: Mapping[str, JSON]) -> Iterator[tuple[str, JSON, dict[str, JSON]]]:
    """The scores as the events that OpenTelemetry has for them."""
    listed = loosely(row.get("scores"))
    for score in listed if isinstance(listed, list) else []:
        if isinstance(score, dict) and isinstance(name := score.get("name"), str):
            said = score.get("stringValue")
            yield _score(name, said if isinstance(said, str) and said else score.get("value"), score.get("timestamp"))
    for key, value in given.items():
        if _snake(key) not in _TRACE_COLUMNS and isinstance(values := loosely(value), list) and values:
            yield _score(key, values[0] if len(values) == 1 else values, None)


def _score(name: str, value: JSON, at: JSON) -> tuple[str, JSON, dict[str, JSON]]:
    said = "label" if isinstance(value, str) else "value"
    return (
        "gen_ai.evaluation.result",
        at,
        {"gen_ai.evaluation.name": name, f"gen_ai.evaluation.score.{said}": value},
    )


def _json_or_none(value: JSON) -> str | None:
    return None if value is None or value == "" else json_text(value)


def _name(value: JSON, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise TraceUnreadable(f"the row has no {what}")
    return value


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=1024)
def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key).lstrip("_")

"""Runs out of LangSmith: `list_runs`, the answers of its API and the parquet of its bulk export.

A run becomes the span that LangSmith's own OpenTelemetry exporter sends: inputs and outputs as JSON in `gen_ai.prompt`
and `gen_ai.completion`. A run's `session_id` is the project; the thread stands in its metadata.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from taketwo.capture.dialects.loose_json import as_object, decimal_of, loosely, number_of
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_records import Record
from taketwo.capture.imports.moment_texts import nanoseconds
from taketwo.capture.imports.rows import columns, rows
from taketwo.capture.imports.span_rows import SpanRow, json_text, or_unread, raw_span, together
from taketwo.errors import TraceUnreadable
from taketwo.span import RawSpan
from taketwo.value import JSON

_OPERATIONS: Final = {
    "llm": "chat",
    "tool": "execute_tool",
    "retriever": "embeddings",
    "embedding": "embeddings",
    "prompt": "chat",
}
_SETTINGS: Final = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "seed", "top_k")


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds runs of LangSmith."""
    return is_row(columns(head))


def is_row(keys: AbstractSet[str]) -> bool:
    """Whether a row of these columns is a run of LangSmith's."""
    return "run_type" in keys and bool(keys & {"trace_id", "dotted_order", "parent_run_id", "start_time"})


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
            yield from _run_spans(record.where, record.value)
        else:
            yield Unread(where=record.where, why="this is no run")


def _run_spans(where: str, run: Mapping[str, JSON]) -> Iterator[RawSpan | Unread]:
    """The span of a run and those of the runs inside it, where they were loaded with it."""
    waiting = [(where, run)]
    while waiting:
        place, one = waiting.pop()
        yield or_unread(place, partial(_span, one))
        inner = one.get("child_runs")
        for number, child in enumerate(inner if isinstance(inner, list) else [], start=1):
            if isinstance(child, dict):
                told = {"trace_id": one.get("trace_id") or one.get("id"), "parent_run_id": one.get("id")}
                waiting.append((f"{place}, child run {number}", {**told, **_given(child)}))


def _span(run: Mapping[str, JSON]) -> RawSpan:
    return raw_span(_row(run))


def _row(run: Mapping[str, JSON]) -> SpanRow:
    identity = run.get("id")
    if not isinstance(identity, str) or not identity:
        raise TraceUnreadable("the run has no id")
    if not isinstance(kind := run.get("run_type"), str):
        raise TraceUnreadable("the run has no run_type")
    above = [step.rpartition("Z")[2] for step in _text(run.get("dotted_order")).split(".")]
    trace = _text(run.get("trace_id")) or (above[0] if len(above) > 1 else "")
    parent = _text(run.get("parent_run_id")) or (above[-2] if len(above) > 1 else "")
    error = _text(run.get("error"))
    return SpanRow(
        trace=trace or identity,
        span=identity,
        parent=parent or None,
        name=_text(run.get("name")),
        start=run.get("start_time"),
        end=run.get("end_time"),
        failed=bool(error) if run.get("end_time") else None,
        message=error,
        attributes=_attributes(run, kind),
        events=(*_exception(run, error), *_feedback(run)),
        scope="langsmith",
    )


def _attributes(run: Mapping[str, JSON], kind: str) -> dict[str, JSON]:
    extra = as_object(run.get("extra")) or {}
    metadata = as_object(extra.get("metadata")) or as_object(run.get("metadata")) or {}
    asked = as_object(extra.get("invocation_params")) or as_object(metadata.get("invocation_params")) or {}
    tags = loosely(run.get("tags"))
    found: dict[str, JSON] = {
        "langsmith.span.kind": kind,
        "langsmith.trace.name": _text(run.get("name")) or None,
        "langsmith.trace.session_name": _text(run.get("session_name")) or None,
        "langsmith.trace.session_id": _text(run.get("session_id")) or None,
        "langsmith.span.tags": ", ".join(map(str, tags)) if isinstance(tags, list) and tags else None,
        "gen_ai.operation.name": _OPERATIONS.get(kind, kind),
        "gen_ai.prompt": _io(run.get("inputs")),
        "gen_ai.completion": _io(run.get("outputs")),
        **{f"langsmith.metadata.{key}": value for key, value in metadata.items()},
    }
    match kind:
        case "llm":
            return found | _model_call(run, metadata, asked)
        case "tool":
            return found | {"gen_ai.tool.name": _text(run.get("name")) or None, "gen_ai.tool.call.id": _call_id(run)}
        case _:
            return found


def _model_call(run: Mapping[str, JSON], metadata: Mapping[str, JSON], asked: Mapping[str, JSON]) -> dict[str, JSON]:
    inputs = as_object(run.get("inputs")) or {}
    outputs = as_object(run.get("outputs")) or {}
    model = next(
        (
            name
            for given in (
                metadata.get("ls_model_name"),
                asked.get("model"),
                asked.get("model_name"),
                inputs.get("model"),
            )
            if (name := _text(given))
        ),
        None,
    )
    return {
        "gen_ai.system": _text(metadata.get("ls_provider")) or None,
        "gen_ai.request.model": model,
        "gen_ai.response.model": _text(outputs.get("model")) or None,
        "gen_ai.response.id": _text(outputs.get("id")) or None,
        "gen_ai.tool.definitions": json_text(asked["tools"]) if asked.get("tools") else None,
        "gen_ai.usage.input_tokens": number_of(run.get("prompt_tokens")),
        "gen_ai.usage.output_tokens": number_of(run.get("completion_tokens")),
        "gen_ai.cost.total": decimal_of(run.get("total_cost")),
        "gen_ai.response.time_to_first_chunk": _first_token(run),
        **{f"gen_ai.request.{name}": asked.get(name) for name in _SETTINGS},
    }


def _first_token(run: Mapping[str, JSON]) -> float | None:
    try:
        begun, first = nanoseconds(run.get("start_time")), nanoseconds(run.get("first_token_time"))
    except (ValueError, OverflowError):
        return None
    return (first - begun) / 1e9 if 0 < begun <= first else None


def _call_id(run: Mapping[str, JSON]) -> str | None:
    """The id of the model's call that LangChain's tool message repeats."""
    gave = (as_object(run.get("outputs")) or {}).get("output")
    message = as_object(gave) or {}
    inner = as_object(message.get("kwargs")) or message
    return _text(inner.get("tool_call_id")) or None


def _exception(run: Mapping[str, JSON], error: str) -> Iterator[tuple[str, JSON, dict[str, JSON]]]:
    if error:
        yield "exception", run.get("end_time"), {"exception.type": "Exception", "exception.message": error}


def _feedback(run: Mapping[str, JSON]) -> Iterator[tuple[str, JSON, dict[str, JSON]]]:
    """The averages of the run's feedback, as the events that OpenTelemetry has for scores."""
    for key, stats in (as_object(run.get("feedback_stats")) or {}).items():
        average = decimal_of(stats.get("avg")) if isinstance(stats, dict) else None
        if average is not None:
            said = {"gen_ai.evaluation.name": key, "gen_ai.evaluation.score.value": average}
            yield "gen_ai.evaluation.result", run.get("end_time"), said


def _io(value: JSON) -> str | None:
    return None if value is None or value == "" else json_text(value)


def _given(run: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in run.items() if value is not None}


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""

"""Spans that an agent made while a row was replayed: they belong to the row, and are never listed as production."""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.capture.identity import ROW_MARK
from taketwo.capture.otlp import decode_span
from taketwo.errors import NotFound
from taketwo.sdk.api.executions import CallExecution
from taketwo.server.flow.executions import CALLS
from taketwo.server.flow.shelf import Flow, Listed, Place, Shelf
from taketwo.span import RawSpan, Span
from taketwo.value import Value

KEYS = ("gen_ai.simulator.call_execution_id", "fi.simulator.call_execution_id")


class CallSpan(Value):
    """A span of a row."""

    call_execution_id: str
    """The row."""
    project: str
    """Its project."""
    source: str | None
    """The conversation that the row came from."""
    span: Span
    """The span."""
    also_of: tuple[str, ...] = ()
    """Further ones."""


SPANS = Shelf(
    "call_span",
    CallSpan,
    lambda one: f"{one.span.trace_id}/{one.span.span_id}",
    lambda one: Place(
        project=one.project,
        parent=one.call_execution_id,
        position=one.span.start_ns,
        source=one.source,
        also_of=one.also_of,
    ),
)


def keep_spans_of_rows(flow: Flow, spans: Sequence[RawSpan]) -> list[RawSpan]:
    """Keep those that belong to a row of this server with it; gives the others."""
    others: list[RawSpan] = []
    for raw in spans:
        if (call := _call_of(flow, raw)) is None:
            others.append(raw)
        else:
            span = decode_span(raw)
            kept = CallSpan(
                call_execution_id=call.id, project=call.project, source=call.source, also_of=call.also_of, span=span
            )
            flow.documents.put(SPANS.document(kept))
            _forget_if_deleted(flow, call, kept)
    return others


def _forget_if_deleted(flow: Flow, call: CallExecution, kept: CallSpan) -> None:
    """Drop a span whose row went with its conversation while the span came."""
    try:
        CALLS.get(flow, call.id)
    except NotFound:
        SPANS.remove(flow, SPANS.document(kept).id)


def spans_of(flow: Flow, call_id: str, *, limit: int, after: str | None = None) -> Listed[Span]:
    """The spans of a row by start. Raises NotFound."""
    CALLS.get(flow, call_id)
    page = SPANS.page(flow, parent=call_id, limit=limit, after=after, newest_first=False)
    return Listed([one.span for one in page.things], page.next)


def _call_of(flow: Flow, raw: RawSpan) -> CallExecution | None:
    if ROW_MARK not in raw.body:
        return None
    attributes = decode_span(raw).attributes
    named = next((id for key in KEYS if isinstance(id := attributes.get(key), str)), None)
    try:
        return CALLS.get(flow, named) if named else None
    except NotFound:
        return None  # another server's

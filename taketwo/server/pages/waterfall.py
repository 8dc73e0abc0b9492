"""Spans over time, each under the one that began it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from taketwo.span import Span

MOST_SPANS = 500
"""Spans that one page shows; the others are counted."""
DEEPEST = 6
"""Further levels are drawn like this one."""
LEAST_WIDTH = 0.4
"""In percent: a span that takes no time can be seen, too."""


class Bar(NamedTuple):
    """One span as it is drawn."""

    span: Span
    """The span."""
    depth: int
    """How many spans it stands under, up to `DEEPEST`."""
    start: float
    """Where its bar begins, in percent of the whole."""
    width: float
    """How long its bar is, in percent of the whole."""
    took_ms: float | None
    """How long it took; None where it has no end."""


def waterfall(spans: Sequence[Span]) -> list[Bar]:
    """The spans in the order in which one began the other; a parent that is not among them is none."""
    there = {(span.trace_id, span.span_id) for span in spans}
    children: dict[tuple[str, str] | None, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        parent = (span.trace_id, span.parent_id) if span.parent_id else None
        children.setdefault(parent if parent in there else None, []).append(span)
    known = [ns for span in spans for ns in (span.start_ns, span.end_ns) if ns]
    first, last = min(known, default=0), max(known, default=0)
    return [_bar(span, depth, first, max(last - first, 1)) for span, depth in _walked(children)]


def _walked(children: dict[tuple[str, str] | None, list[Span]]) -> Iterator[tuple[Span, int]]:
    """Parents before children; spans that name each other as parents come at the end."""
    waiting = [(span, 0) for span in reversed(children.pop(None, []))]
    while waiting or children:
        if not waiting:
            waiting = [(span, 0) for span in reversed(children.pop(next(iter(children))))]
        span, depth = waiting.pop()
        yield span, depth
        under = children.pop((span.trace_id, span.span_id), [])
        waiting += [(child, min(depth + 1, DEEPEST)) for child in reversed(under)]


def _bar(span: Span, depth: int, first: int, whole: int) -> Bar:
    start = 100 * max(span.start_ns - first, 0) / whole if span.start_ns else 0.0
    took = (span.end_ns - span.start_ns) if span.end_ns and span.start_ns else None
    width = 0.0 if took is None else 100 * max(took, 0) / whole
    return Bar(
        span=span,
        depth=depth,
        start=round(min(start, 100 - LEAST_WIDTH), 3),
        width=round(max(LEAST_WIDTH, min(width, 100 - start)), 3),
        took_ms=None if took is None else took / 1e6,
    )

"""The spans that the agent under test makes by itself: all of them belong to a trace that bears the run's id.

Each is marked in its `tracestate`, so that whoever receives it can tell it from production; `propagation` does the same
for agents elsewhere.
"""

from __future__ import annotations

import random
import sys

RUN = "taketwo.run.id"
"""In the baggage: the run."""


def join_trace(run_id: str) -> None:
    """Make what OpenTelemetry records in this context part of the run; nothing where it is not loaded."""
    if "opentelemetry.trace" not in sys.modules:
        return
    from opentelemetry import baggage, context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    parent = SpanContext(
        trace_id=int(run_id, 16),
        # Any but zero will do: the parent is the replay itself, which sends no spans.
        span_id=random.getrandbits(63) + 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState([("taketwo", run_id)]),
    )
    joined = set_span_in_context(NonRecordingSpan(parent), context.get_current())
    context.attach(baggage.set_baggage(RUN, run_id, joined))

"""Tells an agent elsewhere which replay it is in, by the headers that OpenTelemetry carries on by itself.

`traceparent` makes the agent's own spans part of a trace that bears the run's id, `tracestate` marks each of them as
made in a replay, and `baggage` goes on to whatever the agent calls, such as the tools.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from urllib.parse import quote

from taketwo.replay.agents import Exchange

RUN, CASE, RECORDED_AT = "taketwo.run.id", "taketwo.case.id", "taketwo.recorded_at"
"""Names in the baggage."""
RECORDED_AT_HEADER = "x-taketwo-recorded-at"
"""When the line was said in the recording: what `now` is for the agent."""
TRACE_STATE = "taketwo"
"""Our key in `tracestate`; its value is the run's id."""


def headers(exchange: Exchange) -> dict[str, str]:
    """The headers of a request that belongs to this turn."""
    there = exchange.recorded_at
    found = {
        # Any span id but zero will do: the parent is the replay itself, which sends no spans.
        "traceparent": f"00-{exchange.execution_id}-{random.getrandbits(63) + 1:016x}-01",
        "tracestate": f"{TRACE_STATE}={exchange.execution_id}",
        "baggage": ",".join(f"{name}={quote(value)}" for name, value in baggage(exchange).items()),
    }
    return found if there is None else found | {RECORDED_AT_HEADER: moment(there)}


def baggage(exchange: Exchange) -> dict[str, str]:
    """Which run and case this turn belongs to, and when its line was recorded."""
    there = exchange.recorded_at
    known = {RUN: exchange.execution_id, CASE: exchange.case_id}
    return known if there is None else known | {RECORDED_AT: moment(there)}


def moment(at: datetime) -> str:
    """`2026-03-14T09:26:53Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

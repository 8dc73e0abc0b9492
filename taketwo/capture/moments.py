"""Nanoseconds of spans as moments and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 4_102_444_800 * 10**9
"""The year 2100: a clock that shows more is no clock."""


def moment(ns: int) -> datetime | None:
    """The moment, UTC; None when there is none or it is out of this world."""
    return _EPOCH + timedelta(microseconds=ns // 1000) if 0 < ns < _LAST_NS else None


def milliseconds(start_ns: int, end_ns: int) -> float | None:
    """The time between two moments, 0 where clocks disagree; None where one is missing."""
    if moment(start_ns) is None or moment(end_ns) is None:
        return None
    return max(0, end_ns - start_ns) / 1e6

"""Moments as exports write them: ISO texts with and without a zone, and counts of seconds down to nanoseconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

from taketwo.value import JSON

_ISO: Final = re.compile(r"(?P<second>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))?(?P<zone>.*)")
_SECONDS_END: Final = 10**11
_MILLISECONDS_END: Final = 10**14
_MICROSECONDS_END: Final = 10**17


def nanoseconds(value: JSON) -> int:
    """The moment in nanoseconds since 1970; 0 where there is none.

    A text without a zone is UTC. The unit of a number shows in its size: today is 1.8e9 seconds, 1.8e12 milliseconds.
    Raises ValueError for what is no moment.
    """
    match value:
        case None | "":
            return 0
        case bool():
            raise ValueError("a boolean is no moment")
        case int() | float():
            return _counted(value)
        case str() if found := _ISO.fullmatch(value.strip()):
            zone = found["zone"].strip().replace("UTC", "+00:00")
            second = datetime.fromisoformat(found["second"] + zone)
            second = second if second.tzinfo is not None else second.replace(tzinfo=UTC)
            return int(second.timestamp()) * 10**9 + int((found["fraction"] or "")[:9].ljust(9, "0"))
        case str():
            return _counted(float(value) if "." in value else int(value))
        case _:
            raise ValueError("this is no moment")


def _counted(number: float) -> int:
    if not math.isfinite(number):
        return 0
    if number < 0:
        raise ValueError("the moment lies before 1970")
    if number < _SECONDS_END:
        # A float of seconds is exact to less than a microsecond, not to a nanosecond.
        return round(number * 10**6) * 1000
    if number < _MILLISECONDS_END:
        return round(number * 10**6)
    return round(number * 10**3) if number < _MICROSECONDS_END else int(number)

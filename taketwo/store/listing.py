"""Where a listing goes on, and times as the store counts them."""

from __future__ import annotations

from datetime import UTC, datetime

from taketwo.errors import NotFound

LATEST_NS = 2**63 - 1
"""SQLite's largest number; later than any moment."""


def cursor(first_ns: int, key: int) -> str:
    """The place after a row."""
    return f"{first_ns}-{key}"


def place(cursor: str | None) -> tuple[int, int]:
    """The row that a cursor stands after; None for the beginning. Raises NotFound where it is none."""
    if cursor is None:
        return LATEST_NS, LATEST_NS
    first_ns, _, key = cursor.rpartition("-")
    try:
        found = int(first_ns), int(key)
    except ValueError:
        found = (LATEST_NS + 1, 0)
    if max(map(abs, found)) > LATEST_NS:
        raise NotFound(f"there is no place {cursor!r} in this listing", where="after", todo="leave the cursor out")
    return found


def moment(ns: int) -> datetime | None:
    """The moment to the microsecond, without the rounding of floats; None where nobody said."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return None if ns == 0 else datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)


def moment_ns(at: datetime | None) -> int:
    """Nanoseconds since 1970; 0 where nobody said."""
    return 0 if at is None else int(at.timestamp() * 1_000_000) * 1_000

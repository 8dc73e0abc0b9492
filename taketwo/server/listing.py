"""What is asked of a listing, the same way by programs and by people."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from taketwo.errors import BadSetting
from taketwo.store.summary import ConversationSummary, TraceSummary
from taketwo.value import Value

ROWS = 50
"""Rows of a listing, when no number is asked for."""
MOST_ROWS = 500
"""Rows of a listing at most."""


class Asked(Value):
    """One page of a listing."""

    project: str | None
    """In this project; None for all of them."""
    limit: int
    """So many rows at most."""
    after: str | None
    """After this cursor; None from the beginning."""


def asked_listing(request: Request) -> Asked:
    """`project`, `limit` and `after` of an address. Raises BadSetting."""
    asked = request.query_params
    limit = asked.get("limit", str(ROWS))
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MOST_ROWS):
        raise BadSetting(f"{limit!r} is no number of rows", where="limit", todo=f"name one from 1 to {MOST_ROWS}")
    return Asked(project=asked.get("project") or None, limit=int(limit), after=asked.get("after") or None)


def following(rows: Sequence[ConversationSummary] | Sequence[TraceSummary], limit: int) -> str | None:
    """Where the next page begins; None where this one is the last."""
    return rows[-1].cursor if len(rows) == limit else None

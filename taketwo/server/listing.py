"""What is asked of a listing, the same way by programs and by people."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from taketwo.errors import BadFilter, BadSetting
from taketwo.select.filters import All, parse
from taketwo.select.filters import Asked as Question
from taketwo.store import Store
from taketwo.store.search import NEWEST_FIRST, UserSummary, read_order
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
    filter: str = ""
    """The filter as it was written; empty for everything."""
    sort: str = "-started"
    """What it is sorted by, with a minus sign for the largest first."""


def asked_listing(request: Request) -> Asked:
    """`project`, `limit`, `after`, `filter` and `sort` of an address. Raises BadSetting."""
    asked = request.query_params
    limit = asked.get("limit", str(ROWS))
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MOST_ROWS):
        raise BadSetting(f"{limit!r} is no number of rows", where="limit", todo=f"name one from 1 to {MOST_ROWS}")
    return Asked(
        project=asked.get("project") or None,
        limit=int(limit),
        after=asked.get("after") or None,
        filter=asked.get("filter", "").strip(),
        sort=asked.get("sort") or "-started",
    )


def understood(request: Request) -> tuple[Asked, BadFilter | None]:
    """What is asked of a list, and what is wrong with its filter: a person sees that under the box."""
    asked = asked_listing(request)
    try:
        parse(asked.filter)
    except BadFilter as error:
        return asked, error
    return asked, None


def listed_conversations(store: Store, asked: Asked, *, only_voice: bool = False) -> list[ConversationSummary]:
    """The conversations of one page. Raises BadFilter, BadSetting, NotFound."""
    chosen, order = parse(asked.filter), read_order(asked.sort)
    if only_voice:
        chosen = All((Question("channel", ":", "voice"), chosen))
    if chosen == All(()) and order == NEWEST_FIRST:
        # By the rows themselves, which know also what nobody has read yet.
        return list(store.summaries(asked.project, limit=asked.limit, after=asked.after))
    return list(store.search.conversations(chosen, asked.project, order=order, limit=asked.limit, after=asked.after))


def listed_traces(store: Store, asked: Asked) -> list[TraceSummary]:
    """The traces of one page. Raises BadFilter, NotFound."""
    if not asked.filter:
        return list(store.traces(asked.project, limit=asked.limit, after=asked.after))
    return list(store.search.traces(parse(asked.filter), asked.project, limit=asked.limit, after=asked.after))


def unread(store: Store, asked: Asked) -> int:
    """How many conversations have something new that the page does not show yet. Only the first page tells."""
    return 0 if asked.after else store.search.unread(asked.project)


def following(rows: Sequence[ConversationSummary | TraceSummary | UserSummary], limit: int) -> str | None:
    """Where the next page begins; None where this one is the last."""
    return rows[-1].cursor if len(rows) == limit else None

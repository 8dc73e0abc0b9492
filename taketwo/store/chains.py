"""Talks of which no span names the session, as they were read last: a trace that goes on from one is added to it.

Whether it does, its first model call and the last one of every other talk tell; the rest of those need not be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from taketwo.store.echoes import Untold
from taketwo.store.filed import Row
from taketwo.store.grouping import Group
from taketwo.store.growing import Kept, KeptSince, Tails
from taketwo.store.links import untold_as

if TYPE_CHECKING:
    from taketwo.capture.chaining import Talked
    from taketwo.capture.grown import Grown
    from taketwo.capture.trace_tree import Read

MOST_TAILS = 2
"""Of a trace that comes in pieces, what was said before it is needed again."""


class Newcomer(NamedTuple):
    """A trace that is new, or that more came for."""

    key: int
    """Its key."""
    trace_id: str
    """Its id."""
    group: Group
    """Its spans."""
    talked: Talked
    """What it tells of."""
    read: Read
    """What has read its spans."""


class GoneOn(NamedTuple):
    """A talk that the newcomer was added to."""

    row: Row
    """The conversation."""
    grown: Grown
    """All that was found in it."""
    tails: Tails
    """See `Kept`."""
    answered: frozenset[str]
    """See `Kept`."""


def go_on(
    row: Row, own: Kept | None, newcomer: Newcomer, others: Mapping[Row, Kept], sessions: KeptSince
) -> GoneOn | None:
    """Add a newcomer to the talk that it goes on from, or begin one with it; None where all must be read together.

    `own` is what was kept of the conversation in which it is filed, `others` of those that it may belong to.
    """
    from taketwo.capture.chaining import Ends

    base = _without(own, newcomer.key) if own is not None else ()
    if base is None:
        return None
    tails = {id(kept.tails[-1][1]): (one, kept.tails) for one, kept in others.items()}
    if base:
        tails[id(base[-1][1])] = (row, base)
    ends = Ends()
    for _, (_, some) in sorted(tails.items(), key=lambda one: one[1][1][-1][1].start_ns):
        ends.add(some[-1][1])
    all_kept = [*others.values(), *([own] if own is not None else [])]
    if not _is_later(newcomer.talked, [some for _, some in tails.values()], all_kept):
        return None
    before = ends.take(newcomer.talked)
    into, some = tails[id(before)] if before is not None else (row, ())
    if base and (before is None or into != row):
        return None
    if not some and newcomer.group.name != row.name:  # the trace that the talk began with has left it
        return None
    if into != row:
        sessions.take(row.id)
    return _added(into, some, own if into == row else others[into], newcomer, sessions)


def _without(own: Kept, key: int) -> Tails | None:
    """The tails before the newcomer; None where it is not the last trace, or they are not known."""
    if key not in own.versions:
        return own.tails or None
    if not own.tails or own.tails[-1][0] != key:
        return None
    before = own.tails[:-1]
    return before if before or len(own.versions) == 1 else None


def _is_later(newcomer: Talked, tails: Sequence[Tails], kept: Sequence[Kept]) -> bool:
    """Whether it began after all others, and goes on from none of their earlier traces."""
    earlier = {one.response_id for some in tails for _, one in some[:-1]}
    earlier |= {response for one in kept for response in one.answered}
    return newcomer.previous_id not in earlier - {None} and all(
        some[-1][1].start_ns < newcomer.start_ns for some in tails
    )


def _added(into: Row, tails: Tails, kept: Kept | None, newcomer: Newcomer, sessions: KeptSince) -> GoneOn | None:
    from taketwo.capture.grown import Grown, parts

    grown = Grown()
    if kept is not None:
        if sessions.take(into.id) is not kept:
            return None
        grown = kept.grown
        ids = newcomer.group.trace_ids
        gone = grown.take_back(ids, newcomer.talked.start_ns)
        if gone is None or not gone <= ids:
            return None
    if not all(grown.add(*part, read=newcomer.read) for part in parts(newcomer.group.spans, newcomer.group.logs)):
        return None
    now = (*tails, (newcomer.key, replace(newcomer.talked, opening=[])))
    answered = kept.answered if kept is not None else frozenset()
    answered |= {one.response_id for _, one in now[:-MOST_TAILS] if one.response_id}
    return GoneOn(into, grown, now[-MOST_TAILS:], answered)


def tails_of(group: Group, keys: Mapping[str, int]) -> tuple[Tails, frozenset[str], Untold]:
    """The tails of a talk of which all was read, the responses before them, and what others may tell better of it.

    `keys` are those of its traces.
    """
    from taketwo.capture.chaining import talked

    traces: dict[str, Group] = {}
    for span in group.spans:
        traces.setdefault(span.trace_id, group.but(spans=[], logs=[])).spans.append(span)
    for record in group.logs:
        traces.setdefault(record.trace_id, group.but(spans=[], logs=[])).logs.append(record)
    every = sorted(
        ((keys[id], talked(one.spans, one.logs)) for id, one in traces.items()), key=lambda one: one[1].start_ns
    )
    answered = frozenset(one.response_id for _, one in every[:-MOST_TAILS] if one.response_id)
    return tuple(every[-MOST_TAILS:]), answered, {key: untold_as(one.responses) for key, one in every}

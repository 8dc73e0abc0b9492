"""Files what arrives: into traces, and under the conversations that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taketwo.errors import StoreBusy
from taketwo.span import RawSpan
from taketwo.store.chunks import SPANS, Packed, is_error, more_complete, pack, read_keys
from taketwo.store.database import Connection
from taketwo.store.indexing import forget_facts
from taketwo.store.listing import LATEST_NS
from taketwo.store.statements import SQL


def keep(connection: Connection, project: str, arrivals: Sequence[Packed]) -> int:
    """Store what is new of the arrivals, and mark the conversations it belongs to; gives the number of records."""
    key = project_key(connection, project)
    return sum(keep_one(connection, key, packed) for packed in arrivals)


def project_key(connection: Connection, project: str) -> int:
    """The project's key; makes the project."""
    found = connection.execute(SQL["find_project"], (project,)).fetchone()
    if found is None:
        connection.execute(SQL["add_project"], (project,))
        found = connection.execute(SQL["find_project"], (project,)).fetchone()
    return int(found[0])


class Sums(msgspec.Struct, frozen=True):
    """What arrivals add to the sums of a trace and of its conversations."""

    spans: int
    """Spans that were not there."""
    errors: int
    """Those with an error, less those that are replaced."""
    first_ns: int
    """The earliest start; 0 where none is known."""
    last_ns: int
    """The latest start or end."""


def keep_one(connection: Connection, project_id: int, packed: Packed) -> int:
    """The same for the records of one trace."""
    found = connection.execute(SQL["find_trace"], {"trace_id": packed.trace_id, "project_id": project_id}).fetchone()
    there: dict[int, int] = {}
    if found is not None:
        there = _weights(connection, found[0], packed.kind)
        came, packed = packed, _without(packed, there)
        unused = came.large.keys() - packed.large.keys()
        connection.executemany(SQL["release_large"], [(came.large[key],) for key in unused])
        if not packed.records:
            return 0
    sums = sums_of(packed, there)
    trace = _grow_trace(connection, project_id, found and found[0], packed.trace_id, sums)
    connection.executemany(SQL["add_envelope"], packed.envelopes.items())
    connection.execute(SQL["add_chunk"], (trace, packed.kind, packed.keys, packed.body))
    own_large(connection, trace, packed)
    _file(connection, project_id, trace, packed, sums)
    return len(packed.records)


def own_large(connection: Connection, trace: int, packed: Packed) -> None:
    """Note whose the large bodies of a chunk are. Raises StoreBusy where they were given up meanwhile."""
    for name in packed.large.values():
        if not connection.execute(SQL["own_large"], (trace, name)).rowcount:
            raise StoreBusy("its large bodies were swept before it could be stored", todo="send it again")


def _weights(connection: Connection, trace: int, kind: int) -> dict[int, int]:
    """How complete what is already there is, by key."""
    weights: dict[int, int] = {}
    for (keys,) in connection.execute(SQL["chunk_keys"], (trace, kind)):
        for key, weight in read_keys(keys):
            if more_complete(weight, weights.get(key, -1)):
                weights[key] = weight
    return weights


def _without(packed: Packed, there: dict[int, int]) -> Packed:
    """Only what is new or more complete than what is there."""
    kept = {
        key: record for key, record in packed.records.items() if more_complete(packed.weights[key], there.get(key, -1))
    }
    if len(kept) == len(packed.records):
        return packed
    large = {key: name for key, name in packed.large.items() if key in kept}
    return pack(packed.trace_id, packed.kind, kept, large)


def sums_of(packed: Packed, there: Mapping[int, int]) -> Sums:
    """The sums of records, of which some replace others: those by key, each with how complete it was."""
    spans = [record for record in packed.records.values() if isinstance(record, RawSpan)]
    replaced = [there[key] for key in packed.records if key in there]
    # What is later than a column can hold is a mistake of the sender and counts as unknown.
    starts = [span.start_ns for span in spans if 0 < span.start_ns <= LATEST_NS]
    ends = [span.end_ns for span in spans if span.end_ns <= LATEST_NS]
    return Sums(
        spans=len(spans) - len(replaced),
        errors=sum(span.is_error for span in spans) - sum(map(is_error, replaced)),
        first_ns=min(starts, default=0),
        last_ns=max(starts + ends, default=0),
    )


def _grow_trace(connection: Connection, project_id: int, trace: int | None, trace_id: bytes, sums: Sums) -> int:
    if trace is not None:
        connection.execute(SQL["grow_trace"], {"id": trace, **_columns(sums)})
        return trace
    row = {"project_id": project_id, "trace_id": trace_id, **_columns(sums)}
    (added,) = connection.execute(SQL["add_trace"], row).fetchone()
    return int(added)


def _file(connection: Connection, project_id: int, trace: int, packed: Packed, sums: Sums) -> None:
    """Mark every conversation that the arrival belongs to, and make those that it names for the first time."""
    before = dict(connection.execute(SQL["conversations_of_trace"], (trace,)).fetchall())
    named = {open_conversation(connection, project_id, name, "session") for name in sessions_in(packed)}
    if not named and not before and packed.kind == SPANS:
        named = {open_conversation(connection, project_id, packed.trace_id.hex(), "trace")}
    for conversation in named | before.keys():
        if conversation not in before:
            join(connection, conversation, trace)
        elif before[conversation] == "trace" and named and conversation not in named:
            leave(connection, conversation, trace)
        else:
            connection.execute(SQL["grow_conversation"], {"id": conversation, **_columns(sums)})


def sessions_in(packed: Packed) -> list[str]:
    """The sessions that its records name."""
    return sorted({record.session_id for record in packed.records.values() if record.session_id})


def open_conversation(connection: Connection, project_id: int, name: str, origin: str) -> int:
    """The key of a conversation, which is made where it is missing. `origin` is `session` or `trace`."""
    row = {"project_id": project_id, "name": name, "origin": origin}
    (conversation,) = connection.execute(SQL["open_conversation"], row).fetchone()
    return int(conversation)


def join(connection: Connection, conversation: int, trace: int) -> None:
    """Add a whole trace to a conversation."""
    connection.execute(SQL["join"], (conversation, trace))
    first_ns, last_ns, spans, errors = connection.execute(SQL["trace_sums"], (trace,)).fetchone()
    sums = Sums(spans=spans, errors=errors, first_ns=first_ns, last_ns=last_ns)
    connection.execute(SQL["grow_conversation"], {"id": conversation, **_columns(sums)})


def leave(connection: Connection, conversation: int, trace: int) -> None:
    """Take a trace out of a conversation; without any left it is gone."""
    connection.execute(SQL["leave"], (conversation, trace))
    if connection.execute(SQL["is_empty"], {"id": conversation}).fetchone():
        forget_facts(connection, conversation)
    connection.execute(SQL["drop_reading_of_empty"], {"id": conversation})
    connection.execute(SQL["drop_empty_conversation"], {"id": conversation})
    connection.execute(SQL["recount_conversation"], (conversation,))


def _columns(sums: Sums) -> dict[str, Any]:
    return msgspec.structs.asdict(sums)

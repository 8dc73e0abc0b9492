"""Files what arrives in PostgreSQL: of what was never seen a whole request with a handful of statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from taketwo.store.arrivals import Sums, keep_one, own_large, project_key, sessions_in, sums_of
from taketwo.store.chunks import SPANS, Packed
from taketwo.store.database import Connection
from taketwo.store.statements import named_statements

ARRIVALS: Final = named_statements(Path(__file__).with_name("arrivals_postgresql.sql"))
"""The statements, by name."""


class CopyingConnection(Connection, Protocol):
    """A connection that takes rows as a stream."""

    def copy(self, statement: str, types: Sequence[str], rows: Iterable[Sequence[Any]], /) -> None:
        """Send rows to a COPY of binary form, whose columns have these types."""


def keep_together(connection: CopyingConnection, project: str, arrivals: Sequence[Packed]) -> int:
    """As `arrivals.keep` does it, also while others keep the same: each trace is locked until the transaction ends."""
    project_id = project_key(connection, project)
    # In one order everywhere, so that no two wait for each other.
    arrivals = sorted(arrivals, key=lambda packed: packed.trace_id)
    sums = [sums_of(packed, {}) for packed in arrivals]
    rows = connection.execute(
        ARRIVALS["add_traces"],
        {"project_id": project_id, "trace_ids": [packed.trace_id for packed in arrivals], **_columns(sums)},
    ).fetchall()
    known = [key for key, _, is_new in rows if not is_new]
    if known:
        connection.execute(ARRIVALS["lock_conversations"], {"traces": known})
    new = {bytes(trace_id): key for key, trace_id, is_new in rows if is_new}
    fresh = [
        (new[packed.trace_id], packed, its)
        for packed, its in zip(arrivals, sums, strict=True)
        if packed.trace_id in new
    ]
    if fresh:
        _keep_fresh(connection, project_id, fresh)
    kept = sum(len(packed.records) for _, packed, _ in fresh)
    return kept + sum(keep_one(connection, project_id, packed) for packed in arrivals if packed.trace_id not in new)


def _keep_fresh(connection: CopyingConnection, project_id: int, fresh: Sequence[tuple[int, Packed, Sums]]) -> None:
    envelopes = {name: body for _, packed, _ in fresh for name, body in packed.envelopes.items()}
    hashes = sorted(envelopes)
    connection.execute(ARRIVALS["add_envelopes"], {"hashes": hashes, "bodies": [envelopes[name] for name in hashes]})
    rows = ((key, packed.kind, packed.keys, packed.body) for key, packed, _ in fresh)
    connection.copy(ARRIVALS["add_chunks"], ("int8", "int2", "bytea", "bytea"), rows)
    for key, packed, _ in fresh:
        own_large(connection, key, packed)
    _open(connection, project_id, fresh)


def _open(connection: CopyingConnection, project_id: int, fresh: Sequence[tuple[int, Packed, Sums]]) -> None:
    """Mark the conversations that the traces belong to, and make those that are missing."""
    traces: dict[str, list[tuple[int, Sums]]] = {}
    sessions: set[str] = set()
    for key, packed, sums in fresh:
        named = sessions_in(packed)
        sessions.update(named)
        # Log records alone make no conversation.
        for name in named or ([packed.trace_id.hex()] if packed.kind == SPANS else []):
            traces.setdefault(name, []).append((key, sums))
    if not traces:
        return
    names = sorted(traces)
    wanted = {
        "project_id": project_id,
        "names": names,
        "origins": ["session" if name in sessions else "trace" for name in names],
        "changes": [len(traces[name]) for name in names],
        **_columns([_added([sums for _, sums in traces[name]]) for name in names]),
    }
    keys = {name: key for key, name in connection.execute(ARRIVALS["open_conversations"], wanted).fetchall()}
    pairs = [(keys[name], trace) for name in names for trace, _ in traces[name]]
    connection.execute(
        ARRIVALS["join_all"], {"conversations": [key for key, _ in pairs], "traces": [trace for _, trace in pairs]}
    )


def _columns(sums: Sequence[Sums]) -> dict[str, list[int]]:
    return {
        "first_ns": [one.first_ns for one in sums],
        "last_ns": [one.last_ns for one in sums],
        "spans": [one.spans for one in sums],
        "errors": [one.errors for one in sums],
    }


def _added(parts: Sequence[Sums]) -> Sums:
    return Sums(
        spans=sum(one.spans for one in parts),
        errors=sum(one.errors for one in parts),
        first_ns=min((one.first_ns for one in parts if one.first_ns), default=0),
        last_ns=max(one.last_ns for one in parts),
    )

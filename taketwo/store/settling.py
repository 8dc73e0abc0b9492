"""Reads conversations out of stored spans, and files traces anew where their spans say that they belong elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from taketwo.conversation import Conversation
from taketwo.span import RawLog, RawSpan
from taketwo.store import chunks
from taketwo.store.arrivals import join, leave, open_conversation, project_key
from taketwo.store.bodies import packed
from taketwo.store.grouping import Group, Material, decoded, groups, read, together
from taketwo.store.links import links
from taketwo.store.statements import SQL
from taketwo.store.summary import summarise

MOST_CANDIDATES = 100
"""How many traces that may belong together are looked at with one of them."""

Envelopes: TypeAlias = Callable[[bytes], bytes]
"""Finds an envelope by its hash."""


class Row(msgspec.Struct, frozen=True):
    """A conversation as it is filed."""

    id: int
    """Its key."""
    project: str
    """Its project."""
    name: str
    """Its id."""
    origin: str
    """`session`, `trace` or `import`."""
    changes: int
    """Grows with whatever arrives."""
    settled: int
    """The value of `changes` when it was last read out of its spans."""


class Finding(msgspec.Struct, frozen=True):
    """What the spans of a conversation say, before it is filed."""

    row: Row
    """The conversation that was looked at."""
    seen: dict[int, int]
    """`changes` of each conversation that was looked at, by key: what was found holds only as long as they do."""
    traces: dict[str, int]
    """Keys of the traces that were looked at, by trace id."""
    groups: list[Group]
    """How they belong together."""
    readings: dict[str, Conversation]
    """The conversations of those groups of which all was seen, by id."""
    links: dict[int, frozenset[int]]
    """The links of traces without a session, by key."""

    @property
    def moves_traces(self) -> bool:
        """Whether traces are filed elsewhere than where they belong."""
        if len(self.groups) != 1 or len(self.seen) != 1:
            return True
        group = self.groups[0]
        is_same = (group.name, group.is_session) == (self.row.name, self.row.origin == "session")
        return not is_same or group.trace_ids != frozenset(self.traces)


def row_of(connection: sqlite3.Connection, key: int) -> Row | None:
    """The conversation of a key; None when it has gone into another."""
    found = connection.execute(SQL["conversation_row"], (key,)).fetchone()
    return None if found is None else Row(*found)


def look(connection: sqlite3.Connection, row: Row, envelope: Envelopes) -> Finding:
    """Find out what the spans of a conversation say."""
    seen = {row.id: row.changes}
    materials = _materials(connection, row.id, envelope)
    linked: dict[int, frozenset[int]] = {}
    if row.origin == "trace":
        linked = {trace: links(*decoded(material)) for (trace, _), material in materials.items()}
        for other in _candidates(connection, row, linked):
            seen[other.id] = other.changes
            materials |= _materials(connection, other.id, envelope)
    found = groups(together(materials.values()))
    whole = [group for group in found if group.name == row.name or not group.is_session]
    return Finding(
        row=row,
        seen=seen,
        traces={trace_id: trace for trace, trace_id in materials},
        groups=found,
        readings={group.name: read(group, row.project) for group in whole},
        links=linked,
    )


def file(connection: sqlite3.Connection, finding: Finding) -> bool:
    """Keep what was found; False if something arrived meanwhile, so that it must be looked at again."""
    for key, changes in finding.seen.items():
        row = row_of(connection, key)
        if row is None or row.changes != changes:
            return False
    if any(other.id not in finding.seen for other in _candidates(connection, finding.row, finding.links)):
        return False
    project_id = project_key(connection, finding.row.project)
    keys = {
        group.name: open_conversation(connection, project_id, group.name, "session" if group.is_session else "trace")
        for group in finding.groups
    }
    for trace_id, trace in finding.traces.items():
        wanted = {keys[group.name] for group in finding.groups if trace_id in group.trace_ids}
        there = {key for key, _ in connection.execute(SQL["conversations_of_trace"], (trace,))}
        for key in wanted - there:
            join(connection, key, trace)
        for key in there - wanted:
            leave(connection, key, trace)
    for trace, hashes in finding.links.items():
        connection.execute(SQL["drop_links"], (trace,))
        connection.executemany(SQL["add_link"], [(project_id, number, trace) for number in sorted(hashes)])
    for name, conversation in finding.readings.items():
        connection.execute(SQL["settle"], {"id": keys[name], "summary": summarise(conversation).to_json().decode()})
        connection.execute(SQL["put_reading"], (keys[name], packed(conversation)))
    return True


def material_of(connection: sqlite3.Connection, key: int, envelope: Envelopes) -> Material:
    """All spans and log records of the traces of a conversation."""
    return together(_materials(connection, key, envelope).values())


def _materials(connection: sqlite3.Connection, key: int, envelope: Envelopes) -> dict[tuple[int, str], Material]:
    """By key and id of the trace."""
    return {
        (trace, trace_id.hex()): _material(connection, trace, trace_id, envelope)
        for trace, trace_id in connection.execute(SQL["traces_of_conversation"], (key,)).fetchall()
    }


def _material(connection: sqlite3.Connection, trace: int, trace_id: bytes, envelope: Envelopes) -> Material:
    bodies: dict[int, list[bytes]] = {chunks.SPANS: [], chunks.LOGS: []}
    for kind, body in connection.execute(SQL["chunks_of_trace"], (trace,)):
        bodies[kind].append(body)
    spans: list[RawSpan] = chunks.unpack_spans(trace_id, bodies[chunks.SPANS], envelope)
    logs: list[RawLog] = chunks.unpack_logs(trace_id, bodies[chunks.LOGS], envelope)
    return Material(spans=spans, logs=logs)


def _candidates(connection: sqlite3.Connection, row: Row, linked: Mapping[int, Iterable[int]]) -> list[Row]:
    """Other conversations without a session that share a link."""
    found: dict[int, Row] = {}
    for number in sorted(frozenset().union(*linked.values())):
        wanted: dict[str, Any] = {"link": number, "project": row.project, "limit": MOST_CANDIDATES}
        for other in connection.execute(SQL["linked_conversations"], wanted):
            found[other[0]] = Row(*other)
    found.pop(row.id, None)
    return list(found.values())[:MOST_CANDIDATES]

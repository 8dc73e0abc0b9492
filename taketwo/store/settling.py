"""Reads conversations out of stored spans, and files traces anew where their spans say that they belong elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from taketwo.conversation import Conversation
from taketwo.span import RawLog, RawSpan
from taketwo.store import chunks
from taketwo.store.arrivals import join, leave, open_conversation, project_key
from taketwo.store.bodies import packed
from taketwo.store.chains import Newcomer, go_on, tails_of
from taketwo.store.database import Connection
from taketwo.store.echoes import Untold, echoes_among, link
from taketwo.store.facts import Facts, facts_of
from taketwo.store.filed import Envelopes, Row
from taketwo.store.grouping import Group, Material, groups, read, together
from taketwo.store.growing import Kept, KeptSince, Version, grow, versions_of
from taketwo.store.indexing import index
from taketwo.store.links import BEGINS, ENDS, Links, links, links_of, told_as
from taketwo.store.statements import SQL

if TYPE_CHECKING:
    from taketwo.capture.grown import Grown

MOST_CANDIDATES = 20
"""How many others that may belong to a conversation are looked at with it; many talks begin with the same greeting."""


class Before(msgspec.Struct, frozen=True):
    """The reading of a conversation as it was kept last."""

    key: int
    """The key of the conversation."""
    changes: int
    """`changes` of it then."""
    reading: Conversation
    """What was kept."""


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
    facts: dict[str, Facts]
    """What those conversations are found by, by id."""
    links: dict[int, Links]
    """The links of its traces by key; of a session that goes on, only of those that more came for."""
    candidates: frozenset[int]
    """Keys of other conversations that were looked at because they might belong to it."""
    moves_traces: bool
    """Whether traces are filed elsewhere than where they belong."""
    untold: Untold = {}
    """What others might tell better of the traces that could belong to a conversation without a session."""
    echoes: frozenset[int] = frozenset()
    """Keys of those traces that others do tell better, so that they belong nowhere."""
    before: Before | None = None
    """The reading that one of these takes the place of; None where it is not known."""
    is_last: bool = True
    """Whether nothing more need be looked at; not where it takes in a conversation whose links are of what it was."""


def row_of(connection: Connection, key: int) -> Row | None:
    """The conversation of a key; None when it has gone into another."""
    found = connection.execute(SQL["conversation_row"], (key,)).fetchone()
    return None if found is None else Row(*found)


def look(
    connection: Connection,
    row: Row,
    envelope: Envelopes,
    finish: Callable[[Conversation], Conversation] = lambda conversation: conversation,
    sessions: KeptSince | None = None,
) -> Finding:
    """Find out what the spans of a conversation say; `finish` has the last word.

    Of `sessions` those that are kept there are grown, and what is found is kept.
    """
    if sessions is None:
        return _look_at_all(connection, row, envelope, finish)[0]
    if row.origin != "session":
        return _look_at_trace(connection, row, envelope, finish, sessions)
    versions = versions_of(connection, row.id)
    kept = sessions.take(row.id)
    if kept is not None and kept.name == row.name:
        material = partial(material_of_trace, connection, envelope=envelope)
        if (reading := grow(kept, versions, material, row.project)) is not None:
            reading = finish(reading)
            now = Kept(row.name, versions, kept.grown, row.changes, reading, facts_of(reading, kept.facts))
            sessions.put(row.id, now)
            came = {key: one[0].hex() for key, one in versions.items() if kept.versions.get(key) != one}
            return _as_filed(row, now, Before(row.id, kept.changes, kept.reading), _told_by(kept.grown, came))
    finding, found_in = _look_at_all(connection, row, envelope, finish)
    if row.name in found_in and not finding.moves_traces:
        reading, facts = finding.readings[row.name], finding.facts[row.name]
        sessions.put(row.id, Kept(row.name, versions, found_in[row.name], row.changes, reading, facts))
    return finding


def _look_at_trace(
    connection: Connection,
    row: Row,
    envelope: Envelopes,
    finish: Callable[[Conversation], Conversation],
    sessions: KeptSince,
) -> Finding:
    """The same for a conversation of which no span names the session."""
    finding = _go_on(connection, row, envelope, finish, sessions)
    if finding is not None:
        return finding
    finding, found_in = _look_at_all(connection, row, envelope, finish)
    versions: dict[int, Version] = {}
    rows = {one.name: one for key in finding.seen if (one := row_of(connection, key)) is not None}
    for one in rows.values():
        versions |= versions_of(connection, one.id)
    for group in finding.groups:
        if group.name in found_in and group.name in rows:
            there = rows[group.name]
            keys = {trace_id: finding.traces[trace_id] for trace_id in group.trace_ids}
            tails, answered, weaker = tails_of(group, keys)
            own = {key: versions[key] for key in keys.values()}
            reading, facts = finding.readings[group.name], finding.facts[group.name]
            kept = Kept(group.name, own, found_in[group.name], there.changes, reading, facts, tails, answered, weaker)
            sessions.put(there.id, kept)
    return finding


def _go_on(
    connection: Connection,
    row: Row,
    envelope: Envelopes,
    finish: Callable[[Conversation], Conversation],
    sessions: KeptSince,
) -> Finding | None:
    """The finding where one trace simply goes on from what is kept, or begins a talk; None where all must be read."""
    from taketwo.capture.reconstruct import tell

    versions, own = versions_of(connection, row.id), sessions.look(row.id)
    if own is not None and (own.name != row.name or not own.versions.keys() <= versions.keys()):
        own = None
    came = [key for key, version in versions.items() if own is None or own.versions.get(key) != version]
    if len(came) != 1:
        return None
    newcomer = _newcomer(connection, came[0], versions[came[0]][0], envelope)
    if newcomer is None:
        return None
    linked = {newcomer.key: links(newcomer.talked)}
    untold = {**(own.untold if own is not None else {}), newcomer.key: linked[newcomer.key].untold}
    if echoes_among(connection, row.project, untold):
        return None
    others = _as_kept(connection, _candidates(connection, row, linked), sessions)
    gone = go_on(row, own, newcomer, others, sessions) if others is not None else None
    if gone is None or others is None:
        return None
    into = gone.row
    reading = finish(tell(gone.grown, project=row.project).but(id=into.name, session_id=None))
    traces = others[into].versions if into in others else own.versions if own is not None else {}
    now = {**traces, newcomer.key: versions[newcomer.key]}
    last = others.get(into) or own
    facts = facts_of(reading, last.facts if last is not None else None)
    changes = into.changes + (into != row)  # to file the trace there is a change, too
    weaker = {**(last.untold if last is not None else {}), **untold}
    kept = Kept(into.name, now, gone.grown, changes, reading, facts, gone.tails, gone.answered, weaker)
    sessions.put(into.id, kept)
    return Finding(
        row=row,
        seen={one.id: one.changes for one in (row, into)},
        traces={newcomer.trace_id: newcomer.key},
        groups=[newcomer.group.but(name=into.name)],
        readings={into.name: reading},
        facts={into.name: facts},
        links=linked,
        untold=untold,
        candidates=frozenset(one.id for one in others),
        moves_traces=into != row,
        before=Before(into.id, last.changes, last.reading) if last is not None else None,
    )


def _newcomer(connection: Connection, key: int, trace_id: bytes, envelope: Envelopes) -> Newcomer | None:
    """The trace with what it tells of; None where it names a session, or makes no conversation."""
    from taketwo.capture.chaining import talked
    from taketwo.capture.trace_tree import ReadOnce

    found = groups(material_of_trace(connection, key, trace_id, envelope))
    if [(one.is_session, one.trace_ids) for one in found] != [(False, frozenset([trace_id.hex()]))]:
        return None
    read = ReadOnce()
    return Newcomer(key, trace_id.hex(), found[0], talked(found[0].spans, found[0].logs, read), read)


def _as_kept(connection: Connection, rows: Iterable[Row], sessions: KeptSince) -> dict[Row, Kept] | None:
    """What is kept of these conversations; None where one of them is not known as it is now."""
    found: dict[Row, Kept] = {}
    for one in rows:
        kept = sessions.look(one.id)
        if kept is None or not kept.tails or kept.name != one.name or kept.versions != versions_of(connection, one.id):
            return None
        if one.changes != one.settled:  # others may tell it better since
            return None
        found[one] = kept
    return found


def _as_filed(row: Row, now: Kept, before: Before, linked: dict[int, Links]) -> Finding:
    """The finding where a session is what it was, and goes on."""
    return Finding(
        row=row,
        seen={row.id: row.changes},
        traces={},
        groups=[],
        readings={row.name: now.reading},
        facts={row.name: now.facts},
        links=linked,
        candidates=frozenset(),
        moves_traces=False,
        before=before,
    )


def _look_at_all(
    connection: Connection,
    row: Row,
    envelope: Envelopes,
    finish: Callable[[Conversation], Conversation],
) -> tuple[Finding, dict[str, Grown]]:
    """Read all that there is; gives also what was found in each conversation that was read."""
    from taketwo.capture.grown import grown

    materials = {row: _materials(connection, row.id, envelope)}
    linked: dict[int, Links] = {}
    untold: Untold = {}
    changed: list[Row] = []
    if row.origin == "trace":
        linked = {trace: links_of(material) for (trace, _), material in materials[row].items()}
        candidates = {one: _materials(connection, one.id, envelope) for one in _candidates(connection, row, linked)}
        # What is settled was no echo then, and is unsettled as soon as others tell more.
        changed = [one for one in candidates if one.changes != one.settled]
        untold = {trace: found.untold for trace, found in linked.items()}
        untold |= {trace: links_of(part).untold for one in changed for (trace, _), part in candidates[one].items()}
        materials |= candidates
    echoes = echoes_among(connection, row.project, untold)
    read_of = (one for some in materials.values() for (trace, _), one in some.items() if trace not in echoes)
    found = groups(together(read_of))
    filed = {one: {trace_id: trace for trace, trace_id in some} for one, some in materials.items()}
    # Most candidates stay what they are, and are neither read again nor waited for.
    others = {one for one in filed if one != row and any(_is_filed(group, one, filed[one]) for group in found)}
    found = [group for group in found if not any(_is_filed(group, one, filed[one]) for one in others)]
    # Of other sessions not all traces were seen, and of a trace that left a session not who may belong to it.
    whole = [group for group in found if (group.name == row.name if row.origin == "session" else not group.is_session)]
    found_in = {group.name: grown(group.spans, group.logs) for group in whole}
    readings = {group.name: finish(read(group, row.project, found_in[group.name])) for group in whole}
    seen = [one for one in filed if one not in others]
    if row.origin == "session":
        whole_traces = _only_in(row.name, found)
        told = found_in[row.name].told if row.name in found_in else {}
        linked = {
            trace: Links(told=told_as(told.get(trace_id, ()))) if trace_id in whole_traces else links_of(material)
            for (trace, trace_id), material in materials[row].items()
        }
    finding = Finding(
        row=row,
        seen={one.id: one.changes for one in seen},
        traces={trace_id: trace for one in seen for trace_id, trace in filed[one].items()},
        groups=found,
        readings=readings,
        facts={name: facts_of(reading) for name, reading in readings.items()},
        links=linked,
        untold=untold,
        candidates=frozenset(one.id for one in filed if one != row),
        moves_traces=not (len(found) == len(seen) == 1 and _is_filed(found[0], row, filed[row])),
        echoes=echoes,
        is_last=others.issuperset(changed),
    )
    return finding, found_in


def _is_filed(group: Group, row: Row, traces: Mapping[str, int]) -> bool:
    """Whether a group is just what a conversation is."""
    named = (group.name, group.is_session) == (row.name, row.origin == "session")
    return named and group.trace_ids == frozenset(traces)


def file(connection: Connection, finding: Finding, *, is_first_look: bool) -> bool:
    """Keep what was found; False if something of it has changed meanwhile, so that it must be looked at again.

    After the first look it must also be alone still: another process may have filed what belongs to it meanwhile.
    """
    for key, changes in finding.seen.items():
        row = row_of(connection, key)
        if row is None or row.changes != changes:
            return False
        mine = finding.row
        if key == mine.id and (row.project, row.name) != (mine.project, mine.name):  # deleted, and its key given again
            return False
    if not echoes_among(connection, finding.row.project, finding.untold) <= finding.echoes:
        return False
    if is_first_look and finding.row.origin == "trace":
        others = {other.id for other in _candidates(connection, finding.row, finding.links)}
        if not others <= finding.candidates:
            return False
    project_id = project_key(connection, finding.row.project)
    before = _still_kept(connection, finding.before)
    keys = _move(connection, finding, project_id) if finding.moves_traces else {finding.row.name: finding.row.id}
    for trace, found in finding.links.items():
        link(connection, project_id, trace, found)
    for name, conversation in finding.readings.items():
        connection.execute(SQL["settle"], (keys[name],))
        index(
            connection,
            keys[name],
            conversation,
            finding.facts[name],
            before if before is not None and before.id == name else None,
        )
        connection.execute(SQL["put_reading"], (keys[name], packed(conversation)))
        if not finding.is_last:
            connection.execute(SQL["look_again"], (keys[name],))
    return True


def _still_kept(connection: Connection, before: Before | None) -> Conversation | None:
    """The reading before, if it is what is kept: another process may have kept one since."""
    row = row_of(connection, before.key) if before is not None else None
    return before.reading if before is not None and row is not None and row.settled == before.changes else None


def _told_by(found: Grown, traces: Mapping[int, str]) -> dict[int, Links]:
    """The links of a session's traces, whose ids are given by key: only what responses they tell of."""
    return {trace: Links(told=told_as(found.told.get(trace_id, ()))) for trace, trace_id in traces.items()}


def _only_in(name: str, found: Iterable[Group]) -> frozenset[str]:
    """The traces of which no other conversation than the one of that session has a part."""
    mine = frozenset[str]().union(*(group.trace_ids for group in found if group.is_session and group.name == name))
    return mine.difference(*(group.trace_ids for group in found if not (group.is_session and group.name == name)))


def _move(connection: Connection, finding: Finding, project_id: int) -> dict[str, int]:
    """File traces where they belong; gives the keys of the conversations by id."""
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
    return keys


def material_of(connection: Connection, key: int, envelope: Envelopes) -> Material:
    """All spans and log records of the traces of a conversation."""
    return together(_materials(connection, key, envelope).values())


def _materials(connection: Connection, key: int, envelope: Envelopes) -> dict[tuple[int, str], Material]:
    """By key and id of the trace."""
    return {
        (trace, trace_id.hex()): material_of_trace(connection, trace, trace_id, envelope)
        for trace, trace_id in connection.execute(SQL["traces_of_conversation"], (key,)).fetchall()
    }


def material_of_trace(connection: Connection, trace: int, trace_id: bytes, envelope: Envelopes) -> Material:
    """All spans and log records of one trace, by its key and its id."""
    bodies: dict[int, list[bytes]] = {chunks.SPANS: [], chunks.LOGS: []}
    for kind, body in connection.execute(SQL["chunks_of_trace"], (trace,)):
        bodies[kind].append(body)
    spans: list[RawSpan] = chunks.unpack_spans(trace_id, bodies[chunks.SPANS], envelope)
    logs: list[RawLog] = chunks.unpack_logs(trace_id, bodies[chunks.LOGS], envelope)
    return Material(spans=spans, logs=logs)


def untold_in(connection: Connection, trace: int, trace_id: bytes, envelope: Envelopes) -> frozenset[int]:
    """The responses of a trace that others may tell better, by all their hashes."""
    found = links_of(material_of_trace(connection, trace, trace_id, envelope))
    return frozenset[int]().union(*found.untold)


def _candidates(connection: Connection, row: Row, linked: Mapping[int, Links]) -> list[Row]:
    """Other conversations without a session that end as this one begins, or begin as it ends."""
    ends = [number for one in linked.values() for number in one.ends]
    begins = [number for one in linked.values() for number in one.begins]
    found: list[tuple[int, Row]] = []
    for role, mine in ((ENDS, begins), (BEGINS, ends)):
        wanted = {"hashes": json.dumps(mine), "role": role, "project": row.project, "limit": MOST_CANDIDATES}
        rows = connection.execute(SQL["linked_conversations"], wanted).fetchall() if mine else []
        found += [(sharing, Row(*other)) for *other, sharing in rows]
    # What few share first: hundreds may have got no further than the same greeting.
    others = {other.id: other for _, other in sorted(found, key=lambda one: one[0]) if other.id != row.id}
    return list(others.values())[:MOST_CANDIDATES]

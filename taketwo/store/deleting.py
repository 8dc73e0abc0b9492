"""Deletes conversations out of the tables: their spans, also from chunks that hold others, and all the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from taketwo.span import RawLog
from taketwo.store import chunks
from taketwo.store.arrivals import keep, leave, project_key
from taketwo.store.bodies import unpacked
from taketwo.store.database import Connection
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.store.grouping import Material
from taketwo.store.indexing import SEARCH, forget_facts
from taketwo.store.project import Deleted
from taketwo.store.settling import material_of_trace, row_of
from taketwo.store.statements import SQL
from taketwo.verdict import CaseResult

PAGE_OF_CHUNKS: Final = 200


def forget(connection: Connection, doomed: Sequence[Doomed], envelope: Envelopes) -> Forgotten:
    """Delete conversations that have not changed since they were looked at."""
    deleted, envelopes, changed = Deleted(), frozenset[bytes](), []
    for one in doomed:
        row = row_of(connection, one.row.id)
        if row is None:
            continue
        if row.changes != one.row.changes or (one.part is None and has_shared_traces(connection, row.id)):
            changed.append(row.id)
            continue
        traces = connection.execute(SQL["traces_of_conversation"], (row.id,)).fetchall()
        forget_facts(connection, row.id)
        project_id = project_key(connection, row.project)
        for name in (row.name, *(trace_id.hex() for _, trace_id in traces)):
            connection.execute(SEARCH["drop_feedback"], {"conversation": name, "project_id": project_id})
        for statement in ("drop_reading", "drop_memberships", "drop_conversation"):
            connection.execute(SQL[statement], (row.id,))
        connection.execute(SQL["count_deletion"], (row.project,))
        spans = 0
        for trace, trace_id in traces:
            gone, names = _forget_in_trace(connection, row.project, trace, trace_id, one.part, envelope)
            spans, envelopes = spans + gone, envelopes | names
        deleted += Deleted(conversations=1, spans=spans)
    return Forgotten(deleted, envelopes, tuple(changed))


def has_shared_traces(connection: Connection, key: int) -> bool:
    """Whether another conversation has a part of one of its traces."""
    return connection.execute(SQL["shares_traces"], {"id": key}).fetchone() is not None


def forget_trace(connection: Connection, trace: int) -> frozenset[bytes]:
    """Delete a whole trace; gives its envelopes."""
    names = _envelope_names(connection, trace)
    for statement in ("drop_links", "drop_chunks", "release_large_of_trace", "drop_trace"):
        connection.execute(SQL[statement], (trace,))
    return names


def forget_results(connection: Connection, conversations: Collection[str]) -> int:
    """Delete the results of replays of these conversations, given by id; gives how many."""
    deleted, ids = 0, frozenset(conversations)
    for key, body in connection.execute(SQL["result_bodies"]).fetchall():
        result = unpacked(body, CaseResult)
        if not ids.isdisjoint((result.recorded_id, *result.also_of)):
            connection.executemany(SQL["drop_run"], [(attempt.run.id, key) for attempt in result.attempts])
            connection.execute(SQL["drop_result"], (key,))
            deleted += 1
    connection.execute(SQL["drop_empty_suites"])
    return deleted


class Look(msgspec.Struct, frozen=True):
    """What a look at the chunks of a file has found, without keeping others from writing."""

    unused: frozenset[bytes]
    """Envelopes that none of them has."""
    newest: int
    """Key of the newest of them."""
    deletions: int
    """How much had been deleted before."""


def look_for(connection: Connection, names: frozenset[bytes], *, at_most: int | None = None) -> Look | None:
    """Look whether any chunk still has these envelopes; None where that takes more than `at_most` chunks."""
    (newest,), (deletions,) = (connection.execute(SQL[name]).fetchone() for name in ("newest_chunk", "deletions"))
    unused, complete = _unused(connection, names, newest, 0, at_most)
    return Look(unused, newest, deletions) if complete else None


def drop_envelopes(connection: Connection, look: Look) -> bool:
    """Delete envelopes that nothing has; False if something was deleted since the look, so that it must be repeated."""
    if connection.execute(SQL["deletions"]).fetchone() != (look.deletions,):
        return False
    (newest,) = connection.execute(SQL["newest_chunk"]).fetchone()
    unused, _ = _unused(connection, look.unused, newest, look.newest, None)
    connection.executemany(SQL["drop_envelope"], [(name,) for name in unused])
    return True


def _forget_in_trace(
    connection: Connection,
    project: str,
    trace: int,
    trace_id: bytes,
    part: Material | None,
    envelope: Envelopes,
) -> tuple[int, frozenset[bytes]]:
    """Delete a conversation's part of a trace; gives how many spans that were, and their envelopes."""
    others = [key for key, _ in connection.execute(SQL["conversations_of_trace"], (trace,))]
    (_, _, before, _) = connection.execute(SQL["trace_sums"], (trace,)).fetchone()
    if not others or part is None:
        return before, forget_trace(connection, trace)
    material = material_of_trace(connection, trace, trace_id, envelope)
    kept = _without(material, part)
    if not (kept.spans or kept.logs):
        for key in others:
            leave(connection, key, trace)
        return before, forget_trace(connection, trace)
    names = _envelope_names(connection, trace)
    connection.execute(SQL["drop_links"], (trace,))
    connection.execute(SQL["drop_chunks"], (trace,))
    connection.execute(SQL["release_large_of_trace"], (trace,))
    connection.execute(SQL["empty_trace"], (trace,))
    keep(connection, project, chunks.pack_spans(kept.spans) + chunks.pack_logs(kept.logs))
    for key in others:
        connection.execute(SQL["recount_conversation"], (key,))
    return before - len(kept.spans), names


def _without(material: Material, part: Material) -> Material:
    spans = {(span.trace_id, span.span_id) for span in part.spans}
    logs = {_log_key(log) for log in part.logs}
    return Material(
        spans=[span for span in material.spans if (span.trace_id, span.span_id) not in spans],
        logs=[log for log in material.logs if _log_key(log) not in logs],
    )


def _log_key(log: RawLog) -> tuple[str, int]:
    return log.trace_id, chunks.log_key(log)


def _envelope_names(connection: Connection, trace: int) -> frozenset[bytes]:
    bodies = connection.execute(SQL["chunks_of_trace"], (trace,)).fetchall()
    return frozenset(name for kind, body in bodies for name in chunks.envelope_names(kind, body))


def _unused(
    connection: Connection, names: frozenset[bytes], newest: int, oldest: int, at_most: int | None
) -> tuple[frozenset[bytes], bool]:
    """Which of the names no chunk after the oldest has; and whether all were looked at that had to be."""
    unused, looked = set(names), 0
    while unused and newest > oldest:
        place = {"newest": newest, "oldest": oldest, "limit": PAGE_OF_CHUNKS}
        page = connection.execute(SQL["chunks_before"], place).fetchall()
        if not page:
            break
        for key, kind, body in page:
            unused -= chunks.envelope_names(kind, body)
            newest = key - 1
        looked += len(page)
        if at_most is not None and looked >= at_most and unused:
            return frozenset(unused), False
    return frozenset(unused), True

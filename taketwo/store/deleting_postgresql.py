"""Deletes conversations out of PostgreSQL, a page of them with a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taketwo.store import chunks
from taketwo.store.database import Connection
from taketwo.store.deleting import forget
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.store.project import Deleted
from taketwo.store.statements import named_statements

DELETING: Final = named_statements(Path(__file__).with_name("deleting_postgresql.sql"))
"""The statements, by name."""


def forget_together(connection: Connection, doomed: Sequence[Doomed], envelope: Envelopes) -> Forgotten:
    """As `deleting.forget` does it; one by one only those that share traces with others."""
    alone = [one.row for one in doomed if one.part is None]
    shared = forget(connection, [one for one in doomed if one.part is not None], envelope)
    if not alone:
        return shared
    looked = {"keys": [row.id for row in alone], "changes": [row.changes for row in alone]}
    rows = connection.execute(DELETING["unchanged"], looked).fetchall()
    projects = {key: project_id for key, project_id, _ in rows}
    left = [row.id for row in alone if row.id not in projects]
    changed = [key for (key,) in connection.execute(DELETING["there"], {"keys": left})] if left else []
    traces = connection.execute(DELETING["their_traces"], {"keys": list(projects)}).fetchall()
    keys = {"keys": list(projects), "traces": [trace for trace, *_ in traces]}
    found = connection.execute(DELETING["their_chunks"], {"traces": keys["traces"]})
    envelopes = frozenset(name for kind, body in found for name in chunks.envelope_names(kind, body))
    named = [(name, project_id) for _, project_id, name in rows]
    named += [(trace_id.hex(), projects[key]) for _, trace_id, _, key in traces]
    feedback = {"names": [name for name, _ in named], "projects": [project_id for _, project_id in named]}
    connection.execute(DELETING["drop_their_feedback"], feedback)
    connection.execute(DELETING["drop_them"], keys)
    connection.execute(DELETING["count_deletions"], {"projects": sorted(set(projects.values()))})
    gone = Deleted(conversations=len(rows), spans=sum(spans for _, _, spans, _ in traces))
    return Forgotten(shared.deleted + gone, shared.envelopes | envelopes, (*shared.changed, *changed))

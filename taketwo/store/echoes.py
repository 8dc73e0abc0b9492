"""Traces that others tell better, see `capture.echoes`: they belong to no conversation as long as others do.

The hashes of what a trace tells and of what others may tell better lie among its links. Whoever files a trace looks
whether it is an echo. When another one tells more or less than before, those that this may concern are looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from taketwo.store.arrivals import join, open_conversation
from taketwo.store.database import Connection
from taketwo.store.links import BEGINS, ENDS, Links
from taketwo.store.statements import SQL

Untold: TypeAlias = Mapping[int, frozenset[frozenset[int]]]
"""By key of a trace its responses that others may tell better, each by all its names."""


def echoes_among(connection: Connection, project: str, untold: Untold) -> frozenset[int]:
    """Those of which others tell all responses, and better than they do."""

    def is_told(number: int, trace: int) -> bool:
        wanted = {"hash": number, "project": project, "trace": trace}
        return connection.execute(SQL["is_told"], wanted).fetchone() is not None

    return frozenset(
        trace
        for trace, responses in untold.items()
        if responses and all(any(is_told(number, trace) for number in names) for names in responses)
    )


def link(connection: Connection, project_id: int, trace: int, found: Links) -> None:
    """Keep the links of a trace in place of those it had, and have those looked at again whom that concerns."""
    there = {(role, number) for role, number in connection.execute(SQL["links_of_trace"], (trace,)).fetchall()}
    ends, begins = found.ends | found.told, found.begins.union(*found.untold)
    wanted = {(ENDS, number) for number in ends} | {(BEGINS, number) for number in begins}
    new, gone = wanted - there, there - wanted
    connection.executemany(SQL["drop_link"], [(project_id, number, role, trace) for role, number in gone])
    connection.executemany(SQL["add_link"], [(project_id, number, role, trace) for role, number in new])
    told = [(project_id, number) for role, number in new if role == ENDS and number in found.told]
    connection.executemany(SQL["look_again_at_untold"], told)
    for number in (number for role, number in gone if role == ENDS):
        _bring_back(connection, project_id, number)


def _bring_back(connection: Connection, project_id: int, number: int) -> None:
    """Traces that were hidden because another one told that response stand alone until they are looked at again."""
    for trace, trace_id in connection.execute(SQL["hidden_by"], (project_id, number)).fetchall():
        join(connection, open_conversation(connection, project_id, bytes(trace_id).hex(), "trace"), trace)

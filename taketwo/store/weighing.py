"""How much a project keeps, as its quota counts it: spans and log records, the objects beside them, and recordings."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from taketwo.blobs import Blobs
from taketwo.store.database import Connection, Readers
from taketwo.store.statements import SQL
from taketwo.store.writer import Writer

MOST_WEIGHED: Final = 1_000
"""Of how many recordings the size is looked up when somebody asks; of the others when somebody asks again."""
_KEPT: Final = ("stored_in_chunks", "stored_beside_chunks", "stored_in_recordings")


def stored_bytes(readers: Readers, writer: Writer, recordings: Blobs, project: str) -> int:
    """The bytes of all that a project keeps; each recording once, however many conversations refer to it."""
    _weigh(readers, writer, recordings, project)
    with readers.snapshot() as connection:
        return sum(int(connection.execute(SQL[name], (project,)).fetchone()[0]) for name in _KEPT)


def _weigh(readers: Readers, writer: Writer, recordings: Blobs, project: str) -> None:
    """Note how large recordings are of which it is not known yet; one that is missing takes no room."""
    with readers.snapshot() as connection:
        wanted = {"project": project, "limit": MOST_WEIGHED}
        names = [name for (name,) in connection.execute(SQL["unweighed_recordings"], wanted)]
    parts = {name: recordings.part(name, 0, 0) for name in names}
    if parts:
        rows = [(0 if part is None else part.size, name) for name, part in parts.items()]
        writer.do(partial(_note, rows=rows))


def _note(connection: Connection, *, rows: list[tuple[Any, ...]]) -> None:
    connection.executemany(SQL["weigh_recording"], rows)

"""Documents in a table."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from taketwo.store.chunks import COMPRESSION_LEVEL
from taketwo.store.database import Connection, Readers, by_column
from taketwo.store.documents import ANY, Change, Document
from taketwo.store.documents_memory import already_there, not_found
from taketwo.store.listing import LATEST_NS, moment, moment_ns, place
from taketwo.store.statements import named_statements
from taketwo.store.writer import Writer

DOCUMENTS: Final = named_statements(Path(__file__).with_name("documents.sql"))
"""The statements about documents, by name."""
_BEFORE_ALL: Final = (-LATEST_NS, -LATEST_NS)
_AFTER_ALL: Final = (LATEST_NS, LATEST_NS)


class TableDocuments:
    """Keeps them in one table."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        """Use the connections of the store."""
        self._readers = readers
        self._writer = writer

    def add(self, documents: Sequence[Document]) -> None:
        """See `Documents`. Compressing is done by the calling thread."""
        rows = [_row(document) for document in documents]
        self._writer.do(partial(_add, documents=documents, rows=rows))

    def put(self, document: Document) -> None:
        """See `Documents`."""
        row = _row(document)
        self._writer.do(partial(_put_row, document=document, row=row))

    def get(self, kind: str, id: str) -> Document:
        """See `Documents`."""
        with self._readers.snapshot() as connection:
            return _get(connection, kind, id)

    def with_key(self, kind: str, key: str, project: str | None) -> Document | None:
        """See `Documents`."""
        values = {"kind": kind, "key": key, "project": project}
        with self._readers.snapshot() as connection:
            found = _rows(connection, "document_with_key", values)
        return _document(found[0]) if found else None

    def find(
        self,
        kind: str,
        *,
        project: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        outcome: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Document]:
        """See `Documents`."""
        position, seq = place(after) if after is not None else _AFTER_ALL if newest_first else _BEFORE_ALL
        values = {"kind": kind, "state": state, "outcome": outcome, "position": position, "seq": seq}
        values |= {"parent": parent, "project": project, "limit": -1 if limit is None else limit}
        name = "newest_documents" if newest_first else "documents"
        suffix = "_of_parent" if parent is not None else "_of_project" if project is not None else ""
        with self._readers.snapshot() as connection:
            rows = _rows(connection, name + suffix, values)
        return [_document(row).but(cursor=f"{row['position']}-{row['seq']}") for row in rows]

    def repeating(self, kind: str, source: str, project: str | None, *, limit: int) -> list[Document]:
        """See `Documents`."""
        values = {"kind": kind, "source": source, "project": project, "limit": limit}
        with self._readers.snapshot() as connection:
            return [_document(row) for row in _rows(connection, "documents_repeating", values)]

    def count(self, kind: str, parent: str) -> dict[tuple[str, str], int]:
        """See `Documents`."""
        with self._readers.snapshot() as connection:
            found = connection.execute(DOCUMENTS["count_documents"], (kind, parent)).fetchall()
        return {(state, outcome): number for state, outcome, number in found}

    def change(self, kind: str, id: str, how: Change) -> Document:
        """See `Documents`."""
        return self._writer.do(partial(_change, kind=kind, id=id, how=how))

    def change_parts(self, kind: str, parent: str, how: Change, *, states: Collection[str]) -> int:
        """See `Documents`."""
        values = [{"kind": kind, "parent": parent, "state": state} for state in states]
        return self._writer.do(partial(_change_parts, values=values, how=how))

    def claim(
        self, kind: str, how: Change, *, now: datetime, parent: str | None = None, limit: int = 1
    ) -> list[Document]:
        """See `Documents`."""
        values = {"kind": kind, "parent": parent, "now_ns": moment_ns(now), "limit": limit}
        return self._writer.do(partial(_claim, values=values, how=how))

    def next_due(self, kind: str) -> datetime | None:
        """See `Documents`."""
        with self._readers.snapshot() as connection:
            (due_ns,) = connection.execute(DOCUMENTS["next_due"], (kind,)).fetchone()
        return None if due_ns is None else moment(due_ns)

    def remove(self, kind: str, *, id: str | None = None, parent: str | None = None) -> int:
        """See `Documents`."""
        name = "remove_document" if parent is None else "remove_parts"
        values = {"kind": kind, "id": id, "parent": parent}
        return self._writer.do(lambda connection: connection.execute(DOCUMENTS[name], values).rowcount)

    def remove_copies(self, sources: Collection[str], project: str | None) -> int:
        """See `Documents`."""
        rows = [{"source": source, "project": project} for source in sources]
        return self._writer.do(partial(_remove_copies, rows=rows, project=project))

    def sources_of(self, users: Collection[str], project: str | None) -> set[str]:
        """See `Documents`."""
        with self._readers.snapshot() as connection:
            asked = ({"user": user, "project": project} for user in users)
            return {source for one in asked for (source,) in connection.execute(DOCUMENTS["sources_of_user"], one)}


def _remove_copies(connection: Connection, *, rows: Sequence[dict[str, Any]], project: str | None) -> int:
    gone = connection.execute(DOCUMENTS["remove_what_may_hold_it"], {"any": ANY, "project": project}).rowcount
    for row in rows:
        gone += connection.execute(DOCUMENTS["remove_copies"], row).rowcount
        gone += connection.execute(DOCUMENTS["remove_what_is_also_of"], row).rowcount
    return gone


def _add(connection: Connection, *, documents: Sequence[Document], rows: Sequence[dict[str, Any]]) -> None:
    for document, row in zip(documents, rows, strict=True):
        _add_row(connection, document, row)
        _note_sources(connection, document)


def _note_sources(connection: Connection, document: Document) -> None:
    named = [{"kind": document.kind, "id": document.id, "source": source} for source in document.also_of]
    connection.executemany(DOCUMENTS["add_source"], named)


def _get(connection: Connection, kind: str, id: str) -> Document:
    found = _rows(connection, "document", (kind, id))
    if not found:
        raise not_found(kind, id)
    return _document(found[0])


def _change(connection: Connection, *, kind: str, id: str, how: Change) -> Document:
    after = how(_get(connection, kind, id))
    _put(connection, after)
    return after


def _change_parts(connection: Connection, *, values: Sequence[dict[str, Any]], how: Change) -> int:
    # All are read before the first is changed: a change may bring a document into another one of the states.
    found = [row for one in values for row in _rows(connection, "documents_in_state", one)]
    for row in found:
        _put(connection, how(_document(row)))
    return len(found)


def _claim(connection: Connection, *, values: dict[str, Any], how: Change) -> list[Document]:
    name = "due_documents" if values["parent"] is None else "due_documents_of_parent"
    claimed = [how(_document(row)) for row in _rows(connection, name, values)]
    for document in claimed:
        _put(connection, document)
    return claimed


def _put(connection: Connection, document: Document) -> None:
    _put_row(connection, document=document, row=_row(document))


def _put_row(connection: Connection, *, document: Document, row: dict[str, Any]) -> None:
    # Nobody else writes meanwhile, so that what is free now is free in the next statement.
    with_key = _rows(connection, "document_with_key", row) if document.key is not None else []
    if any(one["id"] != document.id for one in with_key):
        raise already_there(document)
    if not connection.execute(DOCUMENTS["put_document"], row).rowcount:
        _add_row(connection, document, row)
    connection.execute(DOCUMENTS["forget_sources"], (document.kind, document.id))
    _note_sources(connection, document)


def _add_row(connection: Connection, document: Document, row: dict[str, Any]) -> None:
    if not connection.execute(DOCUMENTS["add_document"], row).rowcount:
        raise already_there(document)


def _rows(connection: Connection, name: str, values: Any) -> list[dict[str, Any]]:
    return by_column(connection.execute(DOCUMENTS[name], values))


def _row(document: Document) -> dict[str, Any]:
    """The columns; several processes may have put a document in since, so it is made anew each time."""
    return {
        "kind": document.kind,
        "id": document.id,
        "project": document.project,
        "parent": document.parent,
        "key": document.key,
        "state": document.state,
        "outcome": document.outcome,
        "position": document.position,
        "due_ns": None if document.due_at is None else moment_ns(document.due_at),
        "source": document.source,
        "also_of": json.dumps(document.also_of) if document.also_of else None,
        "user": document.user,
        "body": zlib.compress(document.body, COMPRESSION_LEVEL),
    }


def _document(row: dict[str, Any]) -> Document:
    return Document(
        kind=row["kind"],
        id=row["id"],
        body=zlib.decompress(row["body"]),
        project=row["project"],
        parent=row["parent"],
        key=row["key"],
        state=row["state"],
        outcome=row["outcome"],
        position=row["position"],
        due_at=None if row["due_ns"] is None else moment(row["due_ns"]),
        source=row["source"],
        also_of=tuple(json.loads(row["also_of"])) if row["also_of"] else (),
        user=row["user_id"],
    )

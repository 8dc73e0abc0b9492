"""Everything out of one store into another, in the order of the rows' keys, so that it goes on where it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from taketwo.errors import AlreadyThere, BadSetting, StoreUnavailable
from taketwo.store import open_database
from taketwo.store.addresses import shown
from taketwo.store.database import Connection, Database, OpenConnection
from taketwo.store.recordings import copy_blobs
from taketwo.store.tables import MOVING, TableStore

ROWS_AT_ONCE: Final = 200
"""Rows that are written in one transaction."""
_SAME: Final = "same:"
"""How the note begins that both were found to be the same."""
INDEXED_AT_ONCE: Final = 200
"""Conversations that are indexed before progress is told again."""


class Table(NamedTuple):
    """A table that is moved."""

    name: str
    """Its name."""
    key: tuple[str, ...]
    """The columns that order its rows."""
    columns: tuple[str, ...]
    """The others."""

    @property
    def every(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.key, *self.columns)


# What conversations are found by is worked out anew: each database keeps it in its own way.
TABLES: Final = (
    Table("project", ("id",), ("name", "settings", "deletions")),
    Table("envelope", ("hash",), ("body",)),
    Table("trace", ("id",), ("project_id", "trace_id", "first_ns", "last_ns", "spans", "errors")),
    Table("chunk", ("id",), ("trace_id", "kind", "keys", "body")),
    Table("large_body", ("name",), ("trace_id", "bytes", "at_ns")),
    Table(
        "conversation",
        ("id",),
        (*"project_id name origin first_ns last_ns spans errors changes settled summary".split(),),
    ),
    Table("membership", ("conversation_id", "trace_id"), ()),
    Table("link", ("project_id", "hash", "role", "trace_id"), ()),
    Table("reading", ("conversation_id",), ("body",)),
    Table("suite", ("id",), ("name",)),
    Table("result", ("id",), ("suite_id", "at_ns", "verdict", "body")),
    Table("run", ("name", "result_id"), ()),
    Table(
        "document",
        ("seq",),
        (*"kind id project parent key state outcome position due_ns source also_of user_id body".split(),),
    ),
    Table("document_source", ("source", "document"), ()),
    Table("feedback", ("id",), ("project_id", "conversation", "turn", "name", "given_by", "body")),
)
"""All tables that hold what nothing else tells, each after those that it refers to."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is in the new store, and was found to be the same in both."""

    rows: int
    """Rows of all tables."""
    hashed: str
    """The hash of all of them, in order."""
    recordings: int
    """Recordings."""


def move(source_url: str, target_url: str, *, tell: Callable[[str, int], None] = lambda what, number: None) -> Moved:
    """Copy everything; what an earlier call has copied is not copied again. Nothing may write to either meanwhile.

    tell: hears what is done, and how much of it is there by now.

    Raises BadSetting for stores that have no tables, AlreadyThere where the new one holds something else,
    StoreUnavailable, also where the two differ afterwards.
    """
    with (
        closing(_opened(source_url, is_being_filled=False)) as old,
        closing(_opened(target_url, is_being_filled=True)) as new,
    ):
        old.flush()
        source, target = old.database, new.database
        if source.where == target.where:
            raise BadSetting("this is the store itself", where=source.where, todo="name another one to move it to")
        with _connected(source) as reading, _connected(target) as writing:
            found = _begin(writing, source.where, target)
            for table in TABLES if found is None else ():
                _copy(reading, writing, table, tell)
            target.count_on(writing)
        recordings = list(source.blobs.names())
        if source.blobs.where != target.blobs.where:
            copy_blobs(source.blobs, target.blobs, recordings)
            copy_blobs(source.large, target.large, source.large.names())
        if (key := source.kept_key()) is not None:
            target.keep_key(key)
        if found is None:
            found = _compared(source, target, tell)
            with _connected(target) as writing:
                rows, hashed = found
                _written(writing, f"INSERT INTO {MOVING} (source) VALUES (?)", (f"{_SAME} {rows} {hashed}",))
        _index(new, tell)
        with _connected(target) as writing:
            _written(writing, f"DROP TABLE {MOVING}")
    return Moved(*found, len(recordings))


def _index(store: TableStore, tell: Callable[[str, int], None]) -> None:
    """Make what conversations are found by; what cannot be read now is tried again by a server."""
    left = store.search.unread()
    while left:
        tell("conversations to be indexed", left)
        store.settle(INDEXED_AT_ONCE)
        before, left = left, store.search.unread()
        if left >= before:
            return


def _opened(url: str, *, is_being_filled: bool) -> TableStore:
    if (database := open_database(url)) is None:
        raise BadSetting("only stores in SQLite and PostgreSQL are moved", where=shown(url))
    return TableStore(database, is_being_filled=is_being_filled)


@contextmanager
def _connected(database: Database) -> Iterator[OpenConnection]:
    with database.telling(), closing(database.connect()) as connection:
        yield connection


def _begin(writing: OpenConnection, source: str, target: Database) -> tuple[int, str] | None:
    """Mark the new store as one that is being filled, or see that it is the one which was.

    Gives number and hash of its rows where they were compared already: from then on it is read, which changes it.
    """
    _written(writing, f"CREATE TABLE IF NOT EXISTS {MOVING} (source TEXT NOT NULL)")
    noted = [name for (name,) in writing.execute(f"SELECT source FROM {MOVING}")]
    before = [name for name in noted if not name.startswith(_SAME)]
    if before == [source]:
        same = [name.split()[1:] for name in noted if name.startswith(_SAME)]
        return (int(same[0][0]), same[0][1]) if same else None
    held = [table.name for table in TABLES if writing.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone()]
    if before or held:
        if not before:
            _written(writing, f"DROP TABLE {MOVING}")
        raise AlreadyThere(
            f"is being filled from {before[0]}" if before else "holds something already",
            where=target.where,
            todo="name an empty store",
        )
    _written(writing, f"INSERT INTO {MOVING} (source) VALUES (?)", (source,))
    return None


def _written(writing: OpenConnection, statement: str, values: tuple[Any, ...] = ()) -> None:
    writing.begin_writing(alone=True)
    writing.execute(statement, values)
    writing.commit()


def _copy(reading: OpenConnection, writing: OpenConnection, table: Table, tell: Callable[[str, int], None]) -> None:
    """The rows that are missing: those whose keys come after the last one that is there."""
    (there,) = writing.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    keys = ", ".join(table.key)
    last = writing.execute(
        f"SELECT {keys} FROM {table.name} ORDER BY {', '.join(f'{key} DESC' for key in table.key)} LIMIT 1"
    ).fetchone()
    insert = f"INSERT INTO {table.name} ({', '.join(table.every)}) VALUES ({', '.join('?' for _ in table.every)})"
    for rows in _pages(reading, table, last):
        writing.begin_writing(alone=True)
        writing.executemany(insert, rows)
        writing.commit()
        there += len(rows)
        tell(table.name, there)


def _pages(reading: Connection, table: Table, last: tuple[Any, ...] | None) -> Iterator[list[tuple[Any, ...]]]:
    keys = ", ".join(table.key)
    columns = ", ".join(table.every)
    first = f"SELECT {columns} FROM {table.name} ORDER BY {keys} LIMIT ?"
    marks = ", ".join("?" for _ in table.key)
    following = f"SELECT {columns} FROM {table.name} WHERE ({keys}) > ({marks}) ORDER BY {keys} LIMIT ?"
    while True:
        rows = (
            reading.execute(first, (ROWS_AT_ONCE,))
            if last is None
            else reading.execute(following, (*last, ROWS_AT_ONCE))
        ).fetchall()
        if not rows:
            return
        yield rows
        last = tuple(rows[-1][: len(table.key)])


def _compared(source: Database, target: Database, tell: Callable[[str, int], None]) -> tuple[int, str]:
    """Number and hash of all rows, which must be the same on both sides."""
    total, every = 0, hashlib.blake2b(digest_size=16)
    with _connected(source) as one, _connected(target) as other:
        for table in TABLES:
            (count, hashed), found = _hashed(one, table), _hashed(other, table)
            if found != (count, hashed):
                raise StoreUnavailable(
                    f"{table.name}: {count:,} rows with hash {hashed.hex()} were to be moved, and {found[0]:,} with"
                    f" {found[1].hex()} are there",
                    where=target.where,
                    todo="stop whatever writes to either store, and move into an empty one",
                )
            total += count
            every.update(hashed)
            tell("rows compared", total)
    return total, every.hexdigest()


def _hashed(connection: Connection, table: Table) -> tuple[int, bytes]:
    count, hashed = 0, hashlib.blake2b(digest_size=16)
    for rows in _pages(connection, table, None):
        hashed.update(msgspec.msgpack.encode([list(row) for row in rows]))
        count += len(rows)
    return count, hashed.digest()

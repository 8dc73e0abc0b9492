"""A database that holds the tables of a store: what SQLite and PostgreSQL have in common, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from threading import BoundedSemaphore, local
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from taketwo.blobs import Blobs
from taketwo.errors import StoreBusy
from taketwo.store.chunks import Packed
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.value import JSON

BUSY_TIMEOUT_S: Final = 5.0
"""How long one process waits for another's transaction."""
MOST_READERS: Final = 16
"""Connections for reading that one process has at most: a database server gives out some dozens to all of them."""

Values: TypeAlias = Sequence[Any] | Mapping[str, Any]
"""What stands for `?`, or for `:name`, in a statement."""


class Rows(Protocol):
    """What a statement gave."""

    @property
    def description(self) -> Any:
        """One entry a column, of which the first item is its name."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """The next row, None when there is none."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""


def by_column(rows: Rows) -> list[dict[str, Any]]:
    """The rows that are left, each by the names of its columns."""
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


class Connection(Protocol):
    """Runs statements, within the transaction that somebody else began."""

    def execute(self, statement: str, values: Values = ..., /) -> Rows:
        """Run a statement, written as for SQLite."""

    def executemany(self, statement: str, values: Iterable[Values], /) -> Rows:
        """Run a statement that gives no rows for each of the values."""


class OpenConnection(Connection, Protocol):
    """A connection to its owner."""

    @property
    def is_broken(self) -> bool:
        """Whether it is of no use any more."""

    def begin_reading(self) -> None:
        """From now on it sees one state of the store."""

    def begin_writing(self, *, alone: bool) -> None:
        """From now on nobody else writes, or only those who need not be alone either.

        Raises one of the database's errors where somebody else writes for too long.
        """

    def commit(self) -> None:
        """Keep what was written since."""

    def rollback(self) -> None:
        """Give up what was written since; does nothing outside of a transaction."""

    def close(self) -> None:
        """Let go of it."""


NameOf: TypeAlias = Callable[[JSON], str]
"""Keeps a value of a statement, and gives the name that stands for it."""


class Dialect(msgspec.Struct, frozen=True):
    """Where statements that are put together differ."""

    talk_holds: Callable[[NameOf, Sequence[str], str], str]
    """The condition on `facts AS f` that one of these fields holds these words, which are spelled."""
    same: Callable[[str, str], str]
    """The condition that a column is the value of that name, found by an index of the column where there is one."""
    fits: str
    """The operator that compares a name with a pattern."""
    pattern: Callable[[str], str]
    """A name, in which `*` stands for anything, as that operator reads it."""
    keys: str
    """The keys of several facts as one text, with commas."""
    among: Callable[[str], str]
    """The numbers of a JSON list of that name, as what stands behind IN."""
    latencies: str
    """The latencies of several facts as a JSON list, those that are known."""


class Database(Protocol):
    """Where the tables of a store are; opened once in a process."""

    url: str
    """What `open_store` opens it with; may hold a password."""
    where: str
    """What people are told."""
    dialect: Dialect
    """How its statements are written."""
    blobs: Blobs
    """Where recordings are kept."""
    large: Blobs
    """Where large bodies of spans are."""
    sets_large_apart: bool
    """Whether large bodies go there: not where other servers may not see the place."""
    arrivals: Path | None
    """The folder of journals: what came faster than it could be stored; None where other machines must see that."""
    keeps_together: bool
    """Whether several may store arrivals at the same time."""
    errors: tuple[type[Exception], ...]
    """What its statements raise, after which a transaction is lost."""

    def keep(self, connection: Any, project: str, arrivals: Sequence[Packed]) -> int:
        """As `arrivals.keep`; where `keeps_together` is set, also while others do the same."""

    def forget(self, connection: Any, doomed: Sequence[Doomed], envelope: Envelopes) -> Forgotten:
        """As `deleting.forget`."""

    def is_worth_a_retry(self, error: Exception) -> bool:
        """Whether a transaction was given up for the sake of another one, so that it may be begun again."""

    def connect(self, *, only_read: bool = False) -> OpenConnection:
        """A connection, brought to the newest version. Raises StoreUnavailable."""

    def telling(self) -> AbstractContextManager[None]:
        """Say what its errors mean: StoreBusy, StoreUnavailable."""

    def pseudonyms_key(self) -> bytes:
        """The key of the pseudonyms, made where it is missing. Raises StoreUnavailable."""

    def kept_key(self) -> bytes | None:
        """The key of the pseudonyms; None where none was needed yet. Raises StoreUnavailable."""

    def keep_key(self, key: bytes) -> None:
        """Take this key of the pseudonyms instead of one of its own. Raises StoreUnavailable where there is another."""

    def count_on(self, connection: Connection) -> None:
        """Give new rows keys beyond those that are there: they were written with keys."""

    def has_table(self, connection: Connection, name: str) -> bool:
        """Whether there is a table of that name."""

    def erase(self) -> None:
        """See that nothing is left of rows that were deleted. Raises StoreBusy, StoreUnavailable."""

    def tidy(self) -> None:
        """The same as far as it costs little. Raises StoreUnavailable."""

    def compact(self) -> None:
        """Give free space back to the disk. Raises StoreBusy, StoreUnavailable."""


class Readers:
    """Connections for reading, one for each thread that reads at the same time."""

    def __init__(self, database: Database) -> None:
        """Open none yet."""
        self._database = database
        self._idle: LifoQueue[OpenConnection] = LifoQueue()
        self._free = BoundedSemaphore(MOST_READERS)
        self._mine = local()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees one state of the store until the end of the block."""
        with self._place(), self._database.telling():
            connection = self._begun()
            try:
                yield connection
            finally:
                self._end(connection)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places; whoever has one already needs no other, and so never waits for those who wait for him."""
        if getattr(self._mine, "has_one", False):
            yield
            return
        if not self._free.acquire(timeout=BUSY_TIMEOUT_S):
            raise StoreBusy("too many are reading", where=self._database.where, todo="try again in a moment")
        self._mine.has_one = True
        try:
            yield
        finally:
            self._mine.has_one = False
            self._free.release()

    def _begun(self) -> OpenConnection:
        """A connection of before, unless it broke meanwhile: a database server may have been started again."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                connection = self._database.connect(only_read=True)
                connection.begin_reading()
                return connection
            try:
                connection.begin_reading()
                return connection
            except self._database.errors:
                connection.close()

    def _end(self, connection: OpenConnection) -> None:
        try:
            connection.rollback()
        except self._database.errors:
            connection.close()
            return
        self._idle.put(connection)

    def close(self) -> None:
        """Close every idle connection."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

"""SQLite files: how they are opened, what their errors mean, and how what was deleted leaves them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from taketwo.blobs import large_bodies_of, open_blobs
from taketwo.errors import StoreBusy, StoreUnavailable
from taketwo.store.addresses import BLOBS
from taketwo.store.arrivals import keep
from taketwo.store.chunks import Packed
from taketwo.store.database import BUSY_TIMEOUT_S, Connection, Dialect, NameOf
from taketwo.store.deleting import forget
from taketwo.store.filed import Doomed, Envelopes, Forgotten
from taketwo.store.indexing import SEARCH
from taketwo.store.migrate import migrate
from taketwo.store.recordings import recordings_folder
from taketwo.store.redacting import store_key

LOG_PAGES: Final = 4_000
"""When the write-ahead log is as long as that, 16 MiB, it is written into the file. SQLite's own 1,000 pages are no two
parts of a burst, so that whoever stores one would wait for the disk twice more and write the same pages again."""
LOG_WAIT_S: Final = 5.0
"""How long a deletion waits for readers who keep the write-ahead log from being cut off."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TODO = {
    sqlite3.SQLITE_FULL: "make room on its disk and do it again",
    sqlite3.SQLITE_IOERR: "see whether its disk is full, or a file may not grow so large, and do it again",
    sqlite3.SQLITE_READONLY: "see who may write the file and its folder",
    sqlite3.SQLITE_CORRUPT: "restore it from a backup",
}
"""What to do about the failures that one can do something about, by SQLite's code."""


class SqliteConnection(sqlite3.Connection):
    """A connection that begins transactions as a store needs them."""

    is_broken = False
    """A file that has gone does not come back."""
    file: SameFile | None = None
    """The file, to see that it is there."""

    def begin_reading(self) -> None:
        """See `OpenConnection`. Raises StoreUnavailable where the file has gone."""
        self._insist_on_file()
        self.execute("BEGIN")

    def begin_writing(self, *, alone: bool) -> None:
        """See `OpenConnection`. Whoever writes to a file is alone. Raises StoreUnavailable where the file has gone."""
        self._insist_on_file()
        self.execute("BEGIN IMMEDIATE")

    def _insist_on_file(self) -> None:
        if self.file is not None:
            self.file.insist()


class SameFile:
    """A file under its name. What has it open could go on without that, and lose all that it is told."""

    def __init__(self, path: Path) -> None:
        """It must be there. Raises StoreUnavailable."""
        self._path = path
        self._identity = self._looked()

    def insist(self) -> None:
        """Raises StoreUnavailable where the name has gone, or means another file; it takes 2 µs."""
        if self._looked() != self._identity:
            raise self._gone("is another file than the one that was opened")

    def _looked(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise self._gone(f"is gone ({error.strerror})") from error
        return found.st_dev, found.st_ino

    def _gone(self, what: str) -> StoreUnavailable:
        todo = "put it back where it was, or stop what serves it and begin again"
        return StoreUnavailable(f"the file of the store {what}", where=str(self._path), todo=todo)


ROW_OF_STRETCH: Final = (1 << 40) - 1
"""The part of a number of a row of words that is the conversation's, see `add_words`."""


def _talk_holds(name_of: NameOf, fields: Sequence[str], words: str) -> str:
    # Words hold letters and digits only, so nothing in them can be read as a query.
    name = name_of(f'{{{" ".join(fields)}}} : "{words}" *')
    return f"f.conversation_id IN (SELECT rowid & {ROW_OF_STRETCH} FROM talk WHERE talk MATCH :{name})"


def _glob(name: str) -> str:
    """The name as GLOB reads it: only the star has a meaning."""
    return name.replace("[", "[[]").replace("?", "[?]")


DIALECT: Final = Dialect(
    talk_holds=_talk_holds,
    same=lambda column, name: f"{column} = :{name}",
    fits="GLOB",
    pattern=_glob,
    keys="group_concat(f.conversation_id)",
    among=lambda name: f"(SELECT value FROM json_each(:{name}))",
    latencies="json_group_array(f.latency) FILTER (WHERE f.latency IS NOT NULL)",
)
"""How SQLite's statements are written."""


class SqliteDatabase:
    """One file, which several processes may have open at once."""

    dialect = DIALECT
    """See `Database`."""
    keeps_together = False
    """See `Database`."""
    sets_large_apart = True
    """See `Database`."""
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    """See `Database`."""

    def __init__(self, path: str, blobs: str | None = None) -> None:
        """Make the file and its folder where they are missing. Raises StoreUnavailable, BadSetting, MissingExtra.

        blobs: where recordings are kept; None for a folder beside the file.
        """
        self.path = Path(path).expanduser().absolute()
        self.url = f"sqlite:///{self.path}{f'?{BLOBS}={blobs}' if blobs else ''}"
        self.where = str(self.path)
        make_file(self.path)  # first, as it names what can be no file
        self._file = SameFile(self.path)
        self.blobs = open_blobs(blobs or str(recordings_folder(self.path)))
        self.large = large_bodies_of(self.blobs)
        self.arrivals: Path | None = self.path.with_name(f"{self.path.name}.arrivals")

    def connect(self, *, only_read: bool = False) -> SqliteConnection:
        """See `Database`."""
        with self.telling():
            self._file.insist()  # else a new and empty one would be made
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                factory=SqliteConnection,
            )
            try:
                connection.file = self._file
                _write_ahead(connection)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
                # What is deleted or replaced is overwritten: readings are replaced long before anybody deletes them.
                connection.execute("PRAGMA secure_delete = ON")
                migrate(connection)
                connection.execute(f"PRAGMA query_only = {int(only_read)}")
            except BaseException:
                connection.close()
                raise
            return connection

    @contextmanager
    def telling(self) -> Iterator[None]:
        """See `Database`."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                raise StoreBusy("another process is writing", where=self.where, todo="try again in a moment") from error
            if code == sqlite3.SQLITE_NOTADB:
                raise StoreUnavailable("this file is no store", where=self.where, todo="name another file") from error
            raise StoreUnavailable(str(error), where=self.where, todo=_TODO.get(code)) from error
        except StoreUnavailable as error:
            error.where = error.where or self.where
            raise

    def keep(self, connection: Connection, project: str, arrivals: Sequence[Packed]) -> int:
        """See `Database`."""
        return keep(connection, project, arrivals)

    def forget(self, connection: Connection, doomed: Sequence[Doomed], envelope: Envelopes) -> Forgotten:
        """See `Database`."""
        return forget(connection, doomed, envelope)

    def is_worth_a_retry(self, error: Exception) -> bool:
        """See `Database`. Nobody is given up for others here."""
        return False

    def pseudonyms_key(self) -> bytes:
        """See `Database`. It lies beside the file, so that a copy of the file alone does not tell who is who."""
        return store_key(self._key)

    @property
    def _key(self) -> Path:
        return self.path.with_name(f"{self.path.name}.key")

    def kept_key(self) -> bytes | None:
        """See `Database`."""
        return store_key(self._key) if self._key.exists() else None

    def keep_key(self, key: bytes) -> None:
        """See `Database`."""
        if store_key(self._key, key) != key:
            raise StoreUnavailable("there is another key of pseudonyms", where=str(self._key))

    def count_on(self, connection: Connection) -> None:
        """See `Database`. SQLite does so by itself."""

    def has_table(self, connection: Connection, name: str) -> bool:
        """See `Database`."""
        return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone() is not None

    def erase(self) -> None:
        """Write the file anew: moved rows leave copies behind in it that SQLite never overwrites.

        Whoever wants to write meanwhile waits, or is told to come back.
        """
        with self.telling(), closing(self.connect()) as connection:
            connection.begin_writing(alone=True)
            connection.execute(SEARCH["rewrite_words"])
            connection.commit()
            connection.execute("VACUUM")
        until = time.monotonic() + LOG_WAIT_S
        while not self._log_is_empty():
            if time.monotonic() > until:
                raise StoreBusy(
                    "somebody is reading, so the write-ahead log still holds what was deleted",
                    where=self.where,
                    todo="run `taketwo expire --compact` in a moment",
                )
            time.sleep(0.05)

    def tidy(self) -> None:
        """Cut off the log, unless somebody reads it."""
        self._log_is_empty()

    def compact(self) -> None:
        """See `Database`."""
        self.erase()

    def _log_is_empty(self) -> bool:
        """Write what waits in the log into the file itself, and cut it off; False where readers kept it from that."""
        with self.telling(), closing(self.connect()) as connection:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def make_file(path: Path) -> None:
    """Make the file and its folders, readable by nobody else: conversations are private. Raises StoreUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"cannot be opened: {error.strerror}", where=str(path)) from error


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite itself does not wait for others who do the same at the same moment."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)

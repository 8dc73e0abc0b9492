"""SQLite connections: how they are opened, shared between threads, and what their errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue

from taketwo.errors import StoreBusy, StoreUnavailable
from taketwo.store.migrate import migrate

BUSY_TIMEOUT_S = 5.0
"""How long one process waits for another's transaction."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def make_file(path: Path) -> None:
    """Make the file and its folders, readable by nobody else: conversations are private. Raises StoreUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"cannot be opened: {error.strerror}", where=str(path)) from error


def connect(path: Path, *, only_read: bool = False) -> sqlite3.Connection:
    """A connection to a file that is there, brought to the newest version. Raises StoreUnavailable."""
    with telling(path):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            # What is deleted or replaced is overwritten: readings are replaced long before anybody deletes them.
            connection.execute("PRAGMA secure_delete = ON")
            migrate(connection)
            connection.execute(f"PRAGMA query_only = {int(only_read)}")
        except BaseException:
            connection.close()
            raise
        return connection


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


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Say what an error of SQLite means for the user of the file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise StoreBusy("another process is writing", where=str(path), todo="try again in a moment") from error
        if code == sqlite3.SQLITE_NOTADB:
            raise StoreUnavailable("this file is no store", where=str(path), todo="name another file") from error
        raise StoreUnavailable(str(error), where=str(path)) from error
    except StoreUnavailable as error:
        error.where = error.where or str(path)
        raise


def empty_write_ahead_log(path: Path) -> bool:
    """Write what waits in the log into the file itself, and cut the log off; False where readers kept it from that."""
    with telling(path):
        connection = connect(path)
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
    return not busy


def rewrite(path: Path) -> None:
    """Write the file anew without free space: moved rows leave copies behind in it that SQLite never overwrites.

    Whoever wants to write meanwhile waits, or is told to come back. Raises StoreBusy, StoreUnavailable.
    """
    with telling(path):
        connection = connect(path)
        try:
            connection.execute("VACUUM")
        finally:
            connection.close()


class Readers:
    """Connections for reading, one for each thread that reads at the same time."""

    def __init__(self, path: Path) -> None:
        """Open none yet."""
        self._path = path
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the file until the end of the block."""
        with telling(self._path):
            try:
                connection = self._idle.get_nowait()
            except Empty:
                connection = connect(self._path, only_read=True)
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.rollback()
                self._idle.put(connection)

    def close(self) -> None:
        """Close every idle connection."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

"""Connections for reading: as many as there are places, and none that is taken twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from taketwo.store.database import MOST_READERS, Readers
from taketwo.store.sqlite_database import SqliteDatabase


def test_readers_who_look_again_while_they_look_do_not_wait_for_each_other(tmp_path: Path) -> None:
    readers = Readers(SqliteDatabase(str(tmp_path / "store.sqlite3")))
    everybody = Barrier(MOST_READERS)

    def look(number: int) -> int:
        with readers.snapshot():
            everybody.wait(30)
            with readers.snapshot() as connection:
                return int(connection.execute("SELECT ?", (number,)).fetchone()[0])

    with ThreadPoolExecutor(MOST_READERS) as threads:
        assert list(threads.map(look, range(MOST_READERS))) == list(range(MOST_READERS))
    # All places are free again.
    with ThreadPoolExecutor(2 * MOST_READERS) as threads:
        assert len(list(threads.map(lambda number: list(_names(readers)), range(200)))) == 200
    readers.close()


def _names(readers: Readers) -> list[str]:
    with readers.snapshot() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM project")]

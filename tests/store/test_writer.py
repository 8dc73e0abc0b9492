"""One thread writes for all: what waits together shares a transaction, and what refuses fails alone."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from taketwo.errors import NotFound, StoreBusy
from taketwo.store.database import Connection
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.writer import MOST_WAITING, Writer


def add(name: str, connection: Connection) -> None:
    connection.execute("INSERT INTO project (name) VALUES (?)", (name,))


def refuse(connection: Connection) -> None:
    add("refused", connection)
    raise NotFound("there is none")


def names(path: Path) -> list[str]:
    connection = SqliteDatabase(str(path)).connect(only_read=True)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM project ORDER BY id")]
    finally:
        connection.close()


def test_work_is_on_disk_when_it_is_done(writer: Writer, path: Path) -> None:
    writer.do(lambda connection: add("one", connection))
    assert names(path) == ["one"]


def test_work_that_waits_together_is_one_transaction_and_a_refusal_is_undone_alone(writer: Writer, path: Path) -> None:
    begun, hold, seen = Event(), Event(), []
    writer.offer(lambda connection: (begun.set(), hold.wait()))
    assert begun.wait(60)

    def waiting(name: str) -> None:
        def work(connection: Connection) -> None:
            add(name, connection)
            seen.append(names(path))

        writer.do(work)

    threads = [Thread(target=waiting, args=(f"project {number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    writer.later(refuse)
    hold.set()
    for thread in threads:
        thread.join()
    with pytest.raises(NotFound):
        writer.flush()
    writer.flush()
    assert sorted(names(path)) == [f"project {number}" for number in range(5)]
    # What others saw while each ran changed less often than there were pieces: several were one transaction.
    assert len(set(map(tuple, seen))) < 5


def test_too_much_waiting_is_told_at_once(writer: Writer) -> None:
    begun, hold = Event(), Event()
    writer.offer(lambda connection: (begun.set(), hold.wait()))
    assert begun.wait(60)
    for _ in range(MOST_WAITING):
        writer.offer(lambda connection: None)
    with pytest.raises(StoreBusy):
        writer.do(lambda connection: None)
    hold.set()


def test_closing_writes_what_waits(path: Path) -> None:
    writer = Writer(SqliteDatabase(str(path)))
    for number in range(100):
        writer.later(lambda connection, number=number: add(f"project {number}", connection))
    writer.close()
    assert len(names(path)) == 100

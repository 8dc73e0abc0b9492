"""A file of any version before is brought to the newest one, and what is not ours is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Thread

import pytest

from taketwo.errors import StoreUnavailable
from taketwo.store import migrate as migrate_module
from taketwo.store import open_store
from taketwo.store.migrate import APPLICATION_ID, NEWEST, migrate


def version_of(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("version", range(NEWEST))
def test_a_database_of_each_version_before_becomes_the_newest(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, to=version)
    assert version_of(path) == version
    migrate(connection)
    connection.close()
    assert version_of(path) == NEWEST
    store = open_store(f"sqlite:///{path}")
    assert store.projects() == []
    store.close()


@pytest.mark.parametrize(("version", "transactions"), [(0, 1), (NEWEST - 2, 2)])
def test_only_a_new_file_takes_all_steps_as_one(version: int, transactions: int) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, to=version)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    migrate(connection)
    connection.close()
    assert statements.count("BEGIN IMMEDIATE") == transactions


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    opened = []
    threads = [Thread(target=lambda: opened.append(open_store(f"sqlite:///{path}"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    for store in opened:
        store.close()
    assert version_of(path) == NEWEST


def test_a_file_from_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    open_store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(StoreUnavailable, match="written by a newer taketwo") as refused:
        open_store(f"sqlite:///{path}")
    assert str(path) in str(refused.value)


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreUnavailable, match="holds something else"):
        open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")] == ["theirs"]
        assert connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="is no store"):
        open_store(f"sqlite:///{path}")
    assert path.read_text(encoding="utf-8").startswith("Dear Sir")


@pytest.mark.parametrize("folder", ["migrations", "migrations/postgresql"])
def test_no_two_steps_have_the_same_number(folder: str) -> None:
    names = sorted(path.name for path in (Path(migrate_module.__file__).parent / folder).glob("*.sql"))
    numbers = [int(name.partition("_")[0]) for name in names]
    assert numbers == list(range(numbers[0], NEWEST + 1))

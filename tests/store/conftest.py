"""A store's one writing thread, by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    made = Writer(SqliteDatabase(str(path)))
    yield made
    made.close()

"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from postgres_cluster import Cluster
from stores import EVERY_STORE

# Timings are measured in benchmarks/: a test that fails because the machine is busy says nothing.
hypothesis.settings.register_profile("house", deadline=None)
# CI decides over a change, so it must say the same each time; everywhere else each run looks for something new.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "house")

collect_ignore = ["data"]
"""Scenario files lie there that tests read; pytest would replay them."""

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Conversations and captures that lie beside the checkout and are not part of it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data folder ../shared/data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that all tests share; whoever stops it starts it again."""
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def database_url(cluster: Cluster) -> str:
    """A database of the tests' own, with whatever the last test left in it."""
    return cluster.database("tests")


@pytest.fixture
def postgresql_url(database_url: str) -> str:
    """The same, emptied."""
    import psycopg

    with psycopg.connect(database_url.partition("?")[0]) as connection:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'taketwo' AND tablename <> 'version'"
        names = [f"taketwo.{name}" for (name,) in connection.execute(tables).fetchall()]
        if names:
            connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
    return database_url


@pytest.fixture(params=EVERY_STORE)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, one of each kind."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path}/deep/er/store.sqlite3"
        case _:
            return str(request.getfixturevalue("postgresql_url"))

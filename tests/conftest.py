"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Before gRPC is imported: it would write a line of its own into the output of every process that a test starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import hypothesis
import pytest
from object_storage import ObjectStorage, in_environment
from postgres_cluster import Cluster, emptied
from stores import EVERY_STORE, IN_TABLES

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


@pytest.fixture(scope="session")
def object_storage() -> Iterator[ObjectStorage]:
    """An S3-compatible server that all tests share, named by the environment; whoever stops it starts it again."""
    pytest.importorskip("obstore", reason="needs the extra 's3'")
    made = ObjectStorage()
    with in_environment(made.environment):
        yield made
    made.remove()


@pytest.fixture
def postgresql_url(database_url: str) -> str:
    """The same, emptied."""
    return emptied(database_url)


@pytest.fixture(params=EVERY_STORE)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, one of each kind."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path}/deep/er/store.sqlite3"
        case _:
            return emptied(request.getfixturevalue("database_url"))


@pytest.fixture(scope="session", params=IN_TABLES)
def next_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Gives the address of another empty store each time, for tests with many examples; the one before is gone."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite3"
    url: str = request.getfixturevalue("database_url")
    return lambda: emptied(url)

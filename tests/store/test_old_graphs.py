"""A store whose scenarios hold their graphs themselves, as they did at first, tells nothing of who was deleted.

The file was written by the version before that change: of three conversations scenarios were made in every way, one was
duplicated, one got another graph by hand, and then the user of one conversation was deleted.
"""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from pathlib import Path

import pytest
from postgres_cluster import Cluster

from taketwo.graph import Graph
from taketwo.server.flow.gathered import scenario_now
from taketwo.server.flow.scenarios import SCENARIOS
from taketwo.server.flow.shelf import Flow
from taketwo.store import migrate_postgresql, open_store

DATA = Path(__file__).parents[1] / "data" / "stores" / "drawn-graphs-version-8.sqlite3.gz"
HERS = ("quokka", "zephyrine", "fault")
COLUMNS = "kind, id, project, parent, key, state, outcome, position, source, body"


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(gzip.decompress(DATA.read_bytes()))
    return path


def bodies(file: Path) -> str:
    with sqlite3.connect(file) as connection:
        return "\n".join(
            zlib.decompress(body).decode() for (body,) in connection.execute("SELECT body FROM document")
        ).casefold()


def said(graph: Graph | None) -> str:
    return " ".join(node.label for node in graph.nodes).casefold() if graph else ""


def check_graphs(flow: Flow) -> None:
    """Drawn graphs are drawn anew of who is left, and graphs made by hand are still there."""
    graphs = {one.name: said(scenario_now(flow, one.id).graph) for one in SCENARIOS.every(flow)}
    assert graphs.keys() == {"drawn", "copied", "none", "by hand", "set later"}
    for name in ("drawn", "copied"):
        assert "cancel order" in graphs[name] and not any(word in graphs[name] for word in HERS)
    assert graphs["none"] == ""
    for name in ("by hand", "set later"):
        assert "node 3" in graphs[name]


def test_a_file_of_the_old_version_tells_nothing_of_the_deleted_any_more(old_file: Path) -> None:
    before = bodies(old_file)
    assert all(word in before for word in HERS)
    store = open_store(f"sqlite:///{old_file}")
    check_graphs(Flow(store))
    store.compact()
    store.close()
    assert [word for word in HERS if word in bodies(old_file)] == []


@pytest.mark.slow
def test_so_does_a_database_into_which_such_a_file_was_moved_before(old_file: Path, cluster: Cluster) -> None:
    psycopg = pytest.importorskip("psycopg")
    url = cluster.database("before_drawn_graphs")
    with psycopg.connect(url.partition("?")[0], autocommit=True) as database:
        migrate_postgresql.migrate(database, to=11)
        for row in sqlite3.connect(old_file).execute(f"SELECT {COLUMNS} FROM document").fetchall():
            values = ", ".join(["%s"] * len(row))
            database.execute(f"INSERT INTO {migrate_postgresql.SCHEMA}.document ({COLUMNS}) VALUES ({values})", row)
    store = open_store(url)
    check_graphs(Flow(store))
    there = [
        document.body.decode().casefold() for kind in ("scenario", "choice") for document in store.documents.find(kind)
    ]
    assert not any(word in body for word in HERS for body in there)
    store.close()

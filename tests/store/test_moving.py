"""A store is moved as a whole, goes on where it was interrupted, and is the same afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from made_spans import chat_span, raw_logs, raw_spans
from postgres_cluster import Cluster

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import AlreadyThere, BadSetting, StoreUnavailable
from taketwo.select.filters import parse
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.documents import Document
from taketwo.store.feedback import Feedback
from taketwo.store.keys import create_key, key_of
from taketwo.store.migrate import migrate
from taketwo.store.moving import TABLES, move
from taketwo.store.project import ProjectSettings
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.tables import TableStore
from taketwo.value import content_hash

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SOUND = b"RIFF not much of a sound"
_numbers = count(1)


def filled(url: str, *, traces: int = 30) -> str:
    """A store with something of everything; gives the secret of a key."""
    store = open_store(url)
    store.set_project("private", ProjectSettings(redact="personal", keep_for_days=30))
    store.add_spans("private", raw_spans(chat_span(9_001, 1, said=["I am ann@corp.io"], session="s-private")))
    for begin in range(1, traces + 1, 50):
        store.add_spans(
            "shop",
            raw_spans(
                *(
                    chat_span(n, 1, said=[f"Where is parcel {n}?"], session=f"desk-{n // 3}")
                    for n in range(begin, begin + 50)
                )
            ),
        )
    store.add_spans("shop", raw_spans(chat_span(9_002, 1, session="a\x00b"), chat_span(9_003, 1)))
    store.add_logs("shop", raw_logs((1, 1, "a log record")))
    store.put_conversation(
        Conversation(id="import-1", project="shop", turns=(Turn(index=0, user=UserLine(text="Hi")),))
    )
    store.add_feedback("desk-1", Feedback(name="liked", value=True, given_by="ann"), "shop")
    _, secret = create_key(store.documents, name="mine", roles=("admin",), project=None, now=NOW)
    store.documents.add(
        [Document(kind="row", id="1", body=b"{}", project="shop", source="desk-1", also_of=("desk-2",), due_at=NOW)]
    )
    blobs_of(url).put(SOUND)
    store.close()
    return secret


def told(store: Store) -> dict[str, object]:
    """What a store says, as far as people see it."""
    conversations = {(one.project, one.id): one for one in store.conversations()}
    return {
        "conversations": conversations,
        "spans": {key: store.raw_spans(key[1], key[0]) for key in conversations},
        "logs": {key: store.raw_logs(key[1], key[0]) for key in conversations},
        "feedback": {key: store.feedback(key[1], key[0]) for key in conversations},
        "found": [row.id for row in store.search.conversations(parse("parcel 7"))],
        "rows": store.documents.find("row"),
        "settings": [store.project(name) for name in store.projects()],
    }


def both(one_url: str, other_url: str) -> tuple[dict[str, object], dict[str, object]]:
    one, other = open_store(one_url), open_store(other_url)
    try:
        return told(one), told(other)
    finally:
        one.close()
        other.close()


def goes_on(url: str, secret: str) -> None:
    """A moved store is one like any other."""
    store = open_store(url)
    assert key_of(store.documents, secret) is not None
    store.add_spans("shop", raw_spans(chat_span(9_100, 1, said=["a new parcel"], session="s-new")))
    store.add_spans("private", raw_spans(chat_span(9_101, 1, said=["I am ann@corp.io"], session="s-later")))
    store.documents.add([Document(kind="row", id="2", body=b"{}")])
    assert [row.id for row in store.search.conversations(parse("new parcel"))] == ["s-new"]
    first, later = (store.conversation(id, "private").turns[0].user for id in ("s-private", "s-later"))
    assert first is not None and later is not None and first.text == later.text and "ann@corp" not in first.text
    assert store.delete_session("desk-1", "shop").copies == 1
    store.close()


def test_a_file_is_moved_to_another(tmp_path: Path) -> None:
    one, other = f"sqlite:///{tmp_path}/one.sqlite3", f"sqlite:///{tmp_path}/other.sqlite3"
    secret = filled(one)
    moved = move(one, other)
    assert moved.rows > 100 and moved.recordings == 1
    before, after = both(one, other)
    assert after == before
    assert blobs_of(other).get(content_hash(SOUND)) == SOUND
    goes_on(other, secret)


@pytest.mark.slow
def test_a_store_moves_to_postgresql_and_back_also_when_it_is_killed_on_the_way(
    tmp_path: Path, cluster: Cluster
) -> None:
    file, there = f"sqlite:///{tmp_path}/one.sqlite3", cluster.database(f"moved{next(_numbers)}")
    secret = filled(file, traces=1_500)
    kills = 0
    back = f"sqlite:///{tmp_path}/back.sqlite3"
    for source, target in ((file, there), (there, back)):
        while True:
            process = subprocess.Popen(
                [sys.executable, "-m", "taketwo", "store", "migrate", source, target],
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            assert process.stderr is not None
            # Killed while chunks are copied, then while what was copied is compared, and then no more.
            word = (b"chunk", b"rows compared", None)[kills % 3]
            while word is not None and word not in process.stderr.read1():
                time.sleep(0.001)
            if word is None:
                process.communicate()
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        kills += 1
        assert process.returncode == 0
    before, between = both(file, there)
    assert between == before
    assert both(file, back)[1] == before
    goes_on(back, secret)
    goes_on(there, secret)


def test_no_table_is_forgotten() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    moved = {table.name for table in TABLES}
    assert {name for name in there - moved if not name.startswith(("talk", "sqlite_"))} == {
        "facts",
        "mark",
        "grade",
        "grade_hour",
    }
    for table in TABLES:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")} - {"indexed"}
        assert columns == set(table.every)


def test_what_is_interrupted_while_it_is_made_searchable_goes_on_though_it_was_read_meanwhile(tmp_path: Path) -> None:
    one, other = (f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("one", "other"))
    filled(one)
    told: list[str] = []

    def interrupted(what: str, number: int) -> None:
        told.append(what)
        if what == "conversations to be indexed":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        move(one, other, tell=interrupted)
    with closing(TableStore(SqliteDatabase(f"{tmp_path}/other.sqlite3"), is_being_filled=True)) as begun:
        begun.settle()
    with pytest.raises(StoreUnavailable, match="being moved here"):
        open_store(other)
    moved = move(one, other)
    again = move(one, f"sqlite:///{tmp_path}/again.sqlite3")
    assert moved == again
    with closing(open_store(one)) as before, closing(open_store(other)) as after:
        assert list(after.conversations()) == list(before.conversations())


def test_only_an_empty_store_is_moved_into(tmp_path: Path) -> None:
    one, other, third = (f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("one", "other", "third"))
    filled(one)
    filled(other)
    with pytest.raises(AlreadyThere, match="holds something already"):
        move(one, other)
    with pytest.raises(BadSetting, match="the store itself"):
        move(one, one)
    with pytest.raises(BadSetting, match="only stores in SQLite and PostgreSQL"):
        move("memory:", third)
    open_store(other).close()


def test_what_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    one, other = f"sqlite:///{tmp_path}/one.sqlite3", f"sqlite:///{tmp_path}/other.sqlite3"
    filled(one)

    def change(what: str, number: int) -> None:
        if what == "membership":
            store = open_store(one)
            store.set_project("shop", ProjectSettings(keep_for_days=1))
            store.close()

    with pytest.raises(StoreUnavailable, match=r"project: .* were to be moved"):
        move(one, other, tell=change)
    with pytest.raises(StoreUnavailable, match="not all of it has come"):
        open_store(other)

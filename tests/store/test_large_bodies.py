"""Large bodies of spans are objects beside the tables: read as if they were not, and gone with what they belong to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from made_spans import START_NS, chat_span, raw_logs, raw_spans
from made_spans import large_span as large
from object_storage import ObjectStorage
from postgres_cluster import emptied

from taketwo.blobs import Blobs, large_bodies_of, open_blobs
from taketwo.conversation import Conversation
from taketwo.errors import StoreUnavailable
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.archive import put_back, write_archive
from taketwo.store.backup import back_up
from taketwo.store.chunks import LARGE_BYTES
from taketwo.store.moving import move
from taketwo.store.project import ProjectSettings

STARTED = datetime.fromtimestamp(START_NS / 1e9, UTC)
IN_DATABASES = ["file", pytest.param("bucket", marks=pytest.mark.slow), pytest.param("both", marks=pytest.mark.slow)]
_numbers = count(1)


@pytest.fixture(params=IN_DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file with a folder, a file with a bucket, and a database with a bucket."""
    if request.param == "file":
        return f"sqlite:///{tmp_path}/store.sqlite3"
    storage: ObjectStorage = request.getfixturevalue("object_storage")
    assert storage is not None
    bucket = f"s3://talks/large/{next(_numbers)}"
    if request.param == "bucket":
        return f"sqlite:///{tmp_path}/store.sqlite3?blobs={bucket}"
    database = emptied(request.getfixturevalue("database_url"))
    return f"{database}{'&' if '?' in database else '?'}blobs={bucket}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def objects(store: Store) -> Blobs:
    return large_bodies_of(blobs_of(store.url))


def held(store: Store) -> set[str]:
    return set(objects(store).names())


def test_a_large_body_is_an_object_and_read_as_if_it_were_none(store: Store) -> None:
    big, small = large(1, session="s-one", said="Where is it?"), raw_spans(chat_span(1, 2, session="s-one"))
    assert store.add_spans("p", [big, *small]) == 2
    assert len(held(store)) == 1
    assert sorted(store.raw_spans("s-one"), key=lambda span: span.span_id) == [big, *small]
    alone = open_store("memory:")
    alone.add_spans("p", [big, *small])
    assert store.conversation("s-one") == alone.conversation("s-one")


def test_so_is_that_of_a_log_record(store: Store) -> None:
    logs = raw_logs((1, 1, "a long text " * LARGE_BYTES))
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s-one")))
    store.add_logs("p", logs)
    assert len(held(store)) == 1 and store.raw_logs("s-one") == logs


def test_what_is_sent_twice_is_kept_once(store: Store) -> None:
    for _ in range(3):
        store.add_spans("p", [large(1, session="s-one"), large(1, 2, session="s-one")])
    store.expire(STARTED)
    assert len(held(store)) == 2 and len(store.raw_spans("s-one")) == 2
    more = large(1, 2, session="s-one", said="Hello again and again")
    store.add_spans("p", [large(1, session="s-one"), more])
    store.expire(STARTED)
    assert store.raw_spans("s-one")[1] == more


def test_it_goes_with_its_session_with_its_user_and_by_age(store: Store) -> None:
    store.add_spans("p", [large(1, session="s-one"), large(2, session="s-two")])
    store.add_spans("q", [large(1, session="s-one")])
    store.delete_session("s-one", "p")
    assert len(held(store)) == 2
    store.set_project("q", ProjectSettings(keep_for_days=30))
    store.expire(STARTED + timedelta(days=31))
    assert len(held(store)) == 1
    assert store.raw_spans("s-two") == [large(2, session="s-two")]
    store.delete_session("s-two")
    assert held(store) == set()


def test_of_a_trace_that_two_sessions_share_the_other_ones_body_stays(store: Store) -> None:
    mine, yours = large(1, 1, session="s-one"), large(1, 2, session="s-two")
    store.add_spans("p", [mine, yours])
    store.settle()
    store.delete_session("s-one")
    assert store.raw_spans("s-two") == [yours]
    store.delete_session("s-two")
    assert held(store) == set()


def test_an_object_whose_rows_never_came_is_swept_after_a_day(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    with closing(open_store(url)) as store:
        store.add_spans("p", [large(1, session="s-one")])
        # As a kill between the object and its rows leaves it: the object is noted, and nobody's.
        with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as connection:
            connection.execute("UPDATE large_body SET trace_id = NULL")
            store.expire(STARTED)
            assert len(held(store)) == 1
            connection.execute("UPDATE large_body SET at_ns = at_ns - 86400 * 1000000000")
        store.expire(STARTED)
        assert held(store) == set()
        with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as connection:
            assert connection.execute("SELECT count(*) FROM large_body").fetchone() == (0,)


def test_storage_that_fails_before_the_rows_leaves_nothing_half_and_the_span_can_be_sent_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    with closing(open_store(url)) as store:
        folder = Path(blobs_of(url).where)
        folder.write_text("no folder", encoding="utf-8")
        with pytest.raises(StoreUnavailable, match="cannot be read or written"):
            store.add_spans("p", [large(1, session="s-one")])
        assert list(store.summaries()) == []
        folder.unlink()
        store.add_spans("p", [large(1, session="s-one")])
        assert store.raw_spans("s-one") == [large(1, session="s-one")]


@pytest.mark.parametrize(("harm", "told"), [(None, "missing"), (b"something else", "damaged")])
def test_what_is_missing_or_damaged_is_told_with_its_place(tmp_path: Path, harm: bytes | None, told: str) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/store.sqlite3")) as store:
        store.add_spans("p", [large(1, session="s-one")])
        store.settle()  # whoever only reads does not wait until what was read is kept
        before = store.conversation("s-one")
        (file,) = (one for one in Path(objects(store).where).iterdir())
        file.unlink() if harm is None else file.write_bytes(harm)
        with pytest.raises(StoreUnavailable, match=told) as raised:
            store.raw_spans("s-one")
        assert raised.value.where == objects(store).where
        assert store.conversation("s-one") == before  # its reading is in the table


def test_a_backup_a_move_and_an_archive_bring_them_along(tmp_path: Path) -> None:
    url, span = f"sqlite:///{tmp_path}/store.sqlite3", large(1, session="s-one")
    with closing(open_store(url)) as store:
        store.add_spans("p", [span])
        write_archive(store, tmp_path / "old.parquet", before=STARTED + timedelta(days=1))
    back_up(url, tmp_path / "copy.sqlite3")
    move(url, f"sqlite:///{tmp_path}/moved.sqlite3")
    with closing(open_store(f"sqlite:///{tmp_path}/again.sqlite3")) as again:
        put_back(tmp_path / "old.parquet", again)
    (tmp_path / "store.sqlite3").unlink()
    for object in Path(open_blobs(f"{tmp_path}/store.sqlite3.audio/spans").where).iterdir():
        object.unlink()
    for name in ("copy", "moved", "again"):
        with closing(open_store(f"sqlite:///{tmp_path}/{name}.sqlite3")) as store:
            assert store.raw_spans("s-one") == [span] and len(held(store)) == 1
            store.delete_session("s-one")
            assert held(store) == set()


def test_a_quota_counts_them_and_recordings(store: Store) -> None:
    before = store.stored_bytes("p")
    store.add_spans("p", [large(1, session="s-one")])
    (name,) = held(store)
    size = len(objects(store).get(name) or b"")
    assert store.stored_bytes("p") >= before + size
    spans = store.stored_bytes("p")
    recording = blobs_of(store.url).put(b"RIFF" * 1_000)
    for id in ("call-1", "call-2"):
        call = Conversation(id=id, project="p", channel="voice", metadata={"recording": recording})
        store.put_conversation(call)
    assert store.stored_bytes("p") == spans + 4_000
    assert store.stored_bytes("q") == 0
    store.delete_session("call-1")
    assert store.stored_bytes("p") == spans + 4_000
    store.delete_session("call-2")
    store.delete_session("s-one")
    assert store.stored_bytes("p") == before

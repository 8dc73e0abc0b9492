"""The journal: what was acknowledged comes out again, whole and in order, after whatever happened."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_spans import chat_span, raw_spans, trace_request

from taketwo.errors import NotFound, StoreBusy, StoreUnavailable
from taketwo.store import open_store
from taketwo.store.journal import Entry, Journal, left_over
from taketwo.store.requests import Acknowledged

ENTRIES = st.lists(
    st.builds(Entry, st.none() | st.text(min_size=1, max_size=8), st.binary(max_size=200), st.booleans()), max_size=12
)


def some(number: int) -> list[Entry]:
    """Entries that differ."""
    return [Entry(None if one % 2 else f"p{one}", bytes([one]) * 100) for one in range(number)]


def left_in(folder: Path) -> list[Entry]:
    """All that nobody holds."""
    return [entry for entries in left_over(folder) for entry in entries]


def files(folder: Path) -> list[Path]:
    """The journals there."""
    return sorted(folder.glob("*.journal"))


@pytest.mark.parametrize("file_bytes", [100, 10_000])
def test_what_was_appended_comes_out_in_order_until_it_is_stored(tmp_path: Path, file_bytes: int) -> None:
    journal = Journal(tmp_path, file_bytes=file_bytes)
    entries = some(9)
    for entry in entries:
        journal.append(entry)
    assert journal.next(1) == entries[:1]
    assert journal.next(10_000) == entries
    journal.stored(4)
    assert journal.next(10_000) == entries[4:]
    journal.stored(5)
    assert journal.next(10_000) == []
    assert journal.waiting_bytes == 0
    journal.append(entries[0])
    assert journal.next(10_000) == entries[:1]
    journal.stored(1)
    journal.close()
    assert files(tmp_path) == []


def test_what_is_stored_is_no_longer_on_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(Entry(None, b"a secret"))
    assert b"a secret" in files(tmp_path)[0].read_bytes()
    journal.stored(1)
    assert b"a secret" not in files(tmp_path)[0].read_bytes()
    journal.close()


def test_many_may_append_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, file_bytes=5_000)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(journal.append, some(200)))
    assert sorted(journal.next(10**6), key=repr) == sorted(some(200), key=repr)
    journal.close()
    assert sorted(left_in(tmp_path), key=repr) == sorted(some(200), key=repr)


def test_what_a_process_left_is_taken_over_once_and_what_another_holds_is_not(tmp_path: Path) -> None:
    held, left = Journal(tmp_path), Journal(tmp_path)
    for entry in some(3):
        held.append(entry)
        left.append(entry)
    left.stored(1)
    assert left_in(tmp_path) == []
    left.close()
    assert left_in(tmp_path) == some(3)[1:]
    assert left_in(tmp_path) == []
    held.close()
    assert left_in(tmp_path) == some(3)
    assert files(tmp_path) == []


@given(entries=ENTRIES, cut=st.integers(min_value=0, max_value=3_000), damaged=st.booleans())
def test_of_a_torn_file_the_whole_requests_come_out_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], cut: int, damaged: bool
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    journal = Journal(folder)
    ends = [16]
    for entry in entries:
        journal.append(entry)
        ends.append(files(folder)[0].stat().st_size)
    journal.close()
    for path in files(folder):
        whole = path.read_bytes()
        path.write_bytes(whole[:cut] + (b"\0" * (len(whole) - cut) if damaged else b""))
    kept = left_in(folder)
    assert kept == entries[: len(kept)]
    assert len(kept) >= sum(end <= cut for end in ends[1:])


def test_more_than_may_wait_is_refused_until_some_of_it_is_stored(tmp_path: Path) -> None:
    journal = Journal(tmp_path, most_bytes=300)
    journal.append(some(1)[0])
    journal.append(some(1)[0])
    with pytest.raises(StoreBusy):
        journal.append(some(1)[0])
    journal.stored(1)
    journal.append(some(1)[0])
    journal.close()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As where the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_the_disk_is_full_that_is_said_and_what_was_kept_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    first, second = some(2)
    journal.append(first)
    with files_no_larger_than(200), pytest.raises(StoreUnavailable, match="cannot be written"):
        journal.append(second)
    journal.append(second)
    assert journal.next(10_000) == [first, second]
    journal.close()
    assert left_in(tmp_path) == [first, second]


def test_what_a_killed_process_acknowledged_is_stored_by_whoever_opens_the_store_next(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    journal = Journal(tmp_path / "store.sqlite3.arrivals")
    for trace in range(1, 5):
        journal.append(Entry("shop" if trace > 2 else None, trace_request(chat_span(trace, 1))))
    journal.close()
    store.flush()
    assert {trace.project for trace in store.traces()} == {"shop", "default"}
    assert len(list(store.traces())) == 4
    store.close()


def test_so_it_is_where_that_process_is_not_quite_dead_yet(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    journal = Journal(tmp_path / "store.sqlite3.arrivals")
    journal.append(Entry(None, trace_request(chat_span(1, 1))))
    dying = Timer(0.1, journal.close)
    dying.start()
    store.flush()
    dying.join()
    assert len(list(store.traces())) == 1
    store.close()


def test_what_cannot_be_read_is_set_aside_and_the_others_are_stored(tmp_path: Path) -> None:
    store = open_store("memory:")
    journal = Journal(tmp_path)
    for body in (trace_request(chat_span(1, 1)), b"no request", trace_request(chat_span(2, 1))):
        journal.append(Entry(None, body))
    journal.close()
    assert Acknowledged(store, tmp_path).wait(1)
    assert len(list(store.traces())) == 2
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"no request"]


def test_a_session_that_is_deleted_does_not_come_back_out_of_the_journal(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.add_spans("default", raw_spans(chat_span(1, 1, session="s-1")))
    journal = Journal(tmp_path / "store.sqlite3.arrivals")
    journal.append(Entry(None, trace_request(chat_span(1, 2, session="s-1"))))
    journal.close()
    assert store.delete_session("s-1").spans == 2
    store.flush()
    assert list(store.traces()) == []
    store.close()


def test_what_its_holder_does_not_store_in_time_is_said_once_and_waited_for_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, journal = open_store("memory:"), Journal(tmp_path)
    acknowledged = Acknowledged(store, tmp_path)
    for _ in range(2):
        journal.append(some(1)[0])
        assert [acknowledged.wait(0.02) for _ in range(2)] == [False, False]
        journal.stored(1)
        assert acknowledged.wait(60)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: not all that was acknowledged is stored yet; until it is, it is not found"
    ] * 2
    journal.close()


def test_a_deletion_that_cannot_see_all_deletes_what_there_is_and_says_that_more_may_come(tmp_path: Path) -> None:
    store, journal = open_store("memory:"), Journal(tmp_path)
    store.add_spans("default", raw_spans(chat_span(1, 1, session="s-1")))
    journal.append(Entry(None, trace_request(chat_span(1, 2, session="s-1"))))
    for _ in range(2):  # the second time nothing is found, which is not the whole truth either
        with (
            pytest.raises(StoreBusy, match="what is stored of it is deleted"),
            Acknowledged(store, tmp_path).before_deleting(0.02),
        ):
            store.delete_session("s-1")
        assert list(store.traces()) == []
    journal.close()
    with Acknowledged(store, tmp_path).before_deleting(60):
        assert store.delete_session("s-1").spans == 1
    with pytest.raises(NotFound), Acknowledged(store, tmp_path).before_deleting(60):
        store.delete_session("s-1")


def test_files_are_for_nobody_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "store.arrivals")
    journal.append(some(1)[0])
    assert os.stat(tmp_path / "store.arrivals").st_mode & 0o77 == 0
    assert files(tmp_path / "store.arrivals")[0].stat().st_mode & 0o77 == 0
    journal.close()

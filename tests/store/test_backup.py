"""A backup is opened again, and holds all that was acknowledged before it, whoever wrote meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from made_spans import large_span

from taketwo.blobs import large_bodies_of
from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.backup import Beside, back_up, copy_whole
from taketwo.store.recordings import recordings_folder
from taketwo.testing import conversation, turn

TALK = conversation(turn("Hi", reply="Hello!"))


def test_a_copy_made_while_somebody_writes_is_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    store = open_store(url)
    for number in range(50):
        store.put_conversation(TALK.but(id=f"before-{number}"))
    sound = blobs_of(url).put(b"RIFF sound")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            store.put_conversation(TALK.but(id=f"meanwhile-{number}"))
            number += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        back_up(url, tmp_path / "copy" / "store.sqlite3")
    finally:
        stop.set()
        writing.join()
        store.close()
    again = open_store(f"sqlite:///{tmp_path}/copy/store.sqlite3")
    ids = {one.id for one in again.conversations()}
    again.close()
    assert {f"before-{number}" for number in range(50)} <= ids
    assert blobs_of(again.url).get(sound) == b"RIFF sound"


class Meanwhile(Beside):
    """Something happens before or after what lies beside the tables is copied, each time another thing."""

    def __init__(self, url: str, to: Path, happens: Iterable[Callable[[Callable[[], None]], None]]) -> None:
        super().__init__(blobs_of(url), FolderBlobs(recordings_folder(to)))
        self._happens = iter(happens)

    def copy(self) -> None:
        next(self._happens, lambda copy: copy())(super().copy)


@pytest.mark.parametrize("is_new", [True, False], ids=["what came meanwhile", "what was there"])
def test_what_is_deleted_while_the_store_is_copied_is_not_half_in_the_copy(tmp_path: Path, is_new: bool) -> None:
    url, to = f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "copy.sqlite3"
    with closing(open_store(url)) as store:

        def come() -> None:
            store.add_spans("p", [large_span(2, session="s-going")])
            sound = blobs_of(url).put(b"RIFF sound")
            store.put_conversation(TALK.but(id="call", project="p", metadata={"recording": sound}))

        def first(copy: Callable[[], None]) -> None:
            copy()
            if is_new:
                come()

        def then(copy: Callable[[], None]) -> None:
            store.delete_session("s-going")
            store.delete_session("call")
            copy()

        staying = large_span(1, session="s-staying")
        store.add_spans("p", [staying])
        if not is_new:
            come()
        with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as source, closing(sqlite3.connect(to)) as tables:
            assert copy_whole(source, tables, Meanwhile(url, to, [first, then])) == frozenset()
    with closing(open_store(f"sqlite:///{to}")) as copy:
        # Either as it was before the deletion or as it was after it, and nothing in between.
        ids = {"s-staying"} if is_new else {"s-staying", "s-going", "call"}
        assert {one.id for one in copy.conversations()} == ids
        assert copy.raw_spans("s-staying") == [staying]
        assert is_new or copy.raw_spans("s-going") == [large_span(2, session="s-going")]
        assert len(set(large_bodies_of(blobs_of(copy.url)).names())) == len(ids - {"call"})
        assert len(set(blobs_of(copy.url).names())) == len(ids & {"call"})


def test_what_was_missing_before_is_told_and_keeps_nothing_else_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    with closing(open_store(url)) as store:
        store.add_spans("p", [large_span(1, session="s-one"), large_span(2, session="s-two")])
        name, _ = large_bodies_of(blobs_of(url)).names()
        large_bodies_of(blobs_of(url)).delete(name)
    backup = back_up(url, tmp_path / "copy.sqlite3")
    assert backup.missing == (name,)
    assert backup.written == (tmp_path / "copy.sqlite3", tmp_path / "copy.sqlite3.audio")


def test_what_cannot_be_copied_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="only SQLite"):
        back_up("memory:", tmp_path / "copy")
    with pytest.raises(StoreUnavailable, match="cannot be copied"):
        back_up(f"sqlite:///{tmp_path}/nothing.sqlite3", tmp_path / "copy")
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    with pytest.raises(BadSetting, match="there already"):
        back_up(f"sqlite:///{tmp_path}/nothing.sqlite3", tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_a_backup_that_gives_up_leaves_nothing_and_may_be_made_again_under_the_same_name(tmp_path: Path) -> None:
    url, to = f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "copies" / "copy.sqlite3"
    with closing(open_store(url)) as store:
        sound = blobs_of(url).put(b"RIFF sound")
        store.put_conversation(TALK.but(metadata={"recording": sound}))
    damaged = recordings_folder(tmp_path / "store.sqlite3") / ("f" * 64)
    damaged.write_bytes(b"something else")
    assert sound < damaged.name, "the sound one is copied first"
    with pytest.raises(StoreUnavailable, match="not what its name says"):
        back_up(url, to)
    assert list(to.parent.iterdir()) == []
    damaged.unlink()
    (to.parent / f".{to.name}.unfinished").write_bytes(b"of a backup that was killed")
    assert back_up(url, to).written == (to, recordings_folder(to))
    assert sorted(path.name for path in to.parent.iterdir()) == [to.name, recordings_folder(to).name]
    assert blobs_of(f"sqlite:///{to}").get(sound) == b"RIFF sound"
    to.unlink()
    with pytest.raises(BadSetting, match=r"audio: is there already"):
        back_up(url, to)

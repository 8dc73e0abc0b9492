"""A backup is opened again, and holds all that was acknowledged before it, whoever wrote meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store import open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.backup import back_up
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


def test_what_cannot_be_copied_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="only SQLite"):
        back_up("memory:", tmp_path / "copy")
    with pytest.raises(StoreUnavailable, match="cannot be copied"):
        back_up(f"sqlite:///{tmp_path}/nothing.sqlite3", tmp_path / "copy")
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    with pytest.raises(BadSetting, match="there already"):
        back_up(f"sqlite:///{tmp_path}/nothing.sqlite3", tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]

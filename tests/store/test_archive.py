"""Old conversations in a Parquet file: the same as in the store that they came from, and as good to work with."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from made_spans import PROTOBUF, chat_span, raw_spans

from taketwo.capture.otlp import WrongSignal, read_logs, read_spans
from taketwo.cli.archive import archive_command
from taketwo.cli.look import sessions_command
from taketwo.conversation import Conversation, Say, Turn, UserLine
from taketwo.errors import AlreadyThere, StoreUnavailable
from taketwo.store import Store, open_store
from taketwo.store.addresses import blobs_of
from taketwo.store.archive import _rows, put_back, write_archive
from taketwo.store.archive_places import ArchivePlace, archive_place
from taketwo.store.feedback import Feedback
from taketwo.voice.recordings import Recordings

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield opened
    opened.close()


def imported(id: str, *, at: datetime | None = AT, recording: str | None = None) -> Conversation:
    turn = Turn(index=0, user=UserLine(text="Where is A-1042?"), steps=(Say(text="Here."),), reply="Here.")
    metadata = {} if recording is None else {"recording": recording}
    return Conversation(id=id, project="shop", started_at=at, ended_at=at, turns=(turn,), metadata=metadata)


def told(store: Store) -> dict[tuple[str, str], Conversation]:
    return {(each.project, each.id): each for each in store.conversations()}


def same(one: Store, other: Store) -> None:
    assert told(one) == told(other)
    for project, id in told(one):
        assert sorted(one.raw_spans(id, project), key=repr) == sorted(other.raw_spans(id, project), key=repr)
        assert sorted(one.raw_logs(id, project), key=repr) == sorted(other.raw_logs(id, project), key=repr)
        assert one.feedback(id, project) == other.feedback(id, project)


def test_every_capture_is_the_same_in_the_archive_and_in_the_store_it_is_put_back_into(
    shared_data: Path, store: Store, tmp_path: Path
) -> None:
    for folder in sorted((shared_data / "traces").iterdir()):
        for file in sorted(folder.glob("*.pb")):
            try:
                store.add_spans(folder.name, read_spans(file.read_bytes(), PROTOBUF).spans)
            except WrongSignal:
                store.add_logs(folder.name, read_logs(file.read_bytes(), PROTOBUF).logs)
    store.put_conversation(imported("chat-1"))
    store.add_feedback("chat-1", Feedback(name="csat", value=2, comment="slow"), "shop")
    file = tmp_path / "old.parquet"
    done = write_archive(store, file, before=LATER)
    assert done is not None
    # What has no times is not old.
    timed = {key for key, one in told(store).items() if one.ended_at is not None}
    assert (done.conversations, done.different) == (len(timed), ())
    archive = open_store(f"archive:///{file}")
    back = open_store(f"sqlite:///{tmp_path}/back.sqlite3")
    assert put_back(file, back).conversations == put_back(file, back).conversations == len(timed)
    same(archive, back)
    assert {key: one for key, one in told(store).items() if key in timed} == told(archive)
    back.close()


def test_feedback_to_a_trace_and_spans_of_one_trace_in_two_sessions_survive(store: Store, tmp_path: Path) -> None:
    dice = random.Random(3)
    for trace in range(1, 150):
        session = dice.choice(["desk-1", "desk-2", None])
        store.add_spans("p", raw_spans(chat_span(trace, 1, said=[f"Hello {trace}"], answered="Hi.", session=session)))
        both = chat_span(trace, 2, said=["More"], answered="Fine.", session=dice.choice(["desk-1", "desk-3"]))
        store.add_spans("p", raw_spans(both))
    store.add_spans("p", raw_spans(chat_span(500, 1, said=["Alone"], answered="Yes.", session="desk-9")))
    store.add_feedback(f"{500:032x}", Feedback(name="ok", value=True), "p")
    done = write_archive(store, tmp_path / "old.parquet", before=LATER)
    assert done is not None and done.different == ()
    same(store, open_store(f"archive:///{tmp_path}/old.parquet"))


def test_only_what_ended_before_goes_in_and_recordings_go_with_it(store: Store, tmp_path: Path) -> None:
    sound = Recordings([blobs_of(store.url)]).keep(b"RIFF not much of a sound")
    store.put_conversation(imported("old", recording=sound))
    store.put_conversation(imported("young", at=AT + timedelta(days=9)))
    store.put_conversation(imported("of no time", at=None))
    file = tmp_path / "old.parquet"
    done = write_archive(store, file, before=AT + timedelta(days=1))
    assert done is not None and (done.conversations, done.recordings) == (1, 1)
    store.delete_session("old", "shop")
    archive = open_store(f"archive:///{file}")
    assert [one.id for one in archive.conversations()] == ["old"]
    assert Recordings([blobs_of(archive.url)]).find(sound) is not None
    ran = CliRunner().invoke(archive_command, ["restore", str(file), "--store", store.url])
    assert ran.output.endswith("1 conversation in the store, 1 recording\n")
    assert Recordings([blobs_of(store.url)]).find(sound) is not None
    assert [store.recordings(project).exists(sound) for project in ("shop", "other")] == [True, False]
    assert store.conversation("old").metadata["recording"] == sound


def test_an_archive_is_searched_as_a_store_is_and_takes_nothing(store: Store, tmp_path: Path) -> None:
    for number in range(70):
        store.put_conversation(imported(f"s-{number}"))
    file = tmp_path / "old.parquet"
    runner = CliRunner()
    wrote = runner.invoke(archive_command, ["write", str(file), "--older-than", "1d", "--store", store.url])
    assert wrote.output == f"{file}: 70 conversations\n"
    found = runner.invoke(
        sessions_command, ["--filter", 'said:"A-1042"', "--limit", "3", "--store", f"archive:///{file}"]
    )
    assert found.exit_code == 0 and "s-69" in found.output, found.output
    archive = open_store(f"archive:///{file}")
    with pytest.raises(StoreUnavailable, match="only read"):
        archive.put_conversation(imported("new"))
    with pytest.raises(StoreUnavailable, match="only read"):
        archive.delete_session("s-1")


def test_nothing_is_written_over_and_nothing_half_is_left(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "old.parquet"
    assert write_archive(store, file, before=LATER) is None
    assert not file.exists()
    store.put_conversation(imported("old"))
    write_archive(store, file, before=LATER)
    with pytest.raises(AlreadyThere):
        write_archive(store, file, before=LATER)
    assert not list(tmp_path.glob(".old.parquet*"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "missing"])
def test_what_is_damaged_or_no_archive_is_said_on_one_line(store: Store, tmp_path: Path, damage: str) -> None:
    store.put_conversation(imported("old"))
    file = tmp_path / "old.parquet"
    write_archive(store, file, before=LATER)
    body = bytearray(file.read_bytes())
    if damage == "flipped":
        body[len(body) // 4] ^= 0xFF
    bad = {"cut": bytes(body[:-40]), "flipped": bytes(body), "text": b"hello", "missing": None}[damage]
    file.unlink()
    if bad is not None:
        file.write_bytes(bad)
    with pytest.raises(StoreUnavailable) as raised:
        open_store(f"archive:///{file}")
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)


class Place:
    """A file whose place, once it is at its beginning, nobody may change here."""

    where = "there"

    def __init__(self, file: Path) -> None:
        self._file = file

    def opened(self) -> io.FileIO:
        return Unmoved(self._file)


class Unmoved(io.FileIO):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        assert (offset, whence) == (0, os.SEEK_SET)
        return super().seek(offset, whence)


def test_who_reads_an_archive_leaves_the_place_in_it_to_the_process_that_shares_it(
    store: Store, tmp_path: Path
) -> None:
    store.put_conversation(imported("old"))
    file = tmp_path / "old.parquet"
    write_archive(store, file, before=LATER)
    assert [row["id"] for row in _rows(cast("ArchivePlace", Place(file)))] == ["old"]


def test_an_archive_that_unpacks_to_very_much_more_than_its_size_is_not_read_to_its_end(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    file = tmp_path / "bomb.parquet"
    text = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * 1_000, pyarrow.int32()), pyarrow.array(["x" * 2_000_000])
    )
    nothing = pyarrow.array([[]] * 1_000, pyarrow.list_(pyarrow.string()))
    names = ("project", "id", "conversation")
    rest = {"started_at": nothing, "ended_at": nothing, "user_id": nothing, "feedback": nothing, "spans": nothing}
    table = pyarrow.table({**dict.fromkeys(names, text), **rest, "logs": nothing})
    parquet.write_table(table, file, compression="zstd", dictionary_pagesize_limit=1 << 30)
    assert file.stat().st_size < 100_000
    rows = _rows(archive_place(file))
    with pytest.raises(StoreUnavailable, match="it holds more than 268,435,456 bytes") as raised:
        for _ in rows:
            pass
    assert str(file) in str(raised.value) and "\n" not in str(raised.value)

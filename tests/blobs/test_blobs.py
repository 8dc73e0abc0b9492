"""What keeps bodies keeps the same promises, in a folder and in a bucket of a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from object_storage import ObjectStorage, in_environment

from taketwo.blobs import Blobs, open_blobs
from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import StoreUnavailable
from taketwo.value import content_hash

WAV, OTHER = b"RIFF and what sounds", b"anything else"
_numbers = count(1)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "deep" / "er"))
    request.getfixturevalue("object_storage")
    return open_blobs(f"s3://talks/blobs/{next(_numbers)}")


def test_a_body_is_found_again_by_its_hash_and_only_by_it(blobs: Blobs) -> None:
    name = blobs.put(WAV)
    assert name == content_hash(WAV)
    assert blobs.exists(name) and blobs.get(name) == WAV
    for other in ("0" * 64, name[:-1], f"{name}.wav", "../" + name, "", name.upper(), f"{name}/x"):
        assert not blobs.exists(other) and blobs.get(other) is None and blobs.part(other, 0) is None
        assert not blobs.delete(other)
    assert blobs.get(name) == WAV


def test_the_same_body_is_kept_once_and_an_empty_one_is_a_body(blobs: Blobs) -> None:
    assert list(blobs.names()) == []
    names = {blobs.put(WAV), blobs.put(WAV), blobs.put(b"")}
    assert sorted(blobs.names()) == sorted(names) and len(names) == 2
    assert blobs.get(content_hash(b"")) == b""


def test_what_is_deleted_is_gone(blobs: Blobs) -> None:
    kept, gone = blobs.put(WAV), blobs.put(OTHER)
    assert blobs.delete(gone) and not blobs.delete(gone)
    assert blobs.get(gone) is None and not blobs.exists(gone)
    assert list(blobs.names()) == [kept]


def test_a_part_says_where_it_stands_and_what_the_whole_is(blobs: Blobs) -> None:
    name = blobs.put(WAV)
    for first, last in ((0, None), (0, 3), (5, None), (5, 5), (len(WAV) - 1, None), (3, 10_000)):
        part = blobs.part(name, first, last)
        assert part is not None
        assert part.body == WAV[first : None if last is None else last + 1]
        assert (part.first, part.size, part.media_type) == (first, len(WAV), "audio/wav")
    behind = blobs.part(name, len(WAV))
    assert behind is not None and (behind.body, behind.size) == (b"", len(WAV))


def test_several_may_keep_and_forget_the_same_at_once(blobs: Blobs) -> None:
    bodies = [bytes([number]) * 5_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(blobs.put, bodies * 4))
        assert set(blobs.names()) == set(names) == {content_hash(body) for body in bodies}
        assert all(threads.map(lambda name: blobs.get(name) is not None, names))
        list(threads.map(blobs.delete, names))
    assert list(blobs.names()) == []


def test_what_lies_beside_bodies_in_a_folder_is_none_and_nobody_else_reads_them(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "audio")
    name = blobs.put(WAV)
    (tmp_path / "audio" / ".gitattributes").write_text("mine", encoding="utf-8")
    (tmp_path / "audio" / "tmp1234").write_bytes(b"half")
    assert list(blobs.names()) == [name]
    file = blobs.file(name)
    assert file is not None and file.name == f"{name}.wav"
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match=str(tmp_path)):
        FolderBlobs(tmp_path / "file" / "audio").put(WAV)


@pytest.mark.slow
def test_mistakes_with_a_bucket_are_told_on_one_line_without_the_key(object_storage: ObjectStorage) -> None:
    secret = object_storage.environment["AWS_SECRET_ACCESS_KEY"]
    with pytest.raises(StoreUnavailable, match="see that it runs") as raised:
        open_blobs("s3://there-is-none/x").get("0" * 64)
    told = [str(raised.value)]
    with in_environment({"AWS_SECRET_ACCESS_KEY": f"{secret}-wrong"}):
        mistaken = open_blobs("s3://talks/mistaken")
    with pytest.raises(StoreUnavailable, match="refuses its key") as raised:
        mistaken.put(WAV)
    told.append(str(raised.value))
    assert all("\n" not in line and secret not in line for line in told)


@pytest.mark.slow
def test_storage_that_goes_away_and_comes_back_has_what_it_acknowledged(object_storage: ObjectStorage) -> None:
    blobs = open_blobs("s3://talks/away")
    name = blobs.put(WAV)
    object_storage.stop()
    try:
        for attempt in (lambda: blobs.put(OTHER), lambda: blobs.get(name), lambda: list(blobs.names())):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                attempt()
    finally:
        object_storage.start()
    assert blobs.get(name) == WAV
    assert blobs.get(blobs.put(OTHER)) == OTHER

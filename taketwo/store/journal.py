"""Requests that came faster than they could be stored, as they came: on disk, in order, until the store has them.

Every process that receives has files of its own in a folder beside the store, and holds a lock on each. A file begins
with how far the store has it; then come the requests, each with its lengths and a checksum. A file whose lock is free
was left by a process that was killed: whoever opens the store next takes it over.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Final, NamedTuple
from uuid import uuid4

from taketwo.errors import StoreBusy, StoreUnavailable

FILE_BYTES: Final = 32 * 1024 * 1024
"""When a file is as large as that, another one is begun, so that the first can go."""
MOST_BYTES: Final = 512 * 1024 * 1024
"""How many bytes may wait; beyond that senders are told to come back."""

_BEGIN: Final = struct.Struct("<8sQ")
"""What a file begins with: the name of the format, and the place up to which the store has it."""
_MAGIC: Final = b"tt2jrnl1"
_HEAD: Final = struct.Struct("<III")
"""Before every request: checksum of the rest, length of the project's name, length of the body."""
_LOGS: Final = 1 << 31
"""Added to the length of the name where the request holds log records."""
_ENDING: Final = ".journal"

_log = logging.getLogger("taketwo.store")


class Entry(NamedTuple):
    """A request."""

    project: str | None
    """The project that the sender named beside it; None where the spans themselves say it, or nobody."""
    body: bytes
    """A request in OTLP's protobuf, without compression."""
    is_logs: bool = False
    """Whether it holds log records and not spans."""


@dataclass(slots=True)
class _File:
    path: Path
    number: int
    """Its file descriptor."""
    end: int = _BEGIN.size
    """Where the next request goes."""
    stored: int = _BEGIN.size
    """Up to here the store has it."""


class _Place(NamedTuple):
    file: _File
    begin: int
    end: int


class Journal:
    """Appends requests, many with one sync, and hands them out again in order; for several threads."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES, file_bytes: int = FILE_BYTES) -> None:
        """Make no file before there is something to write."""
        self.folder = folder
        with suppress(OSError):  # now, for what is above it and is deleted later is not to be made again
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most_bytes = most_bytes
        self._file_bytes = file_bytes
        self._arriving: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._changed = Condition()
        self._writing = Lock()
        self._waiting: deque[_Place] = deque()
        self._bytes = 0
        self._file: _File | None = None
        self._thread: Thread | None = None
        self._since = 0.0

    @property
    def waiting_bytes(self) -> int:
        """How much the store does not have yet."""
        return self._bytes

    @property
    def waiting_s(self) -> float:
        """For how long there has been something that the store does not have."""
        return time.monotonic() - self._since if self._bytes else 0.0

    def append(self, entry: Entry) -> None:
        """Keep a request, and wait until it is on disk. Raises StoreBusy where too much waits, StoreUnavailable."""
        framed = _framed(entry)
        done: Future[None] = Future()
        with self._changed:
            if self._bytes + len(framed) > self._most_bytes:
                raise StoreBusy("more came than could be stored yet", todo="send it again in a moment")
            if not self._bytes:
                self._since = time.monotonic()
            self._bytes += len(framed)
            if self._thread is None:
                self._thread = Thread(target=self._write, name="taketwo-journal", daemon=True)
                self._thread.start()
        self._arriving.put((framed, done))
        done.result()

    def next(self, most_bytes: int) -> list[Entry]:
        """The oldest requests that wait, at least one if there is any; they wait until `stored` is told so."""
        with self._changed:
            places: list[_Place] = []
            size = 0
            for place in self._waiting:
                size += place.end - place.begin
                if places and size > most_bytes:
                    break
                places.append(place)
        return [_entry(os.pread(place.file.number, place.end - place.begin, place.begin)) for place in places]

    def stored(self, number: int) -> None:
        """So many of the oldest requests are in the store: forget them, and the files that hold nothing else."""
        with self._writing, self._changed:
            done = [self._waiting.popleft() for _ in range(number)]
            self._bytes -= sum(place.end - place.begin for place in done)
            for place in done:
                place.file.stored = place.end
            for file in {id(place.file): place.file for place in done}.values():
                self._let_go(file)

    def _let_go(self, file: _File) -> None:
        """Of what the store has nothing stays on disk longer than it must."""
        if file.stored < file.end:
            os.pwrite(file.number, _BEGIN.pack(_MAGIC, file.stored), 0)
        elif file is self._file:
            # First what was said is gone and then how far it was stored: a kill in between must not bring it back.
            os.ftruncate(file.number, _BEGIN.size)
            file.end = file.stored = _BEGIN.size
            os.pwrite(file.number, _BEGIN.pack(_MAGIC, file.stored), 0)
        else:
            _remove(file)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until something waits to be stored; False where nothing does by then."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting), timeout_s)

    def close(self) -> None:
        """Write what waits; what the store has not got by then stays on disk for whoever opens it next."""
        if self._thread is not None:
            self._arriving.put(None)
            self._thread.join()
        with self._changed:
            for file in {id(place.file): place.file for place in self._waiting}.values():
                if file is not self._file:
                    os.close(file.number)
            if self._file is not None:
                os.close(self._file.number) if self._bytes else _remove(self._file)
            self._file = None

    def _write(self) -> None:
        while True:
            group = [self._arriving.get()]
            with suppress(queue.Empty):
                while group[-1] is not None:
                    group.append(self._arriving.get_nowait())
            arrived = [one for one in group if one is not None]
            try:
                with self._writing:
                    self._append([framed for framed, _ in arrived])
            except OSError as error:
                self._refuse(arrived, error)
            else:
                for _, done in arrived:
                    done.set_result(None)
            if group[-1] is None:
                return

    def _append(self, frames: list[bytes]) -> None:
        """One write and one sync for all of them. Raises OSError."""
        if not frames:
            return
        if self._file is None or self._file.end >= self._file_bytes:
            self._file = _new_file(self.folder)
        file = self._file
        try:
            _write_whole(file, b"".join(frames))
            os.fdatasync(file.number)
            if not os.fstat(file.number).st_nlink:
                self._file = None
                raise OSError(errno.ENOENT, "the file of the journal was deleted")
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.number, file.end)
            raise
        with self._changed:
            for framed in frames:
                self._waiting.append(_Place(file, file.end, file.end + len(framed)))
                file.end += len(framed)
            self._changed.notify_all()

    def _refuse(self, arrived: list[tuple[bytes, Future[None]]], error: OSError) -> None:
        with self._changed:
            self._bytes -= sum(len(framed) for framed, _ in arrived)
        for _, done in arrived:
            done.set_exception(StoreUnavailable(f"cannot be written: {error.strerror}", where=str(self.folder)))


def left_over(folder: Path) -> Iterator[Iterator[Entry]]:
    """The requests of each file that nobody holds any more; the file is gone when its requests were all taken."""
    for path in sorted(folder.glob(f"*{_ENDING}")):
        if (file := _taken_over(path)) is None:
            continue
        try:
            yield _entries(file)
        except BaseException:
            os.close(file.number)
            raise
        _remove(file)


def set_aside(folder: Path, entry: Entry) -> Path:
    """Keep what cannot be stored, and would keep all others from it. Raises OSError."""
    path = folder / f"{time.time_ns():020}.unread"
    path.write_bytes(entry.body)
    return path


def waiting(folder: Path) -> dict[Path, int]:
    """The files in which something waits to be stored, each with how long it is by now."""
    found = {}
    for path in folder.glob(f"*{_ENDING}"):
        size = _size(path)
        if _stored(path) < size:
            found[path] = size
    return found


def is_stored(waiting: dict[Path, int]) -> bool:
    """Whether what waited is in the store."""
    return all(_size(path) < size or _stored(path) >= size for path, size in waiting.items())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _stored(path: Path) -> int:
    """The place up to which the store has a file."""
    try:
        with path.open("rb") as file:
            begin = file.read(_BEGIN.size)
    except FileNotFoundError:
        begin = b""
    return int(_BEGIN.unpack(begin)[1]) if len(begin) == _BEGIN.size and begin.startswith(_MAGIC) else _BEGIN.size


def _framed(entry: Entry) -> bytes:
    project = (entry.project or "").encode()
    lengths = struct.pack("<II", len(project) | (_LOGS if entry.is_logs else 0), len(entry.body))
    checksum = zlib.crc32(entry.body, zlib.crc32(project, zlib.crc32(lengths)))
    return b"".join((struct.pack("<I", checksum), lengths, project, entry.body))


def _entry(framed: bytes) -> Entry:
    _, marked, _ = _HEAD.unpack_from(framed)
    named = marked & ~_LOGS
    project = framed[_HEAD.size : _HEAD.size + named].decode()
    return Entry(project or None, framed[_HEAD.size + named :], is_logs=bool(marked & _LOGS))


def _entries(file: _File) -> Iterator[Entry]:
    """What of a file the store has not got, up to its end or to what a kill left unfinished there."""
    place, size = file.stored, os.fstat(file.number).st_size
    while place < size:
        head = os.pread(file.number, _HEAD.size, place)
        _, named, body = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0, -_HEAD.size)
        length = _HEAD.size + (named & ~_LOGS) + body
        framed = os.pread(file.number, length, place) if 0 < length <= size - place else b""
        if not framed or zlib.crc32(framed[4:]) != _HEAD.unpack(head)[0]:
            # Its sender was never told that it was kept.
            _log.warning("%s: the last %s bytes are no whole request, and are left out", file.path, size - place)
            return
        yield _entry(framed)
        place += length


def _new_file(folder: Path) -> _File:
    """A file that this process holds. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        path = folder / f"{time.time_ns():020}-{uuid4().hex[:8]}{_ENDING}"
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _held(number, path):
            break
        os.close(number)
    os.pwrite(number, _BEGIN.pack(_MAGIC, _BEGIN.size), 0)
    of_folder = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(of_folder)
    finally:
        os.close(of_folder)
    return _File(path, number)


def _taken_over(path: Path) -> _File | None:
    """The file, if nobody else holds it."""
    try:
        number = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    if _held(number, path):
        return _File(path, number, stored=_stored(path))
    os.close(number)
    return None


def _held(number: int, path: Path) -> bool:
    """Whether this process has the lock of a file that is still there."""
    import fcntl  # not on Windows, where no journal is kept

    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(number), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _write_whole(file: _File, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(file.number, memoryview(content)[written:], file.end + written)


def _remove(file: _File) -> None:
    """The name first: nobody may take over what is gone."""
    file.path.unlink(missing_ok=True)
    os.close(file.number)

"""Old conversations in one Parquet file: written out of a store, opened as one that is only read, and put back."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from taketwo.blobs import Blobs
from taketwo.capture.imports.parquet_process import open_parquet
from taketwo.conversation import Conversation
from taketwo.errors import AlreadyThere, MissingExtra, NotFound, StoreUnavailable, TraceUnreadable
from taketwo.span import RawLog, RawSpan
from taketwo.store import Merge, Store
from taketwo.store.addresses import blobs_of
from taketwo.store.archive_places import ArchivePlace, archive_place
from taketwo.store.feedback import Feedback
from taketwo.store.memory import MemoryStore
from taketwo.store.project import ProjectSettings
from taketwo.store.recordings import copy_blobs, recordings_of
from taketwo.voice.recordings import names_of

ROWS_AT_ONCE: Final = 64
"""Conversations that are in memory together while a file is written."""
MOST_MEMORY: Final = 4 << 30
"""Bytes that it may take to unpack an archive, beside what is in it."""
MOST_GROWTH: Final = 1_000
"""What is in an archive is not more than so many times its size: conversations are not so much alike."""
ALWAYS_TAKEN: Final = 256 << 20
"""Bytes of what is in an archive that are taken whatever its size."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What became of the conversations that were meant."""

    conversations: int
    """How many are in the file."""
    spans: int
    """How many spans they have."""
    recordings: int
    """How many files with sound were copied beside it."""
    different: tuple[str, ...]
    """Ids of those that the spans in the file alone tell otherwise than the store does."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """What became of an archive that was put into a store."""

    conversations: int
    """How many are in the file."""
    without_feedback: tuple[str, ...]
    """Ids of those that have scores in the file which found no conversation in the store."""


class ArchiveStore(MemoryStore):
    """An archive, opened: it is read into memory as a whole, and takes no captures."""

    def __init__(self, address: Path | str) -> None:
        """Read it. Raises StoreUnavailable, MissingExtra, BadSetting."""
        super().__init__()
        self._place = archive_place(address)
        self._open = False
        put_back(address, self)
        self._open = True

    @property
    def url(self) -> str:
        """What `open_store` opens it with."""
        return self._place.url

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """Only while the file is read. Raises StoreUnavailable."""
        return self._refuse() if self._open else super().add_spans(project, spans)

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """Only while the file is read. Raises StoreUnavailable."""
        return self._refuse() if self._open else super().add_logs(project, logs)

    def put_conversation(self, conversation: Conversation, merge: Merge | None = None) -> bool:
        """Only while the file is read. Raises StoreUnavailable."""
        return self._refuse() if self._open else super().put_conversation(conversation, merge)

    def add_feedback(self, id: str, given: Feedback, project: str | None = None) -> Feedback:
        """Only while the file is read. Raises StoreUnavailable."""
        return self._refuse() if self._open else super().add_feedback(id, given, project)

    def set_project(self, name: str, settings: ProjectSettings) -> None:
        """Never. Raises StoreUnavailable."""
        self._refuse()

    def delete_session(self, id: str, project: str | None = None) -> NoReturn:
        """Never. Raises StoreUnavailable."""
        self._refuse()

    def delete_user(self, user_id: str, project: str) -> NoReturn:
        """Never. Raises StoreUnavailable."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StoreUnavailable(
            "an archive is only read",
            where=self._place.where,
            todo="put its conversations back with `taketwo archive restore`",
        )


def write_archive(
    store: Store, address: Path | str, *, before: datetime, project: str | None = None
) -> Archived | None:
    """Write the conversations that ended before a moment into a file, with their spans, scores and recordings.

    address: a path, or `s3://BUCKET/KEY`. None, and no file, where there are none. What has no times is not old and
    stays out. The file is read again before it gets its name, and each conversation held against the store's. Raises
    AlreadyThere, StoreUnavailable, MissingExtra.
    """
    place = archive_place(address)
    if place.exists():
        raise AlreadyThere("there is such a file already", where=place.where, todo="name another one")
    # Else the listing would read what has just come while it is listed, and name it under ids that it has no longer.
    store.settle()
    meant = [
        (one.project, one.id) for one in store.summaries(project) if one.ended_at is not None and one.ended_at < before
    ]
    # The oldest first, as they came: of those that began together a listing shows the latest arrival first.
    meant.reverse()
    if not meant:
        return None
    # Beside it, so that it gets its name in one step; mkstemp makes it readable by nobody else.
    handle, name = tempfile.mkstemp(dir=place.making, prefix=f".{Path(place.where).name}.")
    os.close(handle)
    unfinished = Path(name)
    try:
        spans = _write(store, unfinished, meant)
        different = _different(store, ArchiveStore(unfinished), meant)
        copied = _copy_recordings(store, place.recordings, meant)
        place.take(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)
    return Archived(len(meant), spans, copied, different)


def put_back(address: Path | str, store: Store) -> PutBack:
    """Put what is in an archive into a store. Twice is as good as once.

    Raises StoreUnavailable where the file is damaged or no archive, MissingExtra, and what the store raises.
    """
    count = 0
    feedback: list[tuple[str, str, Feedback]] = []
    heard: set[tuple[str, str]] = set()
    for row in _rows(archive_place(address)):
        _put_captured(row, store)
        heard |= {(row["project"], name) for name in recordings_of(Conversation.from_json(row["conversation"]))}
        feedback += [(row["project"], row["id"], Feedback.from_json(given)) for given in row["feedback"]]
        count += 1
    for project, name in sorted(heard):
        store.recordings(project).note(name)
    store.settle()
    # Only now: a conversation may have spans in the rows of others, and its id when all of them are there.
    homeless = [id for project, id, given in feedback if not _give(store, project, id, given)]
    return PutBack(count, tuple(dict.fromkeys(homeless)))


def copy_recordings_back(address: Path | str, store: Store) -> int:
    """Copy the recordings that lie beside an archive to the store's; gives how many were new.

    Raises StoreUnavailable.
    """
    beside = archive_place(address).recordings
    return len(copy_blobs(beside, blobs_of(store.url), beside.names()))


def _give(store: Store, project: str, id: str, given: Feedback) -> bool:
    """Whether the conversation is there: a later version may file the same spans under another id."""
    try:
        store.add_feedback(id, given, project)
    except NotFound:
        return False
    return True


def _put_captured(row: dict[str, Any], store: Store) -> None:
    if row["spans"] or row["logs"]:
        store.add_spans(row["project"], [RawSpan(**span) for span in row["spans"]])
        store.add_logs(row["project"], [RawLog(**log) for log in row["logs"]])
    else:
        store.put_conversation(Conversation.from_json(row["conversation"]))


def _write(store: Store, path: Path, meant: Sequence[tuple[str, str]]) -> int:
    pyarrow, parquet = _package("pyarrow"), _package("pyarrow.parquet")
    schema = _schema(pyarrow)
    spans = 0
    with parquet.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for some in _batched(meant, ROWS_AT_ONCE):
            rows = [_row(store, project, id) for project, id in some]
            spans += sum(len(row["spans"]) for row in rows)
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return spans


def _row(store: Store, project: str, id: str) -> dict[str, Any]:
    conversation = store.conversation(id, project)
    return {
        "project": project,
        "id": id,
        "started_at": conversation.started_at,
        "ended_at": conversation.ended_at,
        "user_id": conversation.user_id,
        "conversation": conversation.to_json().decode(),
        "feedback": [given.to_json().decode() for given in store.feedback(id, project)],
        "spans": [msgspec.structs.asdict(span) for span in store.raw_spans(id, project)],
        "logs": [msgspec.structs.asdict(log) for log in store.raw_logs(id, project)],
    }


def _schema(pyarrow: Any) -> Any:
    text, number, raw, flag = pyarrow.string(), pyarrow.int64(), pyarrow.binary(), pyarrow.bool_()
    moment = pyarrow.timestamp("us", tz="UTC")
    ids = {"trace_id": text, "span_id": text}
    came = {"session_id": text, "body": raw, "envelope": raw}
    span = {**ids, "parent_id": text, "start_ns": number, "end_ns": number, "is_error": flag, **came}
    log = {**ids, "at_ns": number, **came}
    return pyarrow.schema(
        {
            "project": text,
            "id": text,
            "started_at": moment,
            "ended_at": moment,
            "user_id": text,
            "conversation": text,
            "feedback": pyarrow.list_(text),
            "spans": pyarrow.list_(pyarrow.struct(list(span.items()))),
            "logs": pyarrow.list_(pyarrow.struct(list(log.items()))),
        }
    )


def _rows(place: ArchivePlace) -> Iterator[dict[str, Any]]:
    names = _schema(_package("pyarrow")).names
    try:
        with (
            place.opened() as file,
            open_parquet(file, most_memory=MOST_MEMORY, checksums=True, needed_for="an archive") as archive,
        ):
            if not set(names) <= set(archive.columns):
                raise StoreUnavailable("this Parquet file is no archive of taketwo", where=place.where)
            size = os.fstat(file.fileno()).st_size  # no seek: the process that reads has its place in the same file
            yield from archive.rows(max(ALWAYS_TAKEN, MOST_GROWTH * size))
    except (TraceUnreadable, OSError) as error:
        why = error.what if isinstance(error, TraceUnreadable) else str(error)
        raise StoreUnavailable(f"the archive cannot be read: {why}", where=place.where) from error


def _different(store: Store, archive: Store, meant: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Ids of what the archive tells otherwise, or not at all."""
    told = {(each.project, each.id): each for each in archive.conversations()}
    return tuple(id for project, id in meant if told.get((project, id)) != store.conversation(id, project))


def _copy_recordings(store: Store, recordings: Blobs, meant: Sequence[tuple[str, str]]) -> int:
    conversations = (store.conversation(id, project) for project, id in meant)
    names = {name for one in conversations for name in (*recordings_of(one), *names_of(one))}
    return len(copy_blobs(blobs_of(store.url), recordings, sorted(names)))


Item = TypeVar("Item")


def _batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra("parquet", needed_for="an archive") from error

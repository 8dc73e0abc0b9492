"""A copy of a store while it is in use, from which it can be opened again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from taketwo.blobs import Blobs, large_bodies_of
from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store.addresses import blobs_of, shown, sqlite_address
from taketwo.store.recordings import copy_blobs, recordings_folder
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.statements import SQL
from taketwo.store.tables import TableStore

PAGES_AT_A_TIME = 2_000
"""Pages that are copied before whoever writes gets a turn."""
MOST_TRIES = 5
"""How often the tables are copied where, each time, something that they refer to is deleted before it is copied."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written."""

    written: tuple[Path, ...]
    """The file, and the folder of the recordings and large spans where there are any."""
    missing: tuple[str, ...]
    """Hashes of recordings and large spans that the store refers to and has not: they were missing before."""


def back_up(url: str, to: Path) -> Backup:
    """Copy a SQLite store, its recordings and its large spans.

    The copy is the store as it was at one moment, whoever writes and deletes meanwhile, and is checked before it takes
    its place. Raises BadSetting for a store of another kind and where the copy exists, StoreUnavailable.
    """
    source_file = sqlite_address(url)
    if source_file is None:
        raise BadSetting("only SQLite stores are copied here", where=shown(url), todo="use the database's own tools")
    for there in (to, recordings_folder(to)):
        if there.exists():
            raise BadSetting("is there already", where=str(there), todo="name a new file")
    path = Path(source_file.path).expanduser()
    _catch_up(path)
    try:
        with _unfinished(to) as unfinished:
            # A file that is not there must not be made by asking for a copy of it.
            with (
                closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(unfinished)) as copy,
            ):
                missing = copy_whole(source, copy, Beside(blobs_of(url), FolderBlobs(recordings_folder(unfinished))))
                ((said,),) = copy.execute("PRAGMA integrity_check").fetchall()
            if said != "ok":
                raise StoreUnavailable(f"the copy is damaged: {said}", where=str(to), todo="is the disk sound?")
            folders = [recordings_folder(to)] if recordings_folder(unfinished).is_dir() else []
            for folder in folders:
                recordings_folder(unfinished).replace(folder)
            unfinished.replace(to)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(
            f"cannot be copied: {error}", where=str(path), todo="is there room on the disk?"
        ) from error
    return Backup((to, *folders), tuple(sorted(missing)))


@contextmanager
def _unfinished(to: Path) -> Iterator[Path]:
    """Where the copy is made; nothing of it is left there afterwards, nor of one that was killed before."""
    path = to.with_name(f".{to.name}.unfinished")
    to.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    try:
        yield path
    finally:
        _remove(path)


def _remove(copy: Path) -> None:
    copy.unlink(missing_ok=True)
    shutil.rmtree(recordings_folder(copy), ignore_errors=True)


def _catch_up(path: Path) -> None:
    """What a server has acknowledged belongs into the copy, too."""
    if path.exists():
        with closing(TableStore(SqliteDatabase(str(path)))) as store:
            store.flush()


def copy_whole(source: sqlite3.Connection, copy: sqlite3.Connection, beside: Beside) -> frozenset[str]:
    """Copy the tables and what they refer to; gives what of that was missing before.

    What is deleted after the tables were copied and before its object was, the tables are copied again without.
    """
    # First, so that little is left to be copied, or deleted, after the tables.
    beside.copy()
    before: frozenset[str] | None = None
    for _ in range(MOST_TRIES):
        source.backup(copy, pages=PAGES_AT_A_TIME)
        beside.copy()
        wanted = _referred_to(copy)
        missing = beside.missing(wanted)
        if not missing or missing == before:
            beside.forget_all_but(wanted)
            return missing
        before = missing
    raise StoreUnavailable(
        "recordings or large spans are deleted while they are copied, again and again",
        where=beside.where,
        todo="try again in a moment",
    )


def _referred_to(copy: sqlite3.Connection) -> frozenset[str]:
    large = {bytes(name).hex() for (name,) in copy.execute(SQL["large_bodies"])}
    return frozenset(large.union(name for (name,) in copy.execute(SQL["recordings"])))


class Beside:
    """What lies beside the tables: recordings, and large bodies of spans."""

    def __init__(self, source: Blobs, target: Blobs) -> None:
        """Of recordings; the large bodies lie below each."""
        self._pairs = [(source, target), (large_bodies_of(source), large_bodies_of(target))]
        self.where = source.where

    def copy(self) -> None:
        """Copy what is new."""
        for source, target in self._pairs:
            copy_blobs(source, target, source.names())

    def missing(self, wanted: frozenset[str]) -> frozenset[str]:
        """What of that is not there."""
        return wanted.difference(*(target.names() for _, target in self._pairs))

    def forget_all_but(self, wanted: frozenset[str]) -> None:
        """What was deleted while it was copied does not live on in the copy."""
        for source, target in self._pairs:
            for name in set(target.names()) - wanted:
                if not source.exists(name):
                    target.delete(name)

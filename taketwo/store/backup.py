"""A copy of a store while it is in use, from which it can be opened again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from taketwo.blobs import Blobs, large_bodies_of
from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store.addresses import blobs_of, shown, sqlite_address
from taketwo.store.recordings import copy_blobs, recordings_folder
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.tables import TableStore

PAGES_AT_A_TIME = 2_000
"""Pages that are copied before whoever writes gets a turn."""


def back_up(url: str, to: Path) -> list[Path]:
    """Copy a SQLite store and its recordings; gives what was written.

    The copy is the store as it was at one moment, whoever writes meanwhile, and is checked before it takes its place.
    Raises BadSetting for a store of another kind and where the copy exists, StoreUnavailable.
    """
    source_file = sqlite_address(url)
    if source_file is None:
        raise BadSetting("only SQLite stores are copied here", where=shown(url), todo="use the database's own tools")
    if to.exists():
        raise BadSetting("is there already", where=str(to), todo="name a new file")
    path = Path(source_file.path).expanduser()
    _catch_up(path)
    unfinished = to.with_name(f".{to.name}.unfinished")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        # A file that is not there must not be made by asking for a copy of it.
        with (
            closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy, pages=PAGES_AT_A_TIME)
            ((said,),) = copy.execute("PRAGMA integrity_check").fetchall()
        if said != "ok":
            raise StoreUnavailable(f"the copy is damaged: {said}", where=str(to), todo="is the disk sound?")
        unfinished.replace(to)
        return [to, *_recordings(blobs_of(url), recordings_folder(to))]
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(
            f"cannot be copied: {error}", where=str(path), todo="is there room on the disk?"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _catch_up(path: Path) -> None:
    """What a server has acknowledged belongs into the copy, too."""
    if path.exists():
        with closing(TableStore(SqliteDatabase(str(path)))) as store:
            store.flush()


def _recordings(source: Blobs, target: Path) -> list[Path]:
    beside = FolderBlobs(target)
    copy_blobs(source, beside, source.names())
    large = large_bodies_of(source)
    copy_blobs(large, large_bodies_of(beside), large.names())
    return [target] if target.is_dir() else []

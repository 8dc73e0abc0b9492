"""A copy of a store while it is in use, from which it can be opened again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.store.addresses import shown
from taketwo.store.recordings import recordings_folder
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.tables import TableStore

PAGES_AT_A_TIME = 2_000
"""Pages that are copied before whoever writes gets a turn."""


def back_up(url: str, to: Path) -> list[Path]:
    """Copy a SQLite store and its recordings; gives what was written.

    The copy is the store as it was at one moment, whoever writes meanwhile, and is checked before it takes its place.
    Raises BadSetting for a store of another kind and where the copy exists, StoreUnavailable.
    """
    kind, _, path = url.partition("///")
    if kind != "sqlite:":
        raise BadSetting("only SQLite stores are copied here", where=shown(url), todo="use the database's own tools")
    if to.exists():
        raise BadSetting("is there already", where=str(to), todo="name a new file")
    _catch_up(Path(path))
    unfinished = to.with_name(f".{to.name}.unfinished")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        # A file that is not there must not be made by asking for a copy of it.
        with (
            closing(sqlite3.connect(f"file:{Path(path).resolve()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy, pages=PAGES_AT_A_TIME)
            ((said,),) = copy.execute("PRAGMA integrity_check").fetchall()
        if said != "ok":
            raise StoreUnavailable(f"the copy is damaged: {said}", where=str(to), todo="is the disk sound?")
        unfinished.replace(to)
        return [to, *_recordings(recordings_folder(Path(path)), recordings_folder(to))]
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"cannot be copied: {error}", where=path, todo="is there room on the disk?") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _catch_up(path: Path) -> None:
    """What a server has acknowledged belongs into the copy, too."""
    if path.exists():
        with closing(TableStore(SqliteDatabase(str(path)))) as store:
            store.flush()


def _recordings(source: Path, target: Path) -> list[Path]:
    if not source.is_dir():
        return []
    shutil.copytree(source, target, dirs_exist_ok=True)
    return [target]

"""The files of a store and the disk that they are on, where it has any."""

from __future__ import annotations

import shutil
from pathlib import Path

from taketwo.store.addresses import sqlite_address


def store_bytes(url: str) -> int | None:
    """Bytes of the store's file and its log; None where it is no file."""
    path = _path(url)
    if path is None:
        return None
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file())


def free_bytes(url: str) -> int | None:
    """Bytes that are left on the store's disk; None where it is on none of this machine, or nobody can say."""
    path = _path(url)
    if path is None:
        return None
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def _path(url: str) -> Path | None:
    file = sqlite_address(url)
    return None if file is None else Path(file.path)

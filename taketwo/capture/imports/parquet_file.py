"""Parquet files of any tool whose tables are read: the columns say whose it is, which the beginning does not show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from types import ModuleType
from typing import Final

from taketwo.capture.imports import langfuse, langsmith, phoenix
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.parquet_rows import PARQUET_MAGIC, parquet_rows
from taketwo.errors import TraceUnreadable

_TABLES: Final[tuple[ModuleType, ...]] = (phoenix, langfuse, langsmith)


def reads(head: bytes) -> bool:
    """Whether a file that begins so is parquet."""
    return head.startswith(PARQUET_MAGIC)


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The spans of the file; raises TraceUnreadable where its columns are of no tool that is known."""
    found = parquet_rows(stream)
    first = next(found, None)
    if first is None:
        return
    if isinstance(first, Unread):
        raise TraceUnreadable(first.why)
    columns = set(first.value)
    table = next((table for table in _TABLES if table.is_row(columns)), None)
    if table is None:
        raise TraceUnreadable(f"the columns are of no known table: {', '.join(sorted(columns)[:8])}")
    yield from table.read_rows(chain([first], found))

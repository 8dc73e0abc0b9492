"""Parquet files, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from taketwo.capture.imports.imported import OpenedFile, Unread
from taketwo.capture.imports.json_records import Record
from taketwo.capture.imports.parquet_process import on_disk, open_parquet
from taketwo.errors import TooLarge, TraceUnreadable

PARQUET_MAGIC: Final = b"PAR1"
MOST_MEMORY: Final = 1 << 30
"""Bytes that it may take to unpack a file."""


def parquet_rows(stream: BinaryIO) -> Iterator[Record | Unread]:
    """Every row as an object; moments come as the whole numbers that the file holds, decimals as floats.

    The file is copied to a temporary one first, because parquet is read from its end. Raises TraceUnreadable where it
    is damaged or takes more memory than is given, MissingExtra where the package for it is not installed.
    """
    most_bytes = stream.most_bytes if isinstance(stream, OpenedFile) else None
    try:
        with on_disk(stream) as copy, open_parquet(copy, most_memory=MOST_MEMORY, as_json=True) as parquet:
            for number, row in enumerate(parquet.rows(most_bytes), start=1):
                yield Record(f"row {number}", row)
    except TooLarge:
        raise
    except TraceUnreadable as error:
        raise TraceUnreadable(f"the parquet file cannot be read: {error.what}") from error

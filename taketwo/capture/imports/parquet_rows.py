"""Parquet files, row by row; the package that reads them is the extra `parquet`."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_records import Record
from taketwo.errors import MissingExtra, TraceUnreadable

PARQUET_MAGIC: Final = b"PAR1"

_ROWS_AT_ONCE: Final = 64
_PIECE: Final = 1024 * 1024


def parquet_rows(stream: BinaryIO) -> Iterator[Record | Unread]:
    """Every row as an object; moments come as the whole numbers that the file holds, decimals as floats.

    The file is copied to a temporary one first, because parquet is read from its end. Raises TraceUnreadable where it
    is damaged, MissingExtra where the package for it is not installed.
    """
    pyarrow, parquet = _package("pyarrow"), _package("pyarrow.parquet")
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, _PIECE)
        copy.seek(0)
        # Read ahead only a piece of each column, else whole row groups lie in memory.
        try:
            file = parquet.ParquetFile(copy, pre_buffer=False, buffer_size=_PIECE)
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                maps = [field.name for field in batch.schema if pyarrow.types.is_map(field.type)]
                for row in _plain(pyarrow, batch).to_pylist():
                    number += 1
                    # A map comes as a list of pairs.
                    row.update({name: dict(row[name]) for name in maps if row[name] is not None})
                    yield Record(f"row {number}", row)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise TraceUnreadable(f"the parquet file cannot be read: {_first_line(error)}") from error


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra("parquet", needed_for="reading parquet") from error


def _plain(pyarrow: Any, batch: Any) -> Any:
    """The batch in types that rows of JSON have: Python holds moments only to the microsecond."""
    columns = [_plain_column(pyarrow, column) for column in batch.columns]
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain_column(pyarrow: Any, column: Any) -> Any:
    try:
        return column.cast(_plain_type(pyarrow, column.type))
    except pyarrow.ArrowInvalid:
        # Bytes that are no text.
        return column


def _plain_type(pyarrow: Any, kind: Any) -> Any:
    types = pyarrow.types
    if types.is_timestamp(kind):
        return pyarrow.int64()
    if types.is_decimal(kind):
        return pyarrow.float64()
    if types.is_binary(kind) or types.is_large_binary(kind):
        return pyarrow.large_string()
    if types.is_list(kind) or types.is_large_list(kind):
        return pyarrow.large_list(_plain_type(pyarrow, kind.value_type))
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_plain_type(pyarrow, field.type)) for field in kind])
    return kind


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

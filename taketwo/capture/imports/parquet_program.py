"""What the process that reads a Parquet file does, see `parquet_process`: the file is its input, frames are its output.

It is started by the path of this file, so that it loads nothing but the packages that it needs.
"""

from __future__ import annotations

import importlib
import os
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

FRAME = struct.Struct("<cQ")
"""What stands before each frame: its kind, and how many bytes follow."""
COLUMNS, ROW, FAILED, DONE = b"C", b"R", b"F", b"D"
"""The names of the columns, first; a row; why there are no more; all was read. The bodies are MessagePack."""

ROWS_AT_ONCE = 64
"""Rows that are unpacked together, at most."""
BYTES_AT_ONCE = 4 << 20
"""Where rows take more than this together, they are unpacked one by one."""
BUFFER_BYTES = 1 << 20
"""Read ahead of each column, else whole row groups lie in memory."""
MOST_COLUMNS = 2_000
"""No tool writes so many; each costs some time for every row."""


class Terms(msgspec.Struct, frozen=True):
    """How the file is read; the first argument, as JSON."""

    most_memory: int
    """Bytes that may be allocated for it."""
    largest: int
    """Bytes of one row, packed as a frame."""
    as_json: bool
    """Whether moments become numbers, decimals floats, and bytes that are text become text."""
    checksums: bool
    """Whether those of the pages are checked."""


def main() -> None:
    """Read the file that is the standard input."""
    terms = msgspec.json.decode(sys.argv[1], type=Terms)
    told = sys.stdout.buffer
    try:
        pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        _allow_only(terms.most_memory)
        _tell_all(pyarrow, parquet, terms, told)
        kind, said = DONE, ""
    except MemoryError:
        kind, said = FAILED, f"it takes more than {terms.most_memory >> 20:,} MiB of memory to be read"
    except Exception as error:  # of whatever another library says of what somebody sent
        kind, said = FAILED, _first_line(error)
    _tell(told, kind, msgspec.msgpack.encode(said))
    told.flush()


def _allow_only(most_bytes: int) -> None:
    """Limit what this process may allocate from now on, where the system can do that: Linux."""
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            # In pages; the sixth number is what is allocated, with the stacks.
            allocated = int(file.read().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (allocated + most_bytes, allocated + most_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return


def _tell_all(pyarrow: Any, parquet: Any, terms: Terms, told: BinaryIO) -> None:
    file = parquet.ParquetFile(
        os.fdopen(0, "rb"),
        pre_buffer=False,
        buffer_size=BUFFER_BYTES,
        page_checksum_verification=terms.checksums,
    )
    names = file.schema_arrow.names
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"it has {len(names):,} columns; at most {MOST_COLUMNS:,} are read")
    _tell(told, COLUMNS, msgspec.msgpack.encode(names))
    # Whoever finds there what it cannot use need not hear that the rest takes too much.
    told.flush()
    for row in _rows(pyarrow, file, terms):
        body = msgspec.msgpack.encode(row, enc_hook=str)
        if len(body) > terms.largest:
            raise ValueError(f"a row takes more than {terms.largest >> 20:,} MiB")
        _tell(told, ROW, body)


def _rows(pyarrow: Any, file: Any, terms: Terms) -> Iterator[dict[str, Any]]:
    maps = [field.name for field in file.schema_arrow if pyarrow.types.is_map(field.type)]
    for batch in file.iter_batches(batch_size=_at_once(file.metadata), use_threads=False):
        plain = _plain(pyarrow, batch) if terms.as_json else batch
        step = plain.num_rows if plain.nbytes <= BYTES_AT_ONCE else 1
        for first in range(0, plain.num_rows, max(1, step)):
            for row in plain.slice(first, step).to_pylist():
                # A map comes as a list of pairs.
                row.update({name: dict(row[name]) for name in maps if row[name] is not None})
                yield row


def _at_once(metadata: Any) -> int:
    """How many rows are unpacked together."""
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return int(max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE * metadata.num_rows // max(1, size))))


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


def _tell(told: BinaryIO, kind: bytes, body: bytes) -> None:
    told.write(FRAME.pack(kind, len(body)))
    told.write(body)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:400] or type(error).__name__


if __name__ == "__main__":
    main()

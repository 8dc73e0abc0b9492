"""CSV files, row by row, each by the names of its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_records import Record
from taketwo.errors import TooLarge, TraceUnreadable
from taketwo.value import LONE_SURROGATE

LONGEST_CELL: Final = 16 * 1024 * 1024
"""Characters of one cell; the parser needs four bytes for each."""

_LONGEST_LINE: Final = 64 * 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def csv_columns(head: bytes) -> list[str]:
    """The names in the first row of a file of which only the beginning is known; none where it is no CSV in UTF-8."""
    if b"\0" in head:
        return []
    lines = head.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace").splitlines(keepends=True)
    try:
        return next(csv.reader(lines), [])
    except csv.Error:
        return []


def csv_rows(stream: BinaryIO) -> Iterator[Record | Unread]:
    """Every row after the first as an object of texts, without its empty cells.

    A row that has more cells than there are columns, too long a cell or bytes that are no UTF-8 is an `Unread`. Raises
    TooLarge for a line of more than 64 MiB, TraceUnreadable where not even the names of the columns can be read.
    """
    # The limit is one for the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    rows = csv.reader(_lines(stream))
    try:
        columns = next(rows, [])
    except csv.Error as error:
        raise TraceUnreadable(f"the first line is no row of CSV: {error}") from error
    while True:
        where = f"line {rows.line_num + 1}"
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Unread(where=where, why=f"this is no row of CSV: {error}")
            continue
        if cells:
            yield _row(where, columns, cells)


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Lines of text; bytes that are no UTF-8 come as lone surrogates, by which they are known again."""
    first = True
    while line := stream.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise TooLarge(f"a line has more than {_LONGEST_LINE:,} bytes", todo="export JSON lines instead")
        yield (line.removeprefix(_BYTE_ORDER_MARK) if first else line).decode("utf-8", "surrogateescape")
        first = False


def _row(where: str, columns: list[str], cells: list[str]) -> Record | Unread:
    if len(cells) > len(columns):
        return Unread(where=where, why=f"the row has {len(cells)} cells, but there are {len(columns)} columns")
    if any(LONE_SURROGATE.search(cell) for cell in cells if not cell.isascii()):
        return Unread(where=where, why="the row is no UTF-8")
    return Record(where, {column: cell for column, cell in zip(columns, cells, strict=False) if cell})

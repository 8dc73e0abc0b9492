"""JSON files in which an array is many records: its items one by one, however long the array is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Final

from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_records import LARGEST, Record, elements, json_records
from taketwo.errors import TooLarge, TraceUnreadable

_PIECE: Final = 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TO_MARK: Final = re.compile(rb'(?:[^"{}\[\],]++|' + _TEXT + rb")*+(?P<mark>[{}\[\],])", re.DOTALL)
_TO_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|' + _TEXT + rb")*+(?P<mark>[{}\[\]])", re.DOTALL)
"""Over texts and all else to the next sign that counts; possessive, because otherwise every way would be tried."""


def json_elements(stream: io.BufferedReader, largest: int = LARGEST) -> Iterator[Record | Unread]:
    """Every item of an array, every line of JSON lines, or the one document.

    An array is never in memory as a whole; an item that is no JSON is an `Unread`, and the others follow.
    Raises TooLarge for an item of more than `largest` bytes or a document of as many, TraceUnreadable where an array
    is cut off or something else follows it.
    """
    if stream.peek(_PIECE).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"[":
        for number, text in enumerate(_items(stream, largest), start=1):
            yield _parsed(f"item {number}", text)
        return
    for record in json_records(stream, largest):
        yield from [record] if isinstance(record, Unread) else elements(record)


def _parsed(where: str, text: bytes) -> Record | Unread:
    try:
        return Record(where, json.loads(text))
    except RecursionError:
        return Unread(where=where, why="the JSON is nested too deep to read")
    except ValueError as error:
        return Unread(where=where, why=f"the item is no JSON: {error}")


def _items(stream: io.BufferedReader, largest: int) -> Iterator[bytes]:
    """The texts of the items of the arrays at the top, one array after the other."""
    scan = _Scan()
    # As much again as is waiting, so that a long text is not looked through too often.
    while piece := stream.read(max(_PIECE, len(scan.buffer))):
        scan.buffer += piece
        yield from scan.finished_items()
        if len(scan.buffer) > largest:
            raise TooLarge(f"an item has more than {largest:,} bytes", todo="make it JSON lines, one record a line")
    if scan.depth:
        raise TraceUnreadable("the file ends before its array does", todo="export or copy it again")
    scan.leave_outside(len(scan.buffer))


class _Scan:
    """A look through the text of arrays that knows how deep it is in brackets, whatever stands between them."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        """From the beginning of the item that is being looked through."""
        self.depth = 0
        self._at = 0

    def finished_items(self) -> Iterator[bytes]:
        start = 0
        while token := (_TO_MARK if self.depth < 2 else _TO_BRACKET).match(self.buffer, self._at):
            at = token.start("mark")
            if self.depth == 0:
                self.leave_outside(at)
            self._at = token.end()
            match bytes(token["mark"]):
                case b"," if self.depth == 1:
                    yield bytes(self.buffer[start:at])
                    start = self._at
                case b"[" | b"{":
                    self.depth += 1
                    start = self._at if self.depth == 1 else start
                case b"]" | b"}":
                    self.depth -= 1
                    if self.depth == 0:
                        if last := self.buffer[start:at].strip():
                            yield bytes(last)
                        start = self._at
        # What begins a text that is not all there yet is looked at once more with what follows.
        del self.buffer[:start]
        self._at -= start

    def leave_outside(self, until: int) -> None:
        """Make sure that outside of the arrays there is nothing but the beginning of the next one."""
        between = self.buffer[self._at : until].removeprefix(_BYTE_ORDER_MARK).strip()
        if between or bytes(self.buffer[until : until + 1]) not in {b"[", b""}:
            raise TraceUnreadable("something follows the array that is no other one")

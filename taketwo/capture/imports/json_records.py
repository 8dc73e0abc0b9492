"""JSON files of any build, record by record: JSON lines, or one document, which may be an array of records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import BinaryIO, Final, NamedTuple, TypeVar

from taketwo.capture.imports.imported import Unread
from taketwo.errors import TooLarge, TraceUnreadable
from taketwo.value import JSON, clean_json

Made = TypeVar("Made")

LARGEST: Final = 256 * 1024 * 1024
"""Bytes that are read in one piece: a line, or a document that is not in lines."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINES_TO_GUESS_FROM: Final = 10
_TOKEN: Final = re.compile(
    rb'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"(?P<colon>\s*:)?|(?P<opens>[{\[])|(?P<closes>[}\]])|(?P<cut>")', re.DOTALL
)


class Record(NamedTuple):
    """One JSON value of a file."""

    where: str
    """Its place in the file, such as `line 3`."""
    value: JSON
    """The value as `json.loads` gives it, not yet clean."""


def json_records(stream: BinaryIO, largest: int = LARGEST) -> Iterator[Record | Unread]:
    """Every line of JSON lines, or the one document; a line that is no JSON is an `Unread`, and the others follow.

    Raises TooLarge for a document of more than `largest` bytes; no line may be longer either, but the file may.
    """
    lines = _lines(stream, largest)
    opening = list(islice(lines, 2))
    if _is_document(opening):
        yield _document(opening, stream, largest)
    else:
        yield from map(_parsed, chain(opening, lines))


def read_each(records: Iterable[Record | Unread], read: Callable[[Record], Made]) -> Iterator[Made | Unread]:
    """What `read` makes of each record, given its value clean; an `Unread` where it raises TraceUnreadable."""
    for record in records:
        if isinstance(record, Unread):
            yield record
            continue
        try:
            yield read(record._replace(value=clean_json(record.value)))
        except TraceUnreadable as error:
            yield Unread(where=record.where, why=error.what)


def elements(record: Record) -> Iterator[Record]:
    """The items of an array, any other value itself."""
    if not isinstance(record.value, list):
        yield record
        return
    for number, item in enumerate(record.value, start=1):
        yield Record(f"{record.where}, item {number}" if record.where else f"item {number}", item)


@lru_cache(maxsize=4)  # each format asks in turn about the same file
def record_keys(head: bytes) -> frozenset[str]:
    """The keys of the first records of a JSON file of which only the beginning is known; empty where it is no JSON.

    By them a format is known. Keys further inside do not count, nor those that a text quotes which is JSON itself.
    """
    head = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    at_the_margin = (start.end() for start in re.finditer(rb"\n(?=[{\[])", head))
    starts = islice(chain([0], at_the_margin), _LINES_TO_GUESS_FROM)
    return frozenset(key for start in starts for key in _keys_of_first_object(head, start))


class _Line(NamedTuple):
    number: int
    text: bytes | None
    """Without the spaces around it; None where it is too long."""


def _lines(stream: BinaryIO, largest: int) -> Iterator[_Line]:
    """The lines that are not empty."""
    number = 0
    while line := stream.readline(largest + 1):
        number += 1
        if len(line) > largest:
            while not line.endswith(b"\n") and (line := stream.readline(1024 * 1024)):
                pass
            yield _Line(number, None)
        elif text := line.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").strip():
            yield _Line(number, text)


def _parsed(line: _Line) -> Record | Unread:
    where = f"line {line.number}"
    if line.text is None:
        return Unread(where=where, why="the line is too long to be read")
    try:
        return Record(where, json.loads(line.text))
    except RecursionError:
        return Unread(where=where, why="the JSON is nested too deep to read")
    except ValueError as error:
        return Unread(where=where, why=f"the line is no JSON: {error}")


def _is_document(opening: list[_Line]) -> bool:
    """Whether the first line is only the beginning of its value, and the second does not begin another one."""
    if not opening or opening[0].text is None or not _goes_on(opening[0].text):
        return False
    if len(opening) == 1 or opening[0].text.startswith(b"["):
        return True
    second = _parsed(opening[1])
    return not (isinstance(second, Record) and isinstance(second.value, dict))


def _goes_on(text: bytes) -> bool:
    """Whether the text is good JSON up to its end and misses the rest: no string of JSON spans two lines."""
    try:
        decoded = text.decode()
        json.loads(decoded)
    except json.JSONDecodeError as error:
        return decoded[0] in "{[" and error.pos >= len(decoded)
    except (ValueError, RecursionError):
        return False
    return False


def _document(opening: list[_Line], stream: BinaryIO, largest: int) -> Record | Unread:
    known = [line.text for line in opening if line.text is not None]
    text = b"\n".join([*known, stream.read(largest + 1)])
    if len(text) > largest or len(known) < len(opening):
        raise TooLarge(f"the document has more than {largest:,} bytes", todo="make it JSON lines, one record a line")
    try:
        return Record("", json.loads(text))
    except RecursionError:
        return Unread(where="", why="the JSON is nested too deep to read")
    except ValueError as error:
        return Unread(where="", why=f"the file is no JSON: {error}")


def _keys_of_first_object(head: bytes, start: int) -> Iterator[str]:
    depth = inside = 0
    for token in _TOKEN.finditer(head, start):
        if token["cut"]:
            return
        if token["opens"]:
            depth += 1
            if not inside and token["opens"] == b"{":
                inside = depth
        elif token["closes"]:
            depth -= 1
            if depth < inside or depth <= 0:
                return
        elif token["colon"] and 0 < depth == inside:
            yield token["text"].decode("utf-8", "replace")

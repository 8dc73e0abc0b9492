"""OTLP in files: what an exporter or an OpenTelemetry Collector wrote.

One request in protobuf, JSON or JSON lines, or records with their length before them, which is how the Collector's file
exporter writes protobuf and whatever it compresses itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from taketwo.capture.body import ZSTD_MAGIC, decompress
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_records import LARGEST, Record, elements, json_records, record_keys
from taketwo.capture.otlp import (
    ReceivedLogs,
    ReceivedSpans,
    logs_in,
    read_logs,
    read_spans,
    spans_in,
)
from taketwo.capture.otlp_json import WrongSignal
from taketwo.errors import TooLarge, TraceUnreadable

_SPANS: Final = frozenset({"resourceSpans", "resource_spans"})
_LOGS: Final = frozenset({"resourceLogs", "resource_logs"})
_PROTOBUF: Final = "application/x-protobuf"
_PREFIX: Final = 4


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds OTLP."""
    return _is_protobuf(head) or _is_framed(head) or bool(record_keys(head) & (_SPANS | _LOGS))


def read(stream: io.BufferedReader) -> Iterator[Imported]:
    """The spans and log records of the file, request by request."""
    head = stream.peek(64)
    if _is_protobuf(head):
        yield from _request("", _at_most(stream))
    elif _is_framed(head):
        yield from _frames(stream)
    else:
        yield from _documents(stream)


def _is_protobuf(head: bytes) -> bool:
    """Whether this begins with field 1, in that a resource or a scope, and in that one of their fields.

    So many signs are wanted because field 1 is a line feed, and text files begin with that too.
    """
    length, at = _varint(head, 1)
    inner, inner_at = _varint(head, at + 1)
    return (
        head[:1] == b"\x0a"
        and head[at : at + 1] in {b"\x0a", b"\x12"}
        and inner_at + inner <= at + length
        and (inner == 0 or head[inner_at : inner_at + 1] in {b"\x0a", b"\x10", b"\x12", b"\x1a"})
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number there and the place after it; a number that is cut off counts as far as it goes."""
    number = shift = 0
    while at < len(data) and shift < 35:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    return number, at


def _is_framed(head: bytes) -> bool:
    """Whether a length that can be one comes before what can be a record; four letters make no such length."""
    content = head[_PREFIX:]
    begins = content.startswith((b"{", ZSTD_MAGIC)) or _is_protobuf(content)
    return begins and 0 < int.from_bytes(head[:_PREFIX]) <= LARGEST


def _frames(stream: BinaryIO) -> Iterator[Imported]:
    number = 0
    while prefix := stream.read(_PREFIX):
        number += 1
        where, length = f"record {number}", int.from_bytes(prefix)
        if length > LARGEST:
            yield Unread(where=where, why=f"its length is given as {length:,} bytes; what follows is not read")
            return
        body = stream.read(length)
        if len(prefix) < _PREFIX or len(body) < length:
            yield Unread(where=where, why="the file ends in the middle of it")
            return
        try:
            yield from _frame(where, body)
        except TraceUnreadable as error:
            yield Unread(where=where, why=error.what)


def _frame(where: str, body: bytes) -> Iterator[Imported]:
    if body.startswith(ZSTD_MAGIC):
        body = decompress(body, "zstd", limit=LARGEST)
    if body.startswith(b"{"):
        for found in _documents(io.BytesIO(body)):
            yield found.but(where=where) if isinstance(found, Unread) else found
    else:
        yield from _request(where, body)


def _documents(stream: BinaryIO) -> Iterator[Imported]:
    for record in json_records(stream):
        if isinstance(record, Unread):
            yield record
            continue
        for element in elements(record):
            yield from _document(element)


def _document(record: Record) -> Iterator[Imported]:
    keys = record.value.keys() if isinstance(record.value, dict) else set()
    if not keys & (_SPANS | _LOGS):
        yield Unread(where=record.where, why="this is no OTLP: it has neither resourceSpans nor resourceLogs")
    try:
        if keys & _SPANS:
            yield from _accepted(record.where, spans_in(record.value))
        if keys & _LOGS:
            yield from _accepted(record.where, logs_in(record.value))
    except TraceUnreadable as error:
        yield Unread(where=record.where, why=error.what)


def _request(where: str, body: bytes) -> Iterator[Imported]:
    """A protobuf request, which does not say itself whether it holds spans or log records."""
    try:
        yield from _accepted(where, read_spans(body, _PROTOBUF))
    except WrongSignal:
        yield from _accepted(where, read_logs(body, _PROTOBUF))


def _accepted(where: str, received: ReceivedSpans | ReceivedLogs) -> Iterator[Imported]:
    """What was received, and apart from it what was refused."""
    for why in received.rejected:
        yield Unread(where=where, why=why)
    match received:
        case ReceivedSpans(spans=[_, *_]):
            yield ReceivedSpans(spans=received.spans)
        case ReceivedLogs(logs=[_, *_]):
            yield ReceivedLogs(logs=received.logs)


def _at_most(stream: BinaryIO) -> bytes:
    body = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise TooLarge(f"the request has more than {LARGEST:,} bytes", todo="export smaller batches")
    return body

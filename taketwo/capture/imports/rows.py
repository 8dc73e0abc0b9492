"""Rows of a table of spans, in whatever a tool exports it: JSON lines, an array, the answer of an API, CSV, parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Final

from taketwo.capture.imports.csv_rows import csv_columns, csv_rows
from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import Record, record_keys
from taketwo.capture.imports.parquet_rows import PARQUET_MAGIC, parquet_rows
from taketwo.value import JSON

ENVELOPES: Final = ("data", "runs", "traces")
"""Keys under which the answer of an API holds its rows."""

_ROWS_BEGIN: Final = re.compile(rb'"(?:data|runs|traces)"\s*:\s*(?=\[)')


def columns(head: bytes) -> frozenset[str]:
    """The keys of the first rows of a file of which only the beginning is known; of parquet, nothing is known there."""
    if not _is_json(head):
        return frozenset(csv_columns(head))
    keys = record_keys(head)
    if keys & set(ENVELOPES) and (begin := _ROWS_BEGIN.search(head)):
        keys |= record_keys(head[begin.end() :])
    return keys


def rows(stream: io.BufferedReader) -> Iterator[Record | Unread]:
    """Every row with its place; what is no object comes as it is, for the reader of the rows to name.

    Raises TooLarge, TraceUnreadable where nothing more can be read, MissingExtra for parquet without its package.
    """
    head = stream.peek(64)
    if head.startswith(PARQUET_MAGIC):
        yield from parquet_rows(stream)
    elif _is_json(head):
        for record in json_elements(stream):
            yield from [record] if isinstance(record, Unread) else _unwrapped(record)
    else:
        yield from csv_rows(stream)


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}


def _unwrapped(record: Record) -> Iterator[Record]:
    """The rows inside an API's answer, any other record itself."""
    held = _held(record.value) if isinstance(record.value, Mapping) and "id" not in record.value else None
    if held is None:
        yield record
        return
    for number, item in enumerate(held, start=1):
        yield Record(", ".join(filter(None, (record.where, f"row {number}"))), item)


def _held(value: Mapping[str, JSON]) -> list[JSON] | None:
    return next((value[key] for key in ENVELOPES if isinstance(value.get(key), list)), None)

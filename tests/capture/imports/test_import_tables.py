"""Rows in JSON, CSV and parquet: each with its place, whatever is wrong with its neighbours."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taketwo.capture.imports.csv_rows import csv_columns, csv_rows
from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import Record
from taketwo.capture.imports.moment_texts import nanoseconds
from taketwo.capture.imports.rows import columns, rows
from taketwo.capture.imports.span_rows import span_id, trace_id
from taketwo.errors import TooLarge, TraceUnreadable


def stream(body: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(body))  # type: ignore[type-var]  # bytes are raw enough


def values(found: Any) -> list[Any]:
    return [item.value if isinstance(item, Record) else item.why.split(":")[0] for item in found]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.lists(st.lists(json_values, max_size=4), min_size=1, max_size=3), st.sampled_from([None, 0, 2]), st.booleans()
)
def test_the_items_of_arrays_come_one_by_one(arrays: list[Any], indent: Any, marked: bool) -> None:
    text = "\n".join(json.dumps(array, indent=indent, ensure_ascii=False) for array in arrays).encode()
    found = list(json_elements(stream(b"\xef\xbb\xbf" * marked + text)))
    assert values(found) == [item for array in arrays for item in array]
    assert [item.where for item in found] == [f"item {number}" for number in range(1, len(found) + 1)]


def test_lines_and_a_document_come_as_ever() -> None:
    assert values(json_elements(stream(b'{"a": 1}\n[{"a": 2}, 3]\noops\n'))) == [
        {"a": 1},
        {"a": 2},
        3,
        "the line is no JSON",
    ]
    assert values(json_elements(stream(b'{\n"a": [1]}'))) == [{"a": [1]}]


def test_an_item_that_is_no_json_is_named_and_the_others_follow() -> None:
    body = (
        b'[{"a": 1}, {"b": }, {"c": "[,"}, {"d": 1} {"e": 2}, [[' + b"[" * 3000 + b"]" * 3002 + b', {"f": "\xff"}, 1]'
    )
    assert values(json_elements(stream(body))) == [
        {"a": 1}, "the item is no JSON", {"c": "[,"}, "the item is no JSON", "the JSON is nested too deep to read",
        "the item is no JSON", 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "read", "why"),
    [
        (b'[{"a": 1}, {"a"', 1, "ends before its array"),
        (b'[{"a": 1}, "never closed', 1, "ends before its array"),
        (b'[1, 2] {"a": 1}', 2, "something follows"),
        (b"[1]\nand more", 1, "something follows"),
        (b"[1], [2]", 1, "something follows"),
    ],
)
def test_what_comes_before_the_end_of_an_array_that_is_damaged_is_read(body: bytes, read: int, why: str) -> None:
    found = []
    with pytest.raises(TraceUnreadable, match=why):
        for item in json_elements(stream(body)):
            found.append(item)
    assert len(found) == read


def test_an_item_that_is_too_long_says_what_to_do() -> None:
    body = json.dumps([{"a": 1}, {"a": "x" * 5_000_000}]).encode()
    assert len(list(json_elements(stream(body)))) == 2
    with pytest.raises(TooLarge, match="1,000 bytes") as caught:
        list(json_elements(stream(body), largest=1000))
    assert "JSON lines" in str(caught.value)


@given(st.binary(max_size=80) | st.text(alphabet='{}[]",:\\ \na1', max_size=60).map(lambda text: f"[{text}".encode()))
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_the_reading_of_arrays_stumble(body: bytes) -> None:
    with contextlib.suppress(TraceUnreadable):
        list(json_elements(stream(body), largest=50_000))


cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(cells, cells, cells), max_size=5), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_rows_of_csv_come_out_as_they_went_in(given_rows: list[Any], ending: str, marked: bool) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *given_rows])
    body = b"\xef\xbb\xbf" * marked + file.getvalue().encode()
    assert csv_columns(body) == ["a", "b", "c"]
    wanted = [{key: cell for key, cell in zip("abc", row, strict=True) if cell} for row in given_rows]
    assert values(csv_rows(stream(body))) == wanted


def test_a_row_of_csv_that_is_damaged_is_named_and_the_others_are_read() -> None:
    body = b'id,text\n1,"two\nlines"\n2,a,b\n\n3\n4,\xff\n5,\0\n6,"' + b"x" * 17_000_000 + b'"\n7,ok\n'
    found = list(csv_rows(stream(body)))
    assert values(found) == [
        {"id": "1", "text": "two\nlines"},
        "the row has 3 cells, but there are 2 columns",
        {"id": "3"},
        "the row is no UTF-8",
        {"id": "5", "text": "\0"},
        "this is no row of CSV",
        {"id": "7", "text": "ok"},
    ]
    assert [item.where for item in found] == ["line 2", "line 4", "line 6", "line 7", "line 8", "line 9", "line 10"]


def test_a_quote_that_is_never_closed_does_not_fill_the_memory() -> None:
    body = b'id,text\n1,"' + (b"l" * 999 + b"\n") * 20_000 + b"2,ok\n"
    found = list(csv_rows(stream(body)))
    assert isinstance(found[0], Unread)
    assert found[-1] == Record("line 20002", {"id": "2", "text": "ok"})


@pytest.mark.parametrize(
    ("body", "keys", "found"),
    [
        (b'{"data": [{"a": 1}, {"a": 2}], "next_cursor": null}', {"data", "next_cursor", "a"}, [{"a": 1}, {"a": 2}]),
        (b'{"next": null, "runs": [\n {"a": 1}]}', {"next", "runs", "a"}, [{"a": 1}]),
        (b'{"data": [{"a": 1}]}\n{"data": [{"a": 2}]}\n', {"data", "a"}, [{"a": 1}, {"a": 2}]),
        (b'[{"a": 1}]', {"a"}, [{"a": 1}]),
        (b'{"id": "t", "data": [1]}', {"id", "data"}, [{"id": "t", "data": [1]}]),
        (b"a,b\n1,2\n", {"a", "b"}, [{"a": "1", "b": "2"}]),
        (b'"a","b"\n', {"a", "b"}, []),
    ],
)
def test_rows_are_found_in_whatever_they_came(body: bytes, keys: set[str], found: list[Any]) -> None:
    assert columns(body) == keys
    assert values(rows(stream(body))) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, 0), ("", 0), (float("nan"), 0),
        ("2026-03-03T09:00:00Z", 1_772_528_400_000_000_000),
        ("2026-03-03 09:00:00.123456789", 1_772_528_400_123_456_789),
        ("2026-03-03T10:00:00,5+01:00", 1_772_528_400_500_000_000),
        ("2026-03-03 09:00:00.123000 UTC", 1_772_528_400_123_000_000),
        (1_772_528_400, 1_772_528_400_000_000_000),
        (1_772_528_400.25, 1_772_528_400_250_000_000),
        ("1772528400123", 1_772_528_400_123_000_000),
        (1_772_528_400_123_456, 1_772_528_400_123_456_000),
        (1_772_528_400_123_456_789, 1_772_528_400_123_456_789),
    ],
)  # fmt: skip
def test_a_moment_is_read_in_every_spelling(value: Any, found: int) -> None:
    assert nanoseconds(value) == found


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), st.sampled_from(["T", " "]))
@example(datetime(2026, 3, 3, 9, tzinfo=UTC), "T")
def test_iso_texts_are_exact(at: datetime, between: str) -> None:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    exact = ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds) * 1000
    assert nanoseconds(at.isoformat(between)) == nanoseconds(at.replace(tzinfo=None).isoformat(between)) == exact


@given(st.text(max_size=30) | st.floats() | st.integers() | st.booleans() | st.lists(st.none(), max_size=1))
def test_what_is_no_moment_says_so(value: Any) -> None:
    with contextlib.suppress(ValueError, OverflowError):
        assert nanoseconds(value) >= 0


def test_names_of_traces_and_spans_become_ids_that_stay_the_same() -> None:
    assert trace_id("0AF7651916CD43DD8448EB211C80319C") == "0af7651916cd43dd8448eb211c80319c"
    assert trace_id("0af76519-16cd-43dd-8448-eb211c80319c") == "0af7651916cd43dd8448eb211c80319c"
    assert len(trace_id("my trace")) == 32
    assert trace_id("my trace") == trace_id("my trace") != trace_id("my other trace")
    assert span_id("B7AD6B7169203331") == "b7ad6b7169203331"
    assert len(span_id("0af76519-16cd-43dd-8448-eb211c80319c")) == 16
    # Version 7 of UUID begins with the time: two runs of the same millisecond share their first half.
    assert span_id("019501a2-3b4c-7000-8000-000000000001") != span_id("019501a2-3b4c-7000-8000-000000000002")

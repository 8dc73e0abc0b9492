"""JSON files of every build: their records, and by what they are known."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.json_records import Record, elements, json_records, record_keys
from taketwo.errors import TooLarge


def records(text: str | bytes, largest: int = 10_000) -> list[Record | Unread]:
    stream = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return [
        element
        for record in json_records(stream, largest)
        for element in (elements(record) if isinstance(record, Record) else [record])
    ]


def places(text: str | bytes, largest: int = 10_000) -> list[tuple[str, Any]]:
    """The place of each record with its value, or with a word of why there is none."""
    return [
        (found.where, found.why.split(":")[0]) if isinstance(found, Unread) else (found.where, found.value)
        for found in records(text, largest)
    ]


objects = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3)


@given(st.lists(objects, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\n\n  \n"]), st.booleans())
def test_json_lines_come_out_one_by_one(values: list[Any], between: str, marked: bool) -> None:
    text = between.join(map(json.dumps, values)).encode()
    found = records(b"\xef\xbb\xbf" * marked + text)
    assert [record.value for record in found if isinstance(record, Record)] == values


@given(st.lists(objects, min_size=1, max_size=5), st.sampled_from([None, 0, 1, "\t"]))
@settings(max_examples=200)
def test_an_array_of_records_is_told_from_lines_however_it_is_indented(values: list[Any], indent: Any) -> None:
    found = records(json.dumps(values, indent=indent))
    assert [record.value for record in found if isinstance(record, Record)] == values


@given(objects, st.sampled_from([None, 0, 2]))
def test_one_document_is_one_record(value: Any, indent: Any) -> None:
    (found,) = records(json.dumps(value, indent=indent))
    assert isinstance(found, Record)
    assert found.value == value


def test_a_bad_line_is_named_by_its_number_and_the_others_are_read() -> None:
    assert places('{"a": 1}\n\n{"a": \nnot json\n[' + "[" * 5000 + '\n{"a": "\xff"}\n{"a": 2}') == [
        ("line 1", {"a": 1}),
        ("line 3", "the line is no JSON"),
        ("line 4", "the line is no JSON"),
        ("line 5", "the JSON is nested too deep to read"),
        ("line 6", {"a": "\xff"}),
        ("line 7", {"a": 2}),
    ]
    assert places(b'{"a": 1}\n{"a": "\xff"}') == [("line 1", {"a": 1}), ("line 2", "the line is no JSON")]


@pytest.mark.parametrize("first", ["not json", '{"a": 1', '{"messages": [{"role"', '{"a": "cut'])
def test_a_bad_first_line_does_not_make_a_document_of_the_lines(first: str) -> None:
    assert places(first + '\n{"a": 1}\n{"a": 2}') == [
        ("line 1", "the line is no JSON"),
        ("line 2", {"a": 1}),
        ("line 3", {"a": 2}),
    ]


def test_the_items_of_an_array_are_numbered() -> None:
    assert places('[\n{"a": 1},\n{"a": 2}]') == [("item 1", {"a": 1}), ("item 2", {"a": 2})]
    assert places('[\n{"a": 1}\n]') == [("item 1", {"a": 1})]
    assert places('{"a": 1}\n[{"a": 2}, 3]') == [
        ("line 1", {"a": 1}),
        ("line 2, item 1", {"a": 2}),
        ("line 2, item 2", 3),
    ]


def test_a_document_that_is_damaged_is_named_once() -> None:
    assert places('{\n "a": 1,\n "b": [\n') == [("", "the file is no JSON")]
    assert places('[\n {"a": 1},\n {"a": }\n]') == [("", "the file is no JSON")]
    assert places("{\n" + '"a": {' * 5000, largest=100_000) == [("", "the JSON is nested too deep to read")]


def test_a_line_that_is_too_long_is_skipped_to_its_end() -> None:
    long = json.dumps({"a": "x" * 3_000_000})
    assert places(f'{{"a": 1}}\n{long}\n{{"a": 2}}', largest=1000) == [
        ("line 1", {"a": 1}),
        ("line 2", "the line is too long to be read"),
        ("line 3", {"a": 2}),
    ]


def test_a_document_that_is_too_long_says_what_to_do() -> None:
    with pytest.raises(TooLarge, match="1,000 bytes") as caught:
        records('[\n  "' + "x" * 3000 + '"\n]', largest=1000)
    assert "JSON lines" in str(caught.value)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ \na1', max_size=60).map(str.encode))
@settings(max_examples=500, deadline=None)
def test_no_bytes_make_it_stumble(body: bytes) -> None:
    records(body, largest=50_000)
    record_keys(body)


@pytest.mark.parametrize(
    ("head", "keys"),
    [
        ('{"id": 1, "messages": [{"role": "user"', {"id", "messages"}),
        ('[\n  {"messages": [{"role": 1}], "a": {"b": 1}, "c": 1}, {"d": 1}]', {"messages", "a", "c"}),
        ('{"a": 1}\n{"b": 1}\n', {"a", "b"}),
        ('garbage "x": 1\n{"b": 1}\n', {"b"}),
        ('\ufeff  \n{"a": 1}', {"a"}),
        ('[[{"a": 1}]]', {"a"}),
        ('{"text": "{\\"messages\\": 1}", "b": "cut \\"messages\\": ', {"text", "b"}),
        ('{"a": "\\\\", "b": 1}', {"a", "b"}),
        ("[1, 2]", set()),
        ('"text": 1', set()),
        ("", set()),
    ],
)
def test_the_keys_of_the_first_records_are_known_though_the_head_is_cut_off(head: str, keys: set[str]) -> None:
    assert record_keys(head.encode()) == keys

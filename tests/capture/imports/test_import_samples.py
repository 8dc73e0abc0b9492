"""What holds for the sample files of every format: each is known for what it is, and no damage makes it stumble."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imported_story import SAMPLES

from taketwo.capture.imports import FORMATS, Unread, read_file
from taketwo.capture.imports.imported import Imported
from taketwo.capture.imports.json_elements import json_elements
from taketwo.capture.imports.json_records import Record
from taketwo.capture.otlp import ReceivedLogs, ReceivedSpans, decode_span
from taketwo.conversation import Conversation
from taketwo.errors import TraceUnreadable

FILES = sorted(SAMPLES.iterdir())
CHEAP = [path for path in FILES if path.stat().st_size < 60_000]


def format_of(path: Path) -> str:
    """Each sample is named after its format."""
    return max((name for name in FORMATS if path.name.startswith(name)), key=len)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_other_format_claims_the_sample(path: Path) -> None:
    head = path.read_bytes()[: 256 * 1024]
    first = next(name for name, found in FORMATS.items() if found.reads(head))
    assert first == format_of(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_sample_is_read_whole_without_naming_its_format(path: Path) -> None:
    items = list(read_file(path))
    assert items
    assert not [item for item in items if isinstance(item, Unread)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_few_hundred_bytes_are_enough_to_know_it(path: Path) -> None:
    """The beginning of a large file may be cut in the middle of its first record."""
    head = path.read_bytes()[:4096]
    assert FORMATS[format_of(path)].reads(head)


def test_every_format_but_the_oldest_and_parquet_has_a_sample() -> None:
    assert {format_of(path) for path in FILES} == set(FORMATS) - {"otlp", "parquet"}


def test_the_page_on_imports_lists_every_format() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "imports.md").read_text(encoding="utf-8")
    named = {
        name for line in page.splitlines() if line.startswith("| `") for name in line.split("|")[1].split("`")[1::2]
    }
    assert named == set(FORMATS)


ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, float("nan"), "", "x", "\ud800", "{", "[1", '{"a": 1}', "2026-03-03T09:00:00Z",
    [], [[]], [None], {}, {"": None}, {"role": "user"}, {"id": 1}, [{"role": "assistant", "tool_calls": [None, {}]}],
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key in it."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def wounded(record: Any, chance: random.Random) -> Any:
    """The record with a few values lost, replaced by something odd, moved or doubled."""
    record = copy.deepcopy(record)
    for _ in range(chance.randint(1, 4)):
        found = places(record)
        if not found:
            return chance.choice(ODD)
        (inside, key), (other, name) = chance.choice(found), chance.choice(found)
        match chance.randrange(4):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, list):
                inside.insert(0, copy.deepcopy(inside[key]))
            case 2:
                inside[key] = copy.deepcopy(other[name])
            case _:
                inside[key] = copy.deepcopy(chance.choice(ODD))
    return record


def records(path: Path) -> list[Any]:
    stream = io.BufferedReader(io.BytesIO(path.read_bytes()))  # type: ignore[type-var]  # bytes are raw enough
    return [item.value for item in json_elements(stream) if isinstance(item, Record)]


def read_all(format: str, body: bytes) -> None:
    """Whatever the file is, nothing but what is read, what is unread, or a word that no more of it can be read."""
    stream = io.BufferedReader(io.BytesIO(body))  # type: ignore[type-var]  # bytes are raw enough
    with contextlib.suppress(TraceUnreadable):
        for item in FORMATS[format].read(stream):
            assert_is_well_formed(item)


def assert_is_well_formed(item: Imported) -> None:
    match item:
        case ReceivedSpans():
            assert [decode_span(span).span_id for span in item.spans] == [span.span_id for span in item.spans]
        case Conversation():
            assert Conversation.from_json(item.to_json()) == item
            assert [turn.index for turn in item.turns] == list(range(len(item.turns)))
        case Unread():
            assert item.why
        case ReceivedLogs():
            raise AssertionError("no sample has logs")


@pytest.mark.parametrize("path", [path for path in CHEAP if path.suffix != ".csv"], ids=lambda path: path.name)
def test_no_damage_inside_a_record_makes_it_stumble(path: Path) -> None:
    whole = records(path)

    @given(st.integers(0, 2**32))
    @settings(max_examples=60, deadline=None)
    def check(seed: int) -> None:
        chance = random.Random(seed)
        several = [wounded(chance.choice(whole), chance) for _ in range(3)]
        read_all(format_of(path), "\n".join(json.dumps(record) for record in several).encode())

    check()


@pytest.mark.parametrize("path", [path for path in CHEAP if path.suffix != ".csv"], ids=lambda path: path.name)
@pytest.mark.parametrize("depth", [150, 900, 5000])
def test_no_depth_inside_a_record_makes_it_stumble(path: Path, depth: int) -> None:
    record = records(path)[0]
    for inside, key in places(record)[:40]:
        kept, inside[key] = inside[key], "the depth"
        text = json.dumps(record).replace('"the depth"', '{"a": [' * (depth // 2) + "]}" * (depth // 2))
        inside[key] = kept
        read_all(format_of(path), text.encode())


@pytest.mark.parametrize("path", CHEAP, ids=lambda path: path.name)
def test_no_damage_to_the_bytes_makes_it_stumble(path: Path) -> None:
    whole = path.read_bytes()

    @given(st.integers(0, 2**32))
    @settings(max_examples=40, deadline=None)
    def check(seed: int) -> None:
        chance, body = random.Random(seed), whole
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body) + 1)
            body = body[:at] + chance.choice([b"", b'"', b"{", b"]", b",", b"\n", chance.randbytes(3)]) + body[at + 1 :]
        if chance.random() < 0.3:
            body = body[: chance.randrange(len(body) + 1)]
        read_all(format_of(path), body)

    check()


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"otlp", "parquet"}])
def test_records_of_anything_are_at_most_unread(name: str) -> None:
    json_values = st.recursive(
        st.sampled_from(ODD), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys(name), inner, max_size=6)
    )

    @given(st.lists(st.dictionaries(keys(name), json_values, max_size=8), max_size=3))
    @settings(max_examples=100, deadline=None)
    def check(found: list[Any]) -> None:
        read_all(name, "\n".join(map(json.dumps, found)).encode())

    check()


def keys(name: str) -> st.SearchStrategy[str]:
    """The keys that records of the format have, at any depth."""
    found = {
        key
        for path in FILES
        if format_of(path) == name and path.suffix != ".csv"
        for record in records(path)
        for _, key in places(record)
        if isinstance(key, str)
    }
    return st.sampled_from(sorted(found) or ["messages"])

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from scenario_strategies import json_objects, json_values, texts, to_the_letter

from taketwo.freeze.typed import plain
from taketwo.freeze.yaml_reader import parse
from taketwo.freeze.yaml_writer import Section, yaml_text


def written(value: Any) -> str:
    return yaml_text({"key": value}).removeprefix("key: ").removesuffix("\n")


@given(json_objects)
@settings(max_examples=150, deadline=None)
def test_what_is_written_reads_back_to_the_letter(value: dict[str, Any]) -> None:
    text = yaml_text({"root": value})
    assert to_the_letter(plain(parse(text.encode(), "f"))) == to_the_letter({"root": value})


@given(json_values)
@settings(max_examples=100, deadline=None)
def test_other_programs_read_the_same_even_those_with_the_rules_of_yaml_1_1(value: Any) -> None:
    text = yaml_text({"root": value})
    assert to_the_letter(yaml.safe_load(text)) == to_the_letter({"root": value})


@given(texts)
@settings(max_examples=200, deadline=None)
def test_nothing_invisible_and_no_blank_at_the_end_of_a_line_stands_in_the_file(text: str) -> None:
    lines = yaml_text({"key": text}).split("\n")
    assert all(line == line.rstrip(" \t\r") for line in lines)
    assert not {"\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u200b", "\ufeff"} & set(
        "".join(lines)
    )


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("Hi, where is my order A-1001?", "Hi, where is my order A-1001?"),
        ("I'd like it by 10:30, please", "I'd like it by 10:30, please"),
        ('{"state": "paid"}', '\'{"state": "paid"}\''),
        ("Order: it's late", '"Order: it\'s late"'),
        ("no", "'no'"),
        ("12:30", "'12:30'"),
        ("2026-01-01", "'2026-01-01'"),
        ("42", "'42'"),
        ("", '""'),
        ("👩‍💻 works", "👩‍💻 works"),
        ("a\u202eb", '"a\\u202Eb"'),
    ],
)
def test_a_text_gets_quotes_only_where_yaml_needs_them(text: str, style: str) -> None:
    assert written(text) == style


def test_several_lines_stand_in_a_block() -> None:
    assert written("1. One-way\n2. Economy: yes") == "|-\n  1. One-way\n  2. Economy: yes"
    assert written("ends with a line end\n") == "|\n  ends with a line end"


def test_a_line_that_needs_every_quote_stands_in_a_block_without_any() -> None:
    assert written("""He said: "it's late".""") == 'He said: "it\'s late".'.join(["|-\n  ", ""])


def test_what_an_editor_could_spoil_keeps_its_lines_but_is_escaped() -> None:
    assert written("id,name\r\n 1,Dana \r\n") == '"id,name\\r\\n\\\n  \\ 1,Dana \\r\\n"'


def test_small_objects_stand_on_one_line_and_large_ones_do_not() -> None:
    assert written({"order_id": "A-1001", "n": 2}) == "{order_id: A-1001, n: 2}"
    large = {f"key_{number}": "some words" for number in range(9)}
    assert written(large).splitlines()[1:3] == ["  key_0: some words", "  key_1: some words"]


def test_a_section_never_stands_on_one_line() -> None:
    assert yaml_text({"steps": [Section(say="Hi")]}) == "steps:\n- say: Hi\n"


def test_a_number_keeps_its_kind() -> None:
    assert written([25, 25.0, -0.0, 1e300]) == "[25, 25.0, -0.0, 1.0e+300]"


def test_a_key_longer_than_yaml_allows_beside_its_colon_reads_back() -> None:
    value = {"k" * 3000: {"\x00" * 700: [1, {"a": "b\nc"}]}}
    assert plain(parse(yaml_text(value).encode(), "f")) == value


def test_what_is_nested_two_hundred_deep_reads_back() -> None:
    value: Any = "bottom"
    for depth in range(200):
        value = [value] if depth % 2 else {"in": value}
    assert plain(parse(yaml_text({"root": value}).encode(), "f")) == {"root": value}

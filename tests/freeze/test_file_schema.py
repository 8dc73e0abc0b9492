from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from taketwo.freeze.file_schema import file_schema
from taketwo.freeze.typed import plain
from taketwo.freeze.yaml_reader import parse

VALIDATOR = jsonschema.Draft202012Validator(file_schema())


def errors(case: str) -> list[Any]:
    text = f"taketwo: 1\nname: x\ncases:\n- id: a\n  {case}\n"
    return list(VALIDATOR.iter_errors(plain(parse(text.encode(), "f"))))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(file_schema())


@pytest.mark.parametrize(
    "case",
    [
        "expected: [{must_call: a, turn: 1}]",
        "expected: [{arguments_match_schema: a, schema: {type: object}}]",
        "from: {conversation: a, recorded_at: 2026-11-17T10:00:00Z}",
        "turns: [{said: Hi, steps: [{say: Hello}, {call: a, result: [1], details: {call_id: x}}], reply: null}]",
        "agent: {tools_file: x.json}",
    ],
)
def test_it_allows_what_can_be_loaded(case: str) -> None:
    assert not errors(case)


@pytest.mark.parametrize(
    "case",
    [
        "expcted: []",
        "expected: [{must_cal: a}]",
        "expected: [{must_call: a, must_say: b}]",
        "expected: [{arguments_match_schema: a}]",
        "turns: [{said: [Hi]}]",
        "turns: [{steps: [{kind: say, say: Hello}]}]",
        "origin: {}",
        "who: {channel: fax}",
    ],
)
def test_it_marks_what_cannot_be_loaded(case: str) -> None:
    assert errors(case)


def test_every_key_explains_itself() -> None:
    for name, definition in file_schema()["$defs"].items():
        for key, schema in definition["properties"].items():
            assert schema.get("description"), f"{name}.{key}"

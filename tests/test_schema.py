from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

import jsonschema
import pytest

from taketwo.conversation import Call, Conversation, Say, Turn, UserLine
from taketwo.described import described_schema
from taketwo.report.json import Report
from taketwo.schema import json_schema
from taketwo.value import Value
from taketwo.verdict import CaseResult, Verdict


class Pair(Value):
    """Two of them."""

    left: int
    """The one on the
    left."""
    right: str | None = None
    """The other."""


@pytest.mark.parametrize("name", ["conversation", "scenario", "result"])
def test_every_schema_is_one_and_every_field_in_it_explains_itself(
    name: Literal["conversation", "scenario", "result"],
) -> None:
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    silent = [
        f"{kind}.{key}"
        for kind, definition in schema["$defs"].items()
        for key, field in definition["properties"].items()
        if "description" not in field and "enum" not in field
    ]
    assert not silent


def test_the_words_under_a_field_are_its_description_and_those_under_the_class_that_of_the_whole() -> None:
    pair = described_schema(Pair)["$defs"]["Pair"]
    assert pair["description"] == "Two of them."
    assert pair["properties"]["left"] == {"description": "The one on the left.", "type": "integer"}


def test_what_is_printed_fits_its_schema() -> None:
    call = Call(call_id=None, tool="a", arguments={"n": 1}, result={"x": [None]})
    turn = Turn(index=0, user=UserLine(text="Hi"), steps=(call, Say(text="Hello", message=1)), reply="Hello")
    conversation = Conversation(id="a", started_at=datetime(2026, 1, 1, tzinfo=UTC), turns=(turn,))
    printed = json.loads(conversation.to_json())
    jsonschema.validate(printed, json_schema("conversation"))
    result = CaseResult(scenario="s", case_id="a", recorded_id="a", verdict=Verdict(kind="pass"))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    report = Report(
        agent="a",
        started_at=now,
        ended_at=now,
        duration_s=1.0,
        cancelled=False,
        strict=False,
        counts={"pass": 1},
        results=(result,),
    )
    jsonschema.validate(json.loads(report.to_json()), json_schema("result"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**printed, "channel": "fax"}, json_schema("conversation"))

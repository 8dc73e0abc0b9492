"""The JSON Schemas of what Take Two prints and writes, for editors and other programs."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, assert_never

from taketwo.conversation import Conversation
from taketwo.described import described_schema
from taketwo.freeze.file_schema import file_schema
from taketwo.report.json import Report

SchemaName: TypeAlias = Literal["conversation", "scenario", "result"]


def json_schema(name: SchemaName) -> dict[str, Any]:
    """JSON Schema of what `show --json` prints, of a scenario file, or of what `replay --json` writes."""
    match name:
        case "conversation":
            return described_schema(Conversation)
        case "scenario":
            return file_schema()
        case "result":
            return described_schema(Report)
        case _:
            assert_never(name)

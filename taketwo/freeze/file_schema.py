"""The JSON Schema of a scenario file: editors use it to complete keys, explain them and mark what is wrong."""

from __future__ import annotations

from typing import Any

from taketwo.described import described_schema, values_within
from taketwo.freeze.format import ScenarioForm
from taketwo.freeze.typed import keys_of
from taketwo.value import JSON, Value


def file_schema() -> dict[str, Any]:
    """The schema of the form, with the keys as they are written in the file and no others allowed."""
    schema = described_schema(ScenarioForm)
    for kind in values_within(ScenarioForm):
        definition = schema["$defs"][kind.__name__]
        schema["$defs"][kind.__name__] = _as_written(kind, definition)
    return schema


def _as_written(kind: type[Value], definition: dict[str, Any]) -> dict[str, Any]:
    keys = keys_of(kind)
    return {
        **definition,
        "properties": {key: _plain(definition["properties"][field.encode_name]) for key, field in keys.items()},
        "required": [key for key, field in keys.items() if field.required],
        "additionalProperties": False,
    }


def _plain(schema: JSON) -> JSON:
    """Without defaults, which a file leaves out, and without what tells kinds apart in JSON: in a file a key does."""
    match schema:
        case dict():
            return {key: _plain(part) for key, part in schema.items() if key not in ("default", "discriminator")}
        case list():
            return [_plain(part) for part in schema]
        case _:
            return schema

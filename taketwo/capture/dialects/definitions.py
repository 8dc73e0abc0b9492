"""Tool definitions as providers and frameworks write them."""

from __future__ import annotations

import re
from functools import lru_cache

from taketwo.capture.dialects.loose_json import encoded, looks_like_json, loosely, text_of
from taketwo.conversation import ToolDefinition
from taketwo.value import JSON

LARGEST_KEPT = 65536
"""Characters of a list that is kept for the next span, which has the same tools."""


def read_definitions(value: JSON) -> tuple[ToolDefinition, ...]:
    """The tools in a list of any known shape, as text or not; what is no tool is left out."""
    return _kept(value) if isinstance(value, str) and len(value) <= LARGEST_KEPT else _read(value)


def named_tools(value: JSON) -> tuple[ToolDefinition, ...]:
    """The tools in a list of their names alone."""
    names = loosely(value)
    return tuple(ToolDefinition(name=one) for one in names if isinstance(one, str)) if isinstance(names, list) else ()


def _read(value: JSON) -> tuple[ToolDefinition, ...]:
    found: list[ToolDefinition] = []
    _collect(loosely(value), found)
    return tuple(found)


_kept = lru_cache(maxsize=256)(_read)


def _collect(value: JSON, found: list[ToolDefinition]) -> None:
    for item in value if isinstance(value, list) else [value]:
        item = loosely(item)
        if isinstance(item, str) and (rest := _cut_definition(item)) is not None:
            found.append(rest)
        if not isinstance(item, dict):
            continue
        nested = next((item[name] for name in _LISTS if isinstance(item.get(name), list)), None)
        if nested is not None:
            _collect(nested, found)
        elif (definition := _definition(item)) is not None:
            found.append(definition)


_NAME = re.compile(r'"name"\s*:\s*"([^"\\]+)"')
_DESCRIPTION = re.compile(r'"description"\s*:\s*("(?:[^"\\]|\\.)*")')


def _cut_definition(text: str) -> ToolDefinition | None:
    """What is left of a definition that a limit on the length of attributes cut off."""
    name = _NAME.search(text) if looks_like_json(text) else None
    if name is None:
        return None
    description = _DESCRIPTION.search(text)
    return ToolDefinition(name=name[1], description=text_of(encoded(description[1])) if description else None)


_LISTS = ("function_declarations", "functionDeclarations", "function_tools", "tools")
"""Names under which Gemini, Pydantic AI and others wrap the list."""

_SCHEMAS = (
    "parameters",
    "input_schema",
    "inputSchema",
    "parameters_json_schema",
    "parametersJsonSchema",
    "args_schema",
)


def _definition(item: dict[str, JSON]) -> ToolDefinition | None:
    for wrapper in ("tool", "toolSpec", "function", "data"):
        if isinstance(inner := item.get(wrapper), dict):
            item = inner
    if "name" not in item and (schema := loosely(item.get("json_schema"))) is not None:
        return _definition(schema) if isinstance(schema, dict) else _cut_definition(str(schema))
    name = text_of(item.get("name"))
    if name is None:
        return None
    parameters = loosely(next((item[key] for key in _SCHEMAS if item.get(key) is not None), None))
    if isinstance(parameters, dict) and set(parameters) <= {"json", "jsonSchema"} and parameters:
        parameters = next(iter(parameters.values()))
    parameters = parameters if isinstance(parameters, dict) else None
    return ToolDefinition(name=name, description=text_of(item.get("description")), parameters=parameters)

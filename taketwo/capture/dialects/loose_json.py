"""JSON as senders really write it: as text, cut off, encoded twice, or printed by Python."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

import msgspec

from taketwo.value import JSON, clean_json

LONGEST_LITERAL = 100_000
"""Longest Python repr that is parsed: the parser needs a multiple of its length in memory."""

_decode = msgspec.json.Decoder().decode
_elements = json.JSONDecoder()


class Unreadable(ValueError):
    """Text that is no JSON."""


def parse(text: str) -> JSON:
    """The value of a JSON text. Raises Unreadable."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _parse_leniently(text)


def _parse_leniently(text: str) -> JSON:
    """What Python writes and msgspec refuses: NaN, lone surrogates."""
    try:
        return clean_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def loosely(value: JSON) -> JSON:
    """The JSON value that a text holds if it holds an object or a list; every other value as it is."""
    if isinstance(value, str) and looks_like_json(value):
        try:
            return parse(value)
        except Unreadable:
            return value
    return value


def encoded(value: JSON) -> JSON:
    """The value of an attribute whose sender encodes everything, plain strings too; else as it is."""
    if isinstance(value, str):
        try:
            return parse(value)
        except Unreadable:
            return value
    return value


def looks_like_json(text: str) -> bool:
    """Whether a text begins like an object or a list."""
    return text.lstrip()[:1] in ("{", "[")


def is_cut(text: str) -> bool:
    """Whether a text begins like JSON but breaks off."""
    stripped = text.strip()
    if not looks_like_json(stripped):
        return False
    try:
        parse(stripped)
    except Unreadable:
        return python_literal(stripped) is None
    return False


def whole_elements(text: str) -> list[JSON]:
    """The complete elements at the beginning of a JSON list that was cut off."""
    position, found = text.find("[") + 1, []
    while 0 < position < len(text):
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        try:
            element, position = _elements.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        found.append(clean_json(element))
    return found


def python_literal(text: str) -> JSON:
    """The value of a Python repr, None when it is none."""
    if len(text) > LONGEST_LITERAL:
        return None
    try:
        return clean_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def as_object(value: JSON) -> dict[str, JSON] | None:
    """The object that a value or a text is, None when it is none."""
    found = loosely(value)
    if isinstance(found, str) and found.lstrip()[:1] == "{":
        found = python_literal(found.strip())
    return found if isinstance(found, dict) else None


def text_of(value: JSON) -> str | None:
    """A non-empty text, None for anything else."""
    return value if isinstance(value, str) and value else None


def number_of(value: JSON) -> int | None:
    """A count, also one that was sent as text; None for anything else."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return int(value) if value == value and abs(value) < 2**63 else None
        case str() if value.strip().isdecimal() and len(value) < 19:
            return int(value)
        case _:
            return None


def first_number(fields: Mapping[str, JSON], *names: str) -> int | None:
    """The first count there is under any of the names."""
    return next((count for name in names if (count := number_of(fields.get(name))) is not None), None)


def decimal_of(value: JSON) -> float | None:
    """A number, also one that was sent as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e300 else None

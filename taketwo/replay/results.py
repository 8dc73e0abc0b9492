"""What a tool gave back, read as a value: the JSON in a text, whether it is a failure, whether two of them agree."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from taketwo.canonical import canonical
from taketwo.conversation import Call
from taketwo.replay.ids import ids_in, is_id, is_nonce
from taketwo.value import JSON, same_json

FAILURE = re.compile(r"\s*\W{0,3}(?:error|exception|failed|failure|traceback)\b", re.IGNORECASE)
"""How texts begin with which tools tell of a failure where the capture says of none."""
EMPTY: tuple[Any, ...] = (None, "", [], {})
"""Results that say nothing, so that two of them being equal says nothing either."""


def parsed(result: JSON) -> JSON:
    """The JSON object or list that a text holds; the result itself where it holds none."""
    if not isinstance(result, str) or result[:1] not in ("{", "["):
        return result
    try:
        return msgspec.json.decode(result)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return result


def written_like(value: JSON, like: JSON) -> JSON:
    """The value as text where the other result is text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(like, str) and not isinstance(value, str) else value


def has_failed(call: Call) -> bool:
    """Whether a call changed nothing, because it was refused or broke, as far as its result says."""
    if call.error is not None:
        return True
    match parsed(call.result):
        case str() as text:
            return FAILURE.match(text) is not None
        case {"error": error} if error:
            return True
        case {"success": False} | {"ok": False} | {"status": "error" | "failed" | "failure"}:
            return True
        case _:
            return False


def agree(one: Call, other: Call) -> bool:
    """Whether two calls came back with the same, as JSON and in meaning."""
    if one.error != other.error:
        return False
    if one.result == other.result:
        return True
    first, second = parsed(one.result), parsed(other.result)
    return same_json(first, second) or canonical(first) == canonical(second)


def same_effect(one: Call, other: Call) -> bool:
    """Whether two writes with the same arguments did the same: what came back is equal but for ids and moments that the
    tool made up, such as a confirmation number.
    """
    if agree(one, other):
        return True
    if has_failed(one) or has_failed(other):
        return False
    given = frozenset(ids_in(one.arguments)) | frozenset(ids_in(other.arguments))
    return _same_but_made_up(canonical(parsed(one.result)), canonical(parsed(other.result)), "", given)


def _same_but_made_up(one: Any, other: Any, name: str, given: frozenset[str]) -> bool:
    """given: ids that were asked with, which nobody has made up."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(
                _same_but_made_up(one[key], other[key], key, given) for key in one
            )
        case list(), list():
            pairs = zip(one, other, strict=False)
            return len(one) == len(other) and all(_same_but_made_up(*pair, name, given) for pair in pairs)
        case _:
            return bool(one == other) or all(_is_made_up(side, name, given) for side in (one, other))


def _is_made_up(value: Any, name: str, given: frozenset[str]) -> bool:
    return (is_nonce(value) or is_id(name, value)) and str(value).strip().casefold() not in given

"""What the result of a call says: its value, whether it failed, and what a later call took from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from taketwo.conversation import Call
from taketwo.run import NO_ANSWER
from taketwo.value import JSON, in_words

_ERROR = re.compile(r"\s*(?:error|failed|failure|exception|traceback)\b", re.IGNORECASE)
_BAD = frozenset(("error", "failed", "failure", "denied", "rejected"))
_SHORTEST_CLUE = 3
"""A value of fewer characters may be anywhere by chance."""


def read_json(result: JSON) -> JSON:
    """What a text says that is JSON: captures keep results now as text, now as the value."""
    if isinstance(result, str) and result[:1] in ("{", "["):
        try:
            return json.loads(result)
        except (ValueError, RecursionError):
            return result
    return result


def failure(call: Call) -> str | None:
    """Why a call failed, as the agent read it; None where it succeeded, or nobody can tell.

    Many tools give an error as a result: a text that begins with `Error`, or an object that says so.
    """
    if call.error is not None:
        return call.error
    result = read_json(call.result)
    match result:
        case str() if _ERROR.match(result):
            return result
        case dict() if (error := result.get("error")) and error is not True:
            return error if isinstance(error, str) else in_words(error)
        case dict() if result.get("success") is False or result.get("ok") is False or _is_bad(result):
            return in_words(result)
        case _:
            return None


def vain(call: Call) -> str | None:
    """Why a call brought nothing about, as its tool said; None where it did, or where the replay had no answer."""
    return None if call.error is not None and NO_ANSWER in call.error else failure(call)


def takes_from(later: Call, earlier: Call) -> bool:
    """Whether an argument of the later call may come from the result of the earlier one.

    It may if the result holds the value, and the earlier call was not itself asked with it.
    """
    if earlier.result is None:
        return False
    result = earlier.result if isinstance(earlier.result, str) else json.dumps(earlier.result, ensure_ascii=False)
    known = set(_clues(earlier.arguments))
    return any(clue in result for clue in _clues(later.arguments) if clue not in known)


def _clues(value: JSON) -> Iterator[str]:
    """The values of arguments that are worth looking for."""
    match value:
        case dict():
            for item in value.values():
                yield from _clues(item)
        case list():
            for item in value:
                yield from _clues(item)
        case str() | int() | float() if not isinstance(value, bool):
            text = str(value)
            # A plain word is in many texts by chance; an id, a number or an address is not.
            if len(text) >= _SHORTEST_CLUE and not text.replace(" ", "").isalpha():
                yield text
        case _:
            return


def _is_bad(result: dict[str, JSON]) -> bool:
    status = result.get("status")
    return isinstance(status, str) and status.lower() in _BAD

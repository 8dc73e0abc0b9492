"""What the span around a whole run says: what the agent was asked and what it answered."""

from __future__ import annotations

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import encoded, looks_like_json, loosely, python_literal
from taketwo.capture.dialects.messages import read_messages
from taketwo.capture.reading import Message, Role
from taketwo.value import JSON

_ASKED = (
    "message",
    "input",
    "query",
    "question",
    "prompt",
    "text",
    "user_input",
    "user_message",
    "content",
    "inputs",
    "task",
)
_ANSWERED = ("output", "answer", "response", "reply", "result", "content", "text", "final_output", "outputs")
_LISTS = ("messages", "choices", "generations", "items", "contents", "candidates")
DEEPEST = 6


def asked(value: JSON) -> str | None:
    """The line of the user in what an agent was given; None where it is not plain which one it is."""
    return _words(value, "user", _ASKED, DEEPEST)


def answered(value: JSON) -> str | None:
    """The text in what an agent gave back; None where it is not plain which one it is."""
    return _words(value, "assistant", _ANSWERED, DEEPEST)


def history(value: JSON) -> tuple[Message, ...]:
    """The messages of a state or a list of messages; none where the value is neither."""
    found = _opened(value)
    if isinstance(found, dict) and isinstance(inner := found.get("outputs", found.get("inputs")), dict):
        found = inner
    if isinstance(found, dict) and not any(name in found for name in _LISTS):
        return ()
    return read_messages(found) if isinstance(found, dict | list) else ()


def _opened(value: JSON) -> JSON:
    """The value behind its encodings."""
    value = encoded(value) if isinstance(value, str) and value.startswith('"') else loosely(value)
    if isinstance(value, str) and looks_like_json(value):
        literal = python_literal(value)
        return literal if literal is not None else value
    return value


def _words(value: JSON, role: Role, names: tuple[str, ...], depth: int) -> str | None:
    value = _opened(value)
    if depth == 0 or value is None:
        return None
    if isinstance(value, str):
        return None if looks_like_json(value) or marks.why_hidden(value) or not value.strip() else value
    if isinstance(value, list):
        return _last(value, role)
    return _words_in(value, role, names, depth) if isinstance(value, dict) else None


def _words_in(value: dict[str, JSON], role: Role, names: tuple[str, ...], depth: int) -> str | None:
    if any(isinstance(value.get(name), list) for name in _LISTS) or "parts" in value or "role" in value:
        return _last(value, role)
    if set(value) >= {"args", "kwargs"}:
        arguments, named = value["args"], value["kwargs"]
        if isinstance(arguments, list) and arguments and isinstance(arguments[0], str):
            return arguments[0]
        return _words(named, role, names, depth - 1) if isinstance(named, dict) else None
    for name in names:
        if value.get(name) is not None:
            return _words(value[name], role, names, depth - 1)
    if len(value) == 1 and isinstance(only := next(iter(value.values())), str):
        return only if " " in only.strip() and not marks.why_hidden(only) else None  # one word is a key, not a line
    return None


def _last(value: JSON, role: Role) -> str | None:
    """The last message, if it is that speaker's."""
    messages = [message for message in read_messages(value, role) if message.role != "system"]
    spoken = [message for message in messages if message.role == role and message.text.strip()]
    return spoken[-1].text if spoken and not spoken[-1].flaw else None

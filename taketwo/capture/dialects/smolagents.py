"""Calls and results that smolagents tells its model in words, under the roles `tool-call` and `tool-response`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from taketwo.capture.dialects.loose_json import as_object, python_literal
from taketwo.capture.dialects.parts import read_call
from taketwo.capture.reading import Message, ToolCall, ToolResult

CALLING, OBSERVED, ERROR = "Calling tools:\n", "Observation:\n", "Error:\n"
_FAILED = re.compile(r"Error:\nError executing tool '([^']+)' with arguments (\{.*?\}): ", re.DOTALL)


def out_of_words(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with calls and results in place of the words for them.

    One observation tells the results of all calls of a step: of several it is left to the spans of the tools which
    result is whose.
    """
    found: list[Message] = []
    for message in messages:
        calls = _calls(message)
        if calls:
            found.append(message.but(text="", calls=calls))
        elif (told := _told(message)) is None:
            found.append(message)
        elif told.startswith(OBSERVED):
            asked = found[-1].calls if found else ()
            value = told.removeprefix(OBSERVED)
            result = ToolResult(id=asked[0].id if asked else None, value=value)
            found.append(message.but(results=(result,) if len(asked) < 2 else ()))
        else:
            found += _failed(told, message)
    return tuple(found)


def _calls(message: Message) -> tuple[ToolCall, ...]:
    if message.role != "assistant" or not message.text.startswith(CALLING):
        return ()
    listed = python_literal(message.text.removeprefix(CALLING))
    return tuple(read_call(one) for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _told(message: Message) -> str | None:
    value = message.results[0].value if len(message.results) == 1 and message.results[0].id is None else None
    return value if isinstance(value, str) and value.startswith((OBSERVED, ERROR)) else None


def _failed(told: str, message: Message) -> list[Message]:
    """The call that failed, which only the error's words tell of, and the error."""
    answer = message.but(results=(ToolResult(value=told, failed=True),))
    if (words := _FAILED.match(told)) is None:
        return [answer]
    call = ToolCall(name=words[1], arguments=as_object(python_literal(words[2])))
    return [Message(role="assistant", calls=(call,)), answer]

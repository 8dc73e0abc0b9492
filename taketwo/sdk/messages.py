"""What an agent is given and gives back, whatever its shape, as messages of OpenTelemetry's GenAI conventions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from taketwo.capture import wrapper
from taketwo.capture.dialects.marks import CUT
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.reading import Message, ToolCall, ToolResult
from taketwo.conversation import Attachment
from taketwo.replay.agents import AgentFailed
from taketwo.replay.agents.shapes import Said, read_said
from taketwo.replay.current import AskedCall
from taketwo.value import JSON, clean_json, clean_text

DEEPEST = 12
"""How deep objects inside of objects are looked into."""

LARGEST_BYTES = 16 * 1024 * 1024
"""Largest text that is sent whole: a run has two of them, and receivers take requests of 64 MiB."""

_FIELDS = (
    *("role", "type", "content", "text", "parts", "name", "id", "tool_call_id", "tool_calls", "function", "arguments"),
    *("messages", "input", "choices", "message"),
)
"""Attributes under which objects of foreign classes hold messages, or parts of them."""


class Given(NamedTuple):
    """What an agent was called with."""

    messages: tuple[Message, ...] | None
    """The messages without the instructions; None when it cannot be told what they are."""
    system: str | None
    """The instructions among the messages; None when there are none."""
    is_line: bool
    """Whether it was one text, not a list of messages."""


def read_given(given: object) -> Given:
    """What the user said and what was said before, in the argument that an agent was called with.

    A text is the user's line, a list the messages so far, None an agent that speaks first.
    """
    match given:
        case None:
            return Given((), None, False)
        case str():
            return Given((Message(role="user", text=clean_text(given)),), None, True)
    opened = _opened(given, DEEPEST)
    messages, system = without_system(read_messages(opened))
    if messages or system is not None or opened == []:
        return Given(messages, system, False)
    line = wrapper.asked(opened)
    return Given((Message(role="user", text=line),) if line else None, system, line is not None)


def read_reply(reply: object) -> tuple[Message, ...] | None:
    """The agent's reply as a replay reads it; None for what is no reply."""
    try:
        said = read_said(reply)
    except AgentFailed:
        return None
    text = said.text or ""
    if not said.calls:
        return _words(text)
    calls = tuple(_asked(call) for call in said.calls)
    results = _results(said)
    if len(results) < len(calls):
        return (Message(role="assistant", text=text, calls=calls), *results)
    # Who brings all results has come to the end of the turn: what it says it says after them.
    return (Message(role="assistant", calls=calls), *results, *_words(text))


def read_appended(items: Sequence[object]) -> tuple[Message, ...]:
    """What an agent added to the list of messages that it was given; nothing where it is not its own doing."""
    messages = tuple(one for one in read_messages(_opened(items, DEEPEST)) if one.role != "system")
    return messages if all(message.role in ("assistant", "tool") for message in messages) else ()


def joined(appended: tuple[Message, ...], reply: tuple[Message, ...]) -> tuple[Message, ...]:
    """What was added to the list, and the reply unless it is the last of that."""
    if reply and [_essence(m) for m in appended[-len(reply) :]] == [_essence(m) for m in reply]:
        return appended
    return (*appended, *reply)


def as_attribute(messages: Iterable[Message], finish: str | None = None) -> str:
    """The messages as the JSON text of an attribute. finish: why the last one ended, for what an agent gave back."""
    written = [_written(message) for message in messages]
    if finish is not None and written:
        written[-1]["finish_reason"] = finish
    return limited(json.dumps(written, ensure_ascii=False))


def instructions(text: str) -> str:
    """Instructions as the JSON text of an attribute."""
    return limited(json.dumps([{"type": "text", "content": text}], ensure_ascii=False))


def limited(text: str) -> str:
    """The text, cut with a mark where it is longer than can be sent."""
    if len(text) * 4 <= LARGEST_BYTES or len(text.encode()) <= LARGEST_BYTES:
        return text
    return f"{text.encode()[:LARGEST_BYTES].decode(errors='ignore')} [truncated]"


def _opened(value: object, depth: int) -> JSON:
    """A value with the objects in it as what they hold."""
    match value:
        case None | str() | bool() | int() | float():
            return clean_json(value)
        case _ if depth <= 0:
            return None
        case Mapping():
            return {clean_text(str(key)): _opened(item, depth - 1) for key, item in value.items()}
        case list() | tuple():
            return [_opened(item, depth - 1) for item in value]
    if hasattr(value, "model_dump"):
        return clean_json(value)
    fields = {name: getattr(value, name) for name in _FIELDS if hasattr(value, name)}
    return {name: _opened(item, depth - 1) for name, item in fields.items()}


def _asked(call: AskedCall) -> ToolCall:
    if call.arguments_text is not None:
        return ToolCall(name=call.tool, id=call.call_id, text=call.arguments_text)
    return ToolCall(name=call.tool, id=call.call_id, arguments=call.arguments)


def _results(said: Said) -> tuple[Message, ...]:
    return tuple(
        Message(role="tool", results=(ToolResult(id=said.calls[place].call_id, value=result),))
        for place, result in said.results.items()
    )


def _words(text: str) -> tuple[Message, ...]:
    return (Message(role="assistant", text=text),) if text else ()


def _essence(message: Message) -> tuple[Any, ...]:
    return message.role, message.text.strip(), [(call.name, call.arguments, call.text) for call in message.calls]


def _written(message: Message) -> dict[str, JSON]:
    """The message in the form of the conventions."""
    parts: list[dict[str, JSON]] = []
    if message.reasoning:
        parts.append({"type": "reasoning", "content": message.reasoning})
    if message.text or message.flaw:
        parts.append(_text(message))
    parts += [_attachment(attachment) for attachment in message.attachments]
    parts += [_call(call) for call in message.calls]
    parts += [_result(result) for result in message.results]
    return {"role": message.role, "parts": parts}


def _text(message: Message) -> dict[str, JSON]:
    """A text; one that was hidden or cut before it came to the agent is marked so."""
    if message.flaw is None:
        return {"type": "text", "content": message.text}
    return {"type": "text", "content": f"{message.text} [truncated]" if message.flaw == CUT else "[redacted]"}


def _call(call: ToolCall) -> dict[str, JSON]:
    arguments = call.arguments if call.arguments is not None else call.text
    return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments}


def _result(result: ToolResult) -> dict[str, JSON]:
    written = {"type": "tool_call_response", "id": result.id, "response": result.value}
    return written if result.failed is None else {**written, "is_error": result.failed}


def _attachment(attachment: Attachment) -> dict[str, JSON]:
    """An image or a file: its bytes where the agent was given them, else its address."""
    described: dict[str, JSON] = {"modality": attachment.kind, "mime_type": attachment.media_type}
    head, comma, data = (attachment.url or "").partition(";base64,")
    if comma and head.startswith("data:"):
        return {"type": "blob", **described, "mime_type": head.removeprefix("data:"), "content": data}
    return {"type": "uri", **described, "uri": attachment.url}

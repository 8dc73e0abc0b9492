"""Messages in the shapes of every provider and framework, read into the house's own.

OpenAI chat and Responses, Anthropic, Bedrock, Gemini, LangChain, AI SDK, LiveKit, the parts of OpenTelemetry and the
older events differ in names and nesting, hardly in meaning, and they never contradict each other: one reader knows
them all, so that a convention need not know whose messages it carries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import msgspec

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import Unreadable, loosely, parse, text_of
from taketwo.capture.dialects.parts import Draft, add_part, read_call, read_result, result_value
from taketwo.capture.reading import Evidence, Message, Role
from taketwo.value import JSON

DEEPEST = 12
"""How many wrappers around a message are looked through."""

SHORTEST_LIST = 2_000
"""Letters of a list whose beginning is looked for among those that were read before."""

MOST_LISTS, MOST_LETTERS = 32, 2_000_000
"""How many lists are kept, and how long they are in all: of talks that go on at the same time, each has one."""

LARGEST_KEPT = 4096
"""Bytes of a message that is kept for the next span."""

ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "customer": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "toolmessage": "tool",
    "function": "tool",
    "functionmessage": "tool",
    "observation": "tool",
    "tool-call": "assistant",
    "tool-response": "tool",
    "system": "system",
    "systemmessage": "system",
    "developer": "system",
}


def read_messages(value: JSON, role: Role = "user") -> tuple[Message, ...]:
    """The messages in a value of any known shape; `role` is whose words a bare text is."""
    if isinstance(value, str) and value.startswith("["):
        listed = messages_in_list(value, role)
        if listed is not None:
            return listed
    found: list[Message] = []
    _collect(loosely(value), role, found, DEEPEST)
    return tuple(found)


def messages_in_list(text: str, role: Role) -> tuple[Message, ...] | None:
    """The messages in the text of a JSON list, None where it is none.

    Every request repeats the ones before it, so most elements were read already, and most lists but for their end.
    """
    before, begin = _read_before(text, role)
    try:
        elements = _elements("[" + text[begin:] if begin else text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    if begin and not elements:
        return None  # a comma and nothing after it
    found = list(before.messages) if before is not None else []
    for element in elements:
        raw = bytes(element)
        found.extend(_kept(raw, role) if len(raw) <= LARGEST_KEPT else _in_element(raw, role))
    listed = tuple(found)
    if len(text) >= SHORTEST_LIST:
        _keep(_Read(text.rstrip()[:-1].rstrip(), role, listed), before)
    return listed


def _read_before(text: str, role: Role) -> tuple[_Read | None, int]:
    """What was read of the beginning of a list, and where the rest of it begins; None and 0 where nothing was."""
    if len(text) >= SHORTEST_LIST:
        for read in _lists.copy():
            if read.role == role and text.startswith(read.beginning):
                end = len(text) - len(text[len(read.beginning) :].lstrip())
                if text[end : end + 1] == ",":
                    return read, end + 1
    return None, 0


class _Read(NamedTuple):
    """A list that was read."""

    beginning: str
    """All but the bracket at its end: after it a comma is between two elements."""
    role: Role
    messages: tuple[Message, ...]


_lists: deque[_Read] = deque()
"""The lists read last."""


def _keep(read: _Read, goes_on_from: _Read | None) -> None:
    """Keep a list in place of the one that it repeats, and forget those read longest ago where it is too much."""
    with suppress(ValueError, IndexError):  # other threads keep theirs here, too
        _lists.appendleft(read)
        if goes_on_from is not None:
            _lists.remove(goes_on_from)
        while len(_lists) > MOST_LISTS or (
            len(_lists) > 1 and sum(len(one.beginning) for one in _lists) > MOST_LETTERS
        ):
            _lists.pop()


_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _in_element(raw: bytes, role: Role) -> tuple[Message, ...]:
    found: list[Message] = []
    _collect(parse(raw.decode()), role, found, DEEPEST - 1)
    return tuple(found)


_kept = lru_cache(maxsize=4096)(_in_element)


def without_system(messages: Iterable[Message] | None) -> tuple[tuple[Message, ...] | None, str | None]:
    """The messages without the instructions, and the instructions; None where there are none."""
    if messages is None:
        return None, None
    every = tuple(messages)
    instructions = [message.text for message in every if message.role == "system"]
    if not instructions:
        return every, None
    talk = tuple(message for message in every if message.role != "system")
    return talk, "\n".join(text for text in instructions if text) or None


def told(
    request: tuple[Message, ...] | None,
    request_rule: str,
    response: tuple[Message, ...] | None,
    response_rule: str,
    *,
    rich: Evidence,
) -> dict[str, object]:
    """The fields of a reading that say what a model was given and gave; `rich` is what the messages were found in."""
    talk, system = without_system(request)
    return {
        "evidence": "nothing" if request is None and response is None else rich,
        "request": talk,
        "request_rule": request_rule,
        "response": response,
        "response_rule": response_rule,
        "system": system,
    }


def instructions(value: JSON) -> str | None:
    """The text of instructions that came as text, as parts or as messages."""
    value = loosely(value)
    if isinstance(value, dict) and "parts" in value:
        value = value["parts"]
    texts = [_instruction(item) for item in (value if isinstance(value, list) else [value])]
    joined = "\n".join(text for text in texts if text)
    return None if not joined or marks.why_hidden(joined) else joined


def _instruction(item: JSON) -> str:
    if isinstance(item, dict):
        inner = item.get("content", item.get("text", item.get("parts")))
        return instructions(inner) or "" if inner is not None else ""
    return item if isinstance(item, str) else ""


def _collect(value: JSON, role: Role, found: list[Message], depth: int) -> None:
    """Add the messages of a value, looking through lists and wrappers."""
    if depth == 0 or value is None:
        return
    if isinstance(value, str):
        found.append(_bare(value, role))
    elif isinstance(value, list):
        for item in value:
            _collect(item, role, found, depth - 1)
    elif isinstance(value, dict):
        item = _unwrapped(value)
        inner = _inner_messages(item)
        if inner is not None:
            _collect(inner, role, found, depth - 1)
        elif (message := _message(item, role)) is not None:
            found.append(message)


def _bare(text: str, role: Role) -> Message:
    if flaw := marks.why_hidden(text):
        return Message(role=role, flaw=flaw)
    return Message(role=role, text=text)


def _unwrapped(item: dict[str, JSON]) -> dict[str, JSON]:
    """The message inside LangChain's and other envelopes."""
    if isinstance(kwargs := item.get("kwargs"), dict) and item.get("type") == "constructor":
        names = item.get("id")
        name = names[-1] if isinstance(names, list) and names else ""
        return {"type": name, **kwargs} if "type" not in kwargs else kwargs
    if isinstance(data := item.get("data"), dict) and isinstance(item.get("type"), str):
        return {"type": item["type"], **data}
    if isinstance(message := item.get("message"), dict) and "role" not in item:
        return _unwrapped(message)
    if isinstance(update := item.get("update"), dict):
        return update
    return item


def _inner_messages(item: dict[str, JSON]) -> JSON:
    """What holds the messages where the item is a request, a response or a state; None where it is a message."""
    if ("role" in item and not isinstance(item.get("messages"), list)) or item.get("type") in _ITEMS:
        return None
    for name in ("messages", "choices", "generations", "output", "items", "contents", "candidates", "input", "replies"):
        if isinstance(inner := item.get(name), list) and not (name == "contents" and "parts" in item):
            return inner
    if isinstance(content := item.get("content"), dict) and ("parts" in content or "role" in content):
        return content
    return None


_ITEMS = {
    "function_call",
    "custom_tool_call",
    "mcp_call",
    "function_call_output",
    "custom_tool_call_output",
    "reasoning",
}
"""Items of the Responses API that are messages of their own."""


def _message(item: dict[str, JSON], role: Role) -> Message | None:
    """A message, or one item of the Responses API and of LiveKit; None for what is neither."""
    match item.get("type"):
        case "function_call" | "custom_tool_call" | "mcp_call":
            return Message(role="assistant", calls=(read_call(item),))
        case "function_call_output" | "custom_tool_call_output":
            return Message(role="tool", results=(read_result(item, item.get("output")),))
        case "reasoning":
            return Message(role="assistant", reasoning=_reasoning(item))
        case "agent_handoff" | "agent_config_update" | "item_reference" | "cache_breakpoint":
            return None
    speaker = _speaker(item, role)
    if speaker == "tool" and not _has_result_parts(item):
        return _tool_message(item)
    draft = Draft(role=speaker)
    _add_content(item, draft)
    _add_calls(item, draft)
    return draft.message() if draft.is_something or "role" in item else None


def _speaker(item: dict[str, JSON], role: Role) -> Role:
    for name in ("role", "type", "from"):
        if isinstance(word := item.get(name), str) and (known := ROLES.get(word.lower())):
            return known
    if isinstance(event := item.get("event.name"), str) and event.startswith("gen_ai."):
        return ROLES.get(event.split(".")[1], "assistant")
    return role if "role" not in item else "system"


def _content(item: dict[str, JSON]) -> JSON:
    for name in ("parts", "content", "contents", "text", "value"):
        if (content := item.get(name)) is not None:
            return content
    return None


def _add_content(item: dict[str, JSON], draft: Draft) -> None:
    content = _content(item)
    if isinstance(content, str) and content[:2] in ("[{", '["'):
        content = _parts_in_text(content)
    if isinstance(content, str):
        draft.add_text(content)
    else:
        for part in _listed(content):
            add_part(part, draft)
    if isinstance(refusal := item.get("refusal"), str) and not draft.texts:
        draft.add_text(refusal)
    if thinking := text_of(item.get("reasoning_content")) or text_of(item.get("reasoning")):
        draft.reasoning.append(thinking)


def _parts_in_text(content: str) -> JSON:
    """The parts that a content is when it was encoded once more; a text that merely looks like JSON stays one."""
    try:
        parts = parse(content)
    except Unreadable:
        return content
    known = ("type", "text", "toolUse", "toolResult", "image", "reasoningContent")
    if all(isinstance(part, dict) and any(name in part for name in known) for part in parts):
        only_text = all(set(part) <= {"type", "text"} and isinstance(part.get("text"), str) for part in parts)
        uses_parts = any(part.get("type") in PART_TYPES or set(part) & set(known[2:]) for part in parts)
        return parts if uses_parts or (only_text and parts) else content
    return content


PART_TYPES = {"text", "image_url", "image", "input_text", "output_text", "tool_use", "tool_result", "tool-call"}


def _add_calls(item: dict[str, JSON], draft: Draft) -> None:
    """Tool calls that stand beside the content."""
    if draft.role == "assistant" or item.get("tool_calls"):
        known = {call.id for call in draft.calls if call.id}
        extra = item.get("additional_kwargs")
        calls = item.get("tool_calls") or (extra.get("tool_calls") if isinstance(extra, dict) else None)
        for call in _listed(loosely(calls)):
            if isinstance(call, dict) and (read := read_call(call)).id not in known:
                draft.calls.append(read)
        if isinstance(legacy := item.get("function_call"), dict) and not draft.calls and legacy.get("name"):
            draft.calls.append(read_call(legacy))
        if name := text_of(item.get("function_call_name")):
            draft.calls.append(read_call({"name": name, "arguments": item.get("function_call_arguments_json")}))


_RESULTS = frozenset({"toolResult", "function_response", "toolResponse", "tool_call_result"})
"""Parts with such a key bring a result."""


def _has_result_parts(item: dict[str, JSON]) -> bool:
    content = _content(item)
    if isinstance(content, str) and content[:2] == "[{" and "toolResult" in content:
        content = _parts_in_text(content)
    results = ("tool_result", "tool_call_response", "tool-result")
    return isinstance(content, list | dict) and any(
        isinstance(part, dict) and (part.get("type") in results or not _RESULTS.isdisjoint(part))
        for part in _listed(content)
    )


def _tool_message(item: dict[str, JSON]) -> Message:
    """A message of role tool whose whole content is the result."""
    content = next(
        (item[name] for name in ("content", "parts", "contents", "text") if item.get(name) is not None), None
    )
    in_parts = isinstance(content, dict) and bool(content) and all(isinstance(key, int) for key in content)
    value = result_value(_listed(content) if in_parts else content)
    return Message(role="tool", results=(read_result(item, value),))


def _reasoning(item: dict[str, JSON]) -> str:
    texts = [
        part.get("text")
        for part in _listed(item.get("summary")) + _listed(item.get("content"))
        if isinstance(part, dict)
    ]
    return "\n".join(text for text in texts if isinstance(text, str))


def _listed(value: JSON) -> list[JSON]:
    """A list as it is, a family with numbers for keys in their order, anything else alone, None as nothing."""
    if value is None:
        return []
    if isinstance(value, dict) and value and all(isinstance(key, int) for key in value):
        return [value[key] for key in sorted(value)]
    return value if isinstance(value, list) else [value]

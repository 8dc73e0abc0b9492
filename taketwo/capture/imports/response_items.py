"""Items of OpenAI's Responses API, and LiveKit's of the same build, as messages in OpenAI chat form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from taketwo.capture.chat_messages import usual_spelling
from taketwo.capture.chat_parts import content_of, text_and_attachments
from taketwo.value import JSON

_SILENT: Final = ("reasoning", "item_reference", "compaction", "mcp_list_tools")
"""Types of items that nobody says or does, and that separate nothing from what stands around them."""


class ItemMessage(NamedTuple):
    """A message and the item that it begins with."""

    message: dict[str, JSON]
    """The message in our own spelling."""
    item_index: int
    """Position of its first item."""
    failed: bool = False
    """Whether the result that it is is marked as an error."""
    calls: Mapping[str, int] = {}
    """Positions of the items of its calls, by the calls' ids."""


def item_messages(items: Sequence[JSON]) -> list[ItemMessage]:
    """The messages of items: what the model says and the calls that follow it are one.

    Items that are no message, call or result become messages of no role, which a conversation keeps with a gap.
    """
    found: list[ItemMessage] = []
    for index, item in enumerate(items):
        for each in _messages(index, item):
            if found and _goes_on(found[-1].message, each.message):
                found[-1] = _joined(found[-1], each)
            else:
                found.append(each)
    return found


def is_silent(item: JSON) -> bool:
    """Whether the item is no part of the talk and of no interest to it, such as the model's thinking."""
    return isinstance(item, dict) and item.get("type") in _SILENT


def _messages(index: int, item: JSON) -> Iterator[ItemMessage]:
    match item:
        case str():
            yield ItemMessage({"role": "user", "content": item}, index)
        case _ if is_silent(item):
            return
        case {"type": "function_call" | "custom_tool_call", "name": str()}:
            yield _call(index, item)
        case {"type": "function_call_output" | "custom_tool_call_output"}:
            yield _result(index, item.get("call_id"), item.get("output"), failed=item.get("is_error") is True)
        case {"type": "mcp_call", "name": str()}:
            yield _call(index, {**item, "call_id": item.get("id")})
            error = item.get("error")
            if (given := item.get("output") if error is None else error) is not None:
                yield _result(index, item.get("id"), given, failed=error is not None)
        case {"type": str(kind)} if kind.endswith("_call"):
            yield from _hosted(index, kind.removesuffix("_call"), item)
        case {"role": "user" | "assistant" | "system" | "developer" as role}:
            yield ItemMessage({"role": role, "content": _content(item.get("content"))}, index)
        case _:
            yield ItemMessage({"role": "unknown", "item": item}, index)


def _call(index: int, item: dict[str, JSON]) -> ItemMessage:
    given = item.get("arguments", item.get("input"))
    arguments = given if isinstance(given, str) else usual_spelling({} if given is None else given)
    call_id = item.get("call_id")
    call = {"type": "function", "function": {"name": item["name"], "arguments": arguments}}
    named = {"id": call_id, **call} if isinstance(call_id, str) else call
    places = {call_id: index} if isinstance(call_id, str) else {}
    return ItemMessage({"role": "assistant", "content": None, "tool_calls": [named]}, index, calls=places)


def _result(index: int, call_id: JSON, given: JSON, *, failed: bool = False) -> ItemMessage:
    content = _content(given) if isinstance(given, list) else given
    content = content if isinstance(content, str | list) else usual_spelling(content)
    named = {"tool_call_id": call_id} if isinstance(call_id, str) else {}
    return ItemMessage({"role": "tool", **named, "content": content}, index, failed)


def _hosted(index: int, tool: str, item: dict[str, JSON]) -> Iterator[ItemMessage]:
    """A tool that the provider ran by itself, such as its search of the web."""
    known = ("action", "queries", "code")
    arguments = {name: item[name] for name in known if item.get(name) is not None}
    yield _call(index, {"name": tool, "call_id": item.get("id"), "arguments": arguments})
    given = item.get("results") or item.get("outputs") or item.get("result")
    if given is not None:
        yield _result(index, item.get("id"), usual_spelling(given) if isinstance(given, list) else given)


def _content(content: JSON) -> JSON:
    parts = [_chat_part(part) for part in content] if isinstance(content, list) else content
    text, attachments = text_and_attachments(parts)
    if text is None and not attachments:
        return None if content is None else ""
    shown = content_of(text or "", attachments)
    # A part that cannot be shown again, such as an image without its bytes, still has to be known of.
    return parts if attachments and not isinstance(shown, list) else shown


def _chat_part(part: JSON) -> JSON:
    """The part as chats spell it."""
    match part:
        case {"type": "input_image", "image_url": str(url)} | {"type": "image_content", "image": str(url)}:
            return {"type": "image_url", "image_url": {"url": url}}
        case {"type": "input_file", "file_data": str(data)}:
            return {"type": "file", "file": {"file_data": data}}
        case {"type": "instructions", "audio": str(text)} | {"type": "audio_content", "transcript": str(text)}:
            return {"type": "text", "text": text}
        case _:
            return part


def _goes_on(last: dict[str, JSON], each: dict[str, JSON]) -> bool:
    """Whether these are one message of the model's: calls side by side, and words before or after them."""
    if last["role"] != "assistant" or each["role"] != "assistant":
        return False
    return last["content"] is None or each["content"] is None


def _joined(last: ItemMessage, each: ItemMessage) -> ItemMessage:
    content = last.message["content"] if each.message["content"] is None else each.message["content"]
    calls = [*last.message.get("tool_calls", ()), *each.message.get("tool_calls", ())]
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return last._replace(message=message, calls={**last.calls, **each.calls})

"""Chats in OpenAI form in files: a record a conversation, with `messages` in it, or a conversation's messages alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from taketwo.capture.chat_messages import conversation_from_messages
from taketwo.capture.imports.chat_facts import Ids, open_questions
from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.imports.json_records import Record, elements, json_records, read_each, record_keys
from taketwo.conversation import Agent, Conversation, Outcome, ToolDefinition
from taketwo.errors import TraceUnreadable
from taketwo.value import JSON

_READ_KEYS: Final = frozenset({"id", "messages", "model", "reward"})


def reads(head: bytes) -> bool:
    """Whether a file that begins so holds chats in OpenAI form."""
    keys = record_keys(head)
    return "messages" in keys or ("role" in keys and bool(keys & {"content", "tool_calls"}))


def read(stream: BinaryIO) -> Iterator[Imported]:
    """The conversations of the file; one that repeats another's id with other content gets an id of its own."""
    ids = Ids("chat")
    return read_each(_chats(stream), lambda record: _conversation(record.value, ids))


def _chats(stream: BinaryIO) -> Iterator[Record | Unread]:
    for record in json_records(stream):
        if isinstance(record, Unread) or _are_messages(record.value):
            yield record
        else:
            yield from elements(record)


def _are_messages(value: JSON) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and "role" in item for item in value)


def _conversation(value: JSON, ids: Ids) -> Conversation:
    record = {"messages": value} if _are_messages(value) else value
    if not isinstance(record, dict) or not _are_messages(record.get("messages")):
        raise TraceUnreadable("this is no chat: it has no messages with roles")
    model = record.get("model")
    tools = _tools(record.get("tools", record.get("functions")))
    said = {*_READ_KEYS, "tools"} if _spelled(tools) == record.get("tools") else _READ_KEYS
    conversation = conversation_from_messages(
        record["messages"],
        id=ids.of(record.get("id"), record),
        agent=Agent(model=model if isinstance(model, str) else None, tools=tools),
        outcome=Outcome(scores={"reward": record["reward"]} if "reward" in record else {}),
        metadata={key: item for key, item in record.items() if key not in said},
    )
    return conversation.but(gaps=(*open_questions(conversation), *conversation.gaps))


def _tools(given: JSON) -> tuple[ToolDefinition, ...]:
    return tuple(tool for item in given if (tool := _tool(item))) if isinstance(given, list) else ()


def _tool(item: JSON) -> ToolDefinition | None:
    match item:
        case {"type": "function", "function": {"name": str(name)} as function} | ({"name": str(name)} as function):
            description = function.get("description")
            return ToolDefinition(
                name=name,
                description=description if isinstance(description, str) else None,
                parameters=function.get("parameters"),
            )
        case _:
            return None


def _spelled(tools: Sequence[ToolDefinition]) -> list[JSON]:
    """The definitions in OpenAI's spelling: where a record has just that, they say all of it."""
    fields = ("name", "description", "parameters")
    return [
        {"type": "function", "function": {name: said for name in fields if (said := getattr(tool, name)) is not None}}
        for tool in tools
    ]

"""Chats in OpenAI form in files: what the record says beside the messages, and whose conversation it is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from taketwo.capture.chat_messages import messages_of
from taketwo.capture.imports import openai_chat, read_file
from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Conversation

HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
GET_ORDER = {"name": "get_order", "description": "Find it.", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": GET_ORDER}


def read(*records: Any) -> list[Any]:
    text = "\n".join(json.dumps(record) for record in records)
    return list(openai_chat.read(io.BytesIO(text.encode())))


def read_one(record: Any) -> Conversation:
    (found,) = read(record)
    assert isinstance(found, Conversation)
    return found


def wheres(conversation: Conversation) -> list[str]:
    return [gap.where for gap in conversation.gaps]


def test_what_the_record_says_has_its_place() -> None:
    conversation = read_one(
        {"id": 7, "task_id": 3, "trial": 0, "reward": 1.0, "model": "gpt-4o", "messages": HELLO, "tools": [TOOL]}
    )
    assert conversation.id == "7"
    assert conversation.agent.model == "gpt-4o"
    assert conversation.agent.tools[0].parameters == {"type": "object"}
    assert conversation.outcome.scores == {"reward": 1.0}
    assert conversation.metadata == {"task_id": 3, "trial": 0}
    assert wheres(conversation) == ["turns"]
    assert messages_of(conversation) == HELLO


def test_the_fine_tuning_form_says_less_and_has_gaps() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "get_order", "arguments": "{}"}}
    messages = [
        *HELLO,
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "lost"},
    ]
    assert wheres(read_one({"messages": messages})) == ["turns", "agent.model", "agent.tools"]
    assert wheres(read_one({"messages": messages, "tools": [TOOL]})) == ["turns", "agent.model"]


@pytest.mark.parametrize(
    "tools",
    [
        [{**TOOL, "strict": True}],
        [{"name": "get_order", "parameters": {}}],
        [TOOL, {"type": "web_search"}],
        "none",
        [{"type": "function", "function": {"name": "get_order", "description": None}}],
    ],
)
def test_a_list_of_tools_that_definitions_cannot_hold_is_kept_beside_them(tools: Any) -> None:
    conversation = read_one({"messages": HELLO, "tools": tools})
    assert conversation.metadata["tools"] == tools
    assert [tool.name for tool in conversation.agent.tools] == (["get_order"] if tools != "none" else [])


def test_the_functions_of_older_files_are_tools() -> None:
    conversation = read_one({"messages": HELLO, "functions": [GET_ORDER]})
    assert [tool.description for tool in conversation.agent.tools] == ["Find it."]
    assert conversation.metadata["functions"] == [GET_ORDER]


def test_a_record_without_an_id_has_the_same_one_at_every_import() -> None:
    assert read_one({"messages": HELLO}).id == read_one({"messages": HELLO}).id
    assert read_one({"messages": HELLO}).id != read_one({"messages": HELLO, "trial": 1}).id


def test_an_id_that_two_records_share_does_not_make_one_overwrite_the_other() -> None:
    first, again, other = read(
        {"id": "a", "messages": HELLO}, {"id": "a", "messages": HELLO}, {"id": "a", "messages": HELLO[:1]}
    )
    assert first == again
    assert first.id == "a"
    assert other.id.startswith("a-")


@pytest.mark.parametrize("build", [lambda chats: chats, lambda chats: [chats], lambda chats: [chats[0]["messages"]]])
def test_lines_an_array_and_bare_messages_are_read_alike(build: Any) -> None:
    records: Iterable[Any] = build([{"messages": HELLO}])
    (found,) = read(*records)
    assert messages_of(found) == HELLO


def test_bare_messages_may_stand_in_a_document_of_many_lines() -> None:
    (found,) = openai_chat.read(io.BytesIO(json.dumps(HELLO, indent=2).encode()))
    assert isinstance(found, Conversation)
    assert messages_of(found) == HELLO


@pytest.mark.parametrize(
    "record", [7, "text", {}, {"messages": []}, {"messages": "Hi"}, {"messages": [{"text": "Hi"}]}, {"messages": None}]
)
def test_a_record_without_messages_is_named_and_the_others_are_read(record: Any) -> None:
    good, bad, last = read({"messages": HELLO}, record, {"messages": HELLO})
    assert bad == Unread(where="line 2", why="this is no chat: it has no messages with roles")
    assert good == last


def test_a_result_of_five_megabytes_and_a_conversation_without_a_user_are_read() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "dump", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x" * 5_000_000},
    ]
    conversation = read_one({"messages": messages})
    assert [turn.user for turn in conversation.turns] == [None]
    assert messages_of(conversation) == messages


def test_what_no_file_of_ours_can_hold_becomes_what_it_can() -> None:
    line = b'{"id": "\\ud800", "messages": [{"role": "user", "content": "\\udfff!", "n": NaN}]}'
    (conversation,) = openai_chat.read(io.BytesIO(line))
    assert isinstance(conversation, Conversation)
    assert conversation.id == "\ufffd"
    assert messages_of(conversation) == [{"role": "user", "content": "\ufffd!", "n": "nan"}]
    assert Conversation.from_json(conversation.to_json()) == conversation


def test_the_airline_conversations_are_read_whole(shared_data: Path) -> None:
    path = shared_data / "airline" / "conversations.jsonl"
    given = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = list(read_file(path))
    assert len(found) == 100
    for record, conversation in zip(given, found, strict=True):
        assert isinstance(conversation, Conversation)
        assert messages_of(conversation) == record["messages"]
        assert conversation.id == record["id"]
        assert conversation.outcome.scores == {"reward": record["reward"]}
        assert conversation.metadata["trial"] == record["trial"]
        assert wheres(conversation) == ["turns", *(["agent.tools"] if any(conversation.calls()) else [])]

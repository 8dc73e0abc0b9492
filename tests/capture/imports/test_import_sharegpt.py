"""ShareGPT: tool calls and results in every form in which training sets have them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, read, sample

from taketwo.capture.chat_messages import messages_of
from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Call, Conversation, Gap, Say


def one(*turns: tuple[str, Any], **record: Any) -> Conversation:
    made = {"conversations": [{"from": who, "value": value} for who, value in turns], **record}
    (found,) = read("sharegpt", json.dumps(made).encode())
    assert isinstance(found, Conversation)
    return found


@pytest.mark.parametrize("name", ["sharegpt.json", "sharegpt-hermes.jsonl"])
def test_both_forms_tell_the_whole_story(name: str) -> None:
    conversation = sample("sharegpt", name)
    assert_is_the_story(conversation, errors_are_marked=False)
    assert [tool.name for tool in conversation.agent.tools] == [
        "get_order",
        "get_shipment",
        "issue_refund",
        "search_policy",
    ]
    assert conversation.agent.system_prompt is not None
    assert conversation.agent.system_prompt.startswith("You are ACME's support agent.")
    assert [gap.where for gap in conversation.gaps] == ["turns", "agent.model"]
    body = (SAMPLES / name).read_bytes()
    assert read("sharegpt", body) == read("sharegpt", body)


def test_what_is_read_goes_on_as_a_chat() -> None:
    roles = [message["role"] for message in messages_of(sample("sharegpt", "sharegpt.json"))]
    assert roles[:6] == ["system", "user", "assistant", "tool", "tool", "assistant"]


def test_a_step_names_its_place() -> None:
    call = next(sample("sharegpt", "sharegpt.json").calls())[2]
    assert call.source is not None
    assert (call.source.rule, call.source.place) == ("sharegpt", "conversations[1]")


@pytest.mark.parametrize("names", [("human", "gpt"), ("user", "assistant"), ("Human", "chatgpt"), ("user", "model")])
def test_speakers_have_many_names(names: tuple[str, str]) -> None:
    conversation = one((names[0], "Hi"), (names[1], "Hello"))
    assert [(turn.user.text if turn.user else None, turn.reply) for turn in conversation.turns] == [("Hi", "Hello")]


def test_words_around_calls_in_tags_are_said() -> None:
    text = (
        'One moment.\n<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>\n<tool_call>{"name": "g"}</tool_call>'
    )
    results = "<tool_response>\n1\n</tool_response>\n<tool_response>2</tool_response>"
    (turn,) = one(("human", "Hi"), ("gpt", text), ("tool", results)).turns
    said, first, second = turn.steps
    assert (said, first, second) == (
        Say(text="One moment.", source=said.source),
        Call(call_id=None, tool="f", arguments={"x": 1}, result="1", source=first.source),
        Call(call_id=None, tool="g", result="2", source=second.source),
    )


def test_arguments_of_python_and_of_other_names_are_read() -> None:
    (turn,) = one(
        ("human", "Hi"), ("function_call", "[{'name': 'f', 'parameters': {'ok': True}}]"), ("observation", "x")
    ).turns
    assert [(call.tool, call.arguments, call.result) for call in turn.calls] == [("f", {"ok": True}, "x")]


def test_one_result_for_several_calls_leaves_a_gap() -> None:
    both = json.dumps([{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}])
    conversation = one(("human", "Hi"), ("function_call", both), ("observation", "all of it"))
    assert [call.result for call in conversation.turns[0].calls] == ["all of it", None]
    assert Gap(where="turns[0].steps[1].result", why="no result was recorded") in conversation.gaps


def test_what_is_no_turn_is_kept_with_a_gap() -> None:
    conversation = one(("human", "Hi"), ("narrator", "It rains."), ("gpt", "Hello"))
    assert any("no message of a role" in gap.why for gap in conversation.gaps)
    assert "It rains." in json.dumps(conversation.metadata)


@pytest.mark.parametrize(
    "record", [7, {"conversations": []}, {"conversations": "x"}, {"conversations": [{"from": "narrator"}]}]
)
def test_a_record_that_is_none_is_named_and_the_others_are_read(record: Any) -> None:
    good = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    first, bad, last = read("sharegpt", "\n".join(json.dumps(each) for each in (good, record, good)).encode())
    assert bad == Unread(where="line 2", why="this is no conversation: it has no turns with 'from' and 'value'")
    assert first == last

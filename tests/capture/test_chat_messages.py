"""Chats to conversations and back: nothing may be lost on the way, and everything must stand where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taketwo.capture.chat_messages import conversation_from_messages, messages_of, read_arguments
from taketwo.conversation import Agent, Attachment, Call, Conversation, Say, ToolDefinition, Turn, UserLine
from taketwo.value import clean_json

Message = dict[str, Any]


def read(messages: list[Message]) -> Conversation:
    return conversation_from_messages(messages, id="one")


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def says(text: str | None, *calls: Message) -> Message:
    message: Message = {"role": "assistant", "content": text}
    return {**message, "tool_calls": list(calls)} if calls else message


def call(call_id: str, tool: str = "get_order", arguments: str = "{}") -> Message:
    return {"id": call_id, "type": "function", "function": {"name": tool, "arguments": arguments}}


def result(call_id: str, content: Any = "done") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


# A strategy that writes well-formed chats in every spelling that files have.

nasty_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from([
    "", " ", "null", "{}", '{"a": 1}', "\u0000", "\u2028", "é" * 3, "e\u0301", "🧑‍🚀", "\ufffd", "messages[0]",
])  # fmt: skip
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | nasty_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(nasty_text, inner, max_size=3),
    max_leaves=6,
)
arguments_text = st.one_of(
    st.builds(
        lambda value, spaced, ascii_only, indent: json.dumps(
            value, separators=None if spaced else (",", ":"), ensure_ascii=ascii_only, indent=indent
        ),
        st.dictionaries(nasty_text, json_value, max_size=3),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, None, 2]),
    ),
    st.sampled_from(
        ["", "{}", "{ }", '{"a": 1, "a": 2}', '{"n": 1e400}', '{"n": NaN}', '{"s": "\\ud800"}', "[1]", "{"]
    ),
)
text_part = st.builds(lambda text: {"type": "text", "text": text}, nasty_text)
user_part = text_part | st.sampled_from([
    {"type": "image_url", "image_url": {"url": "https://example.org/box.png", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}},
])  # fmt: skip
user_message = st.fixed_dictionaries(
    {"role": st.just("user"), "content": nasty_text | st.lists(user_part, min_size=1, max_size=3)},
    optional={"name": nasty_text},
)
system_message = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer"]), "content": nasty_text | st.lists(text_part, max_size=2)},
    optional={"name": nasty_text},
)
reply_message = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": nasty_text | st.lists(text_part, max_size=2)},
    optional={"refusal": st.none() | nasty_text, "name": nasty_text, "weight": st.integers(0, 1), "audio": st.none()},
)


@st.composite
def calling_messages(draw: st.DrawFn) -> list[Message]:
    """One message with calls, and some of their results in any order, strangers and repetitions among them."""
    ids = draw(st.lists(st.sampled_from(["call_1", "call_2", "call_3", ""]), min_size=1, max_size=3))
    calls = [
        {"id": call_id, "type": "function", "function": {"name": draw(nasty_text), "arguments": draw(arguments_text)}}
        | draw(st.sampled_from([{}, {"index": 0}]))
        for call_id in ids
    ]
    content = draw(st.sampled_from([{"content": None}, {"content": ""}, {}]) | st.builds(dict, content=nasty_text))
    answered = draw(st.lists(st.sampled_from([*ids, "call_9"]), max_size=4))
    results = [
        {"role": "tool", "tool_call_id": call_id, "content": draw(nasty_text | json_value.map(json.dumps))}
        | draw(st.sampled_from([{}, {"name": "get_order"}]))
        for call_id in answered
    ]
    return [{"role": "assistant", **content, "tool_calls": calls}, *results]


old_call = st.builds(
    lambda name, arguments, answer: [
        {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}},
        {"role": "function", "name": name, "content": answer},
    ],
    nasty_text,
    arguments_text,
    nasty_text,
)
single = st.one_of(user_message, reply_message, system_message).map(lambda message: [message])
chats = st.lists(st.one_of(single, single, calling_messages(), old_call), max_size=8).map(
    lambda pieces: [message for piece in pieces for message in piece]
)


def spelled_out(messages: Any) -> str:
    """Letters, so that 1, 1.0 and true are three things."""
    return json.dumps(messages, sort_keys=True)


@given(chats)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_chat_comes_back_as_it_was(messages: list[Message]) -> None:
    conversation = read(messages)
    assert spelled_out(messages_of(conversation)) == spelled_out(messages)
    again = Conversation.from_json(conversation.to_json())
    assert again == conversation
    assert spelled_out(messages_of(again)) == spelled_out(messages)


@given(chats)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_line_every_call_and_every_result_of_a_chat_is_in_the_conversation(messages: list[Message]) -> None:
    conversation = read(messages)
    lines = [turn.user for turn in conversation.turns if turn.user]
    assert len(lines) == sum(message["role"] == "user" for message in messages)
    asked = [given for message in messages for given in message.get("tool_calls", [])]
    calls = [step for _, _, step in conversation.calls()]
    assert len(calls) == len(asked) + sum("function_call" in message for message in messages)
    results = sum(message["role"] in {"tool", "function"} for message in messages)
    without_call = sum("without the call" in gap.why for gap in conversation.gaps)
    assert sum(step.result is not None for step in calls) == results - without_call


wild_values = st.recursive(
    json_value | st.sampled_from(["user", "assistant", "tool", "system", "text", "call_1"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "role", "content", "tool_calls", "id", "function", "name", "arguments", "tool_call_id", "type", "text",
            "function_call", "refusal", "image_url", "url", "file", "custom",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@given(st.lists(wild_values | st.builds(lambda rest, role: {**rest, "role": role} if isinstance(rest, dict) else rest,
       wild_values, st.sampled_from(["user", "assistant", "tool", "function", "system"])), max_size=6))  # fmt: skip
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_even_what_is_no_chat_comes_back_as_it_was(messages: list[Any]) -> None:
    conversation = read(messages)
    assert spelled_out(messages_of(Conversation.from_json(conversation.to_json()))) == spelled_out(messages)


def test_the_airline_conversations_come_back_as_they_were(shared_data: Path) -> None:
    lines = (shared_data / "airline" / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 100
    for line in lines:
        messages = json.loads(line)["messages"]
        conversation = Conversation.from_json(read(messages).to_json())
        assert spelled_out(messages_of(conversation)) == spelled_out(messages)
        assert not conversation.gaps
        assert set(conversation.metadata.get("chat_spelling", {})) <= {"messages", "named_results"}


def test_calls_and_results_meet_though_the_results_come_in_another_order() -> None:
    conversation = read([
        user("two orders, please"),
        says("one moment", call("a", arguments='{"id":1}'), call("b", arguments='{"id":2}')),
        result("b", "second"),
        result("a", '{"status": "first"}'),
        says("both are there"),
    ])  # fmt: skip
    (turn,) = conversation.turns
    assert [(step.message, getattr(step, "text", None), getattr(step, "result", None)) for step in turn.steps] == [
        (0, "one moment", None),
        (0, None, '{"status": "first"}'),
        (0, None, "second"),
        (1, "both are there", None),
    ]
    assert [found.arguments for found in turn.calls] == [{"id": 1}, {"id": 2}]
    assert turn.reply == "both are there"
    assert [step.source.place for step in turn.steps if step.source] == ["messages[1]"] * 3 + ["messages[4]"]


def test_an_id_that_is_used_again_means_the_newest_call_of_that_id() -> None:
    conversation = read([
        user("a"), says(None, call("call_1")), result("call_1", "old"),
        user("b"), says(None, call("call_1")), result("call_1", "new"),
    ])  # fmt: skip
    assert [step.result for _, _, step in conversation.calls()] == ["old", "new"]


def test_the_agent_may_speak_first_and_a_user_may_speak_twice() -> None:
    conversation = read([says("Welcome!"), user("Hi"), user("Are you there?"), says("Yes.")])
    assert [(turn.user and turn.user.text, turn.reply) for turn in conversation.turns] == [
        (None, "Welcome!"),
        ("Hi", None),
        ("Are you there?", "Yes."),
    ]


def test_a_turn_that_ends_with_a_call_has_no_reply() -> None:
    (turn,) = read([user("refund me"), says("Let me see.", call("a")), result("a")]).turns
    assert turn.reply is None
    assert isinstance(turn.steps[0], Say)


def test_what_has_no_place_has_a_gap_that_says_which_message_it_was() -> None:
    conversation = read([
        {"role": "system", "content": "Be kind."},
        user("Hi"),
        {"role": "system", "content": "The user is a VIP."},
        result("call_9"),
        says(None, call("call_1", arguments="not json"), call("call_2")),
        result("call_2", None),
    ])  # fmt: skip
    assert conversation.agent.system_prompt == "Be kind."
    assert [(gap.where, gap.why.split(";")[0]) for gap in conversation.gaps] == [
        ("turns[0]", "messages[2]: a system message that is not the first message has no place in a turn"),
        ("turns[0]", "messages[3]: a tool result without the call that it answers"),
        ("turns[0]", "messages[5]: a tool result without content"),
        ("turns[0].steps[0].arguments", "the arguments are no JSON"),
        ("turns[0].steps[0].result", "no result was recorded"),
        ("turns[0].steps[1].result", "no result was recorded"),
    ]


def test_what_came_with_a_users_words_is_attached() -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/box.png"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    line = read([{"role": "user", "content": content}]).turns[0].user
    assert line is not None
    assert line.text == "What is this?"
    assert [(found.kind, found.media_type, found.sha256 and found.sha256[:8]) for found in line.attachments] == [
        ("image", "image/png", "4c4b6a3b"),
        ("image", None, None),
        ("file", None, None),
    ]


def test_a_conversation_that_came_from_no_chat_is_spelled_for_an_endpoint() -> None:
    conversation = Conversation(
        id="from-spans",
        agent=Agent(system_prompt="Be kind.", tools=(ToolDefinition(name="get_order"),)),
        turns=(
            Turn(
                index=0,
                user=UserLine(text="Where is it?", attachments=(Attachment(kind="image", url="https://e.org/1.png"),)),
                steps=(
                    Call(call_id=None, tool="get_order", arguments={"id": "ä"}, result={"status": "lost"}),
                    Call(call_id="b", tool="refund", error="not allowed"),
                    Say(text="It is lost.", message=1),
                ),
                reply="It is lost.",
            ),
        ),
    )
    assert messages_of(conversation) == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Where is it?"},
                {"type": "image_url", "image_url": {"url": "https://e.org/1.png"}},
            ],
        },
        says(None, call("call_0_0", arguments='{"id":"ä"}'), call("b", "refund")),
        result("call_0_0", '{"status":"lost"}'),
        result("b", "not allowed"),
        says("It is lost."),
    ]


def test_a_conversation_that_was_shortened_since_is_spelled_anew() -> None:
    conversation = read([{**user("Hi"), "name": "ann"}, says("Hello"), user("Bye"), says("Bye")])
    assert messages_of(conversation.but(turns=conversation.turns[:1])) == [user("Hi"), says("Hello")]


@pytest.mark.parametrize(
    "edited", [None, [], {"messages": "x"}, {"messages": 1, "changes": [{"at": [7, "x"], "to": 1}]}]
)
def test_an_edited_file_cannot_make_it_stumble(edited: Any) -> None:
    conversation = read([user("Hi")]).but(metadata={"chat_spelling": edited})
    assert messages_of(conversation) == [user("Hi")]


@pytest.mark.parametrize(
    ("text", "values", "kept", "why"),
    [
        ('{"id":"ä","n":2}', {"id": "ä", "n": 2}, False, None),
        ('{"id": 1}', {"id": 1}, True, None),
        ('{"n":1.0}', {"n": 1.0}, False, None),
        ('{"n":1e2}', {"n": 100.0}, True, None),
        ('{"a":1,"a":2}', {"a": 2}, True, None),
        ("", {}, True, None),
        ("[1]", {}, True, "the arguments are no JSON object"),
        ('{"id":', {}, True, "the arguments are no JSON"),
        ("[" * 100_000, {}, True, "the arguments are no JSON"),
        ('{"n":' + "9" * 10_000 + "}", {}, True, "the arguments are no JSON"),
    ],
)
def test_arguments_are_kept_letter_by_letter_only_where_the_values_cannot_give_them_back(
    text: str, values: Any, kept: bool, why: str | None
) -> None:
    found = read_arguments(text)
    assert (found.values, found.text, found.why) == (values, text if kept else None, why)


def test_what_clean_json_leaves_of_a_wild_record_can_be_read() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    messages = clean_json([{"role": "user", "content": "\ud800", "extra": deep}])
    assert messages_of(read(messages)) == messages

"""The Responses API: calls that continue each other are one conversation, however they say so."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imported_story import SAMPLES, assert_is_the_story, read, sample

from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Conversation

CHAIN, STATELESS = "openai-responses-chain.jsonl", "openai-responses-stateless.jsonl"


def answer(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def response(id: str, said: Any, gave: str, previous: str | None = None, **more: Any) -> dict[str, Any]:
    made = {"id": id, "object": "response", "status": "completed", "previous_response_id": previous, **more}
    return {**made, "input": said, "output": [answer(gave)]}


def lines(*records: Any) -> list[Any]:
    return read("openai-responses", "\n".join(json.dumps(record) for record in records).encode())


def told(found: list[Any]) -> list[list[tuple[str | None, str | None]]]:
    assert all(isinstance(item, Conversation) for item in found)
    return [[(turn.user.text if turn.user else None, turn.reply) for turn in item.turns] for item in found]


@pytest.mark.parametrize("name", [CHAIN, STATELESS])
def test_calls_that_name_and_calls_that_repeat_what_came_before_tell_the_same_story(name: str) -> None:
    conversation = sample("openai-responses", name)
    assert_is_the_story(conversation, errors_are_marked=False)
    assert (conversation.id, conversation.session_id, conversation.user_id) == (
        "resp_0001",
        "sess-acme-0001",
        "user-42",
    )
    assert conversation.agent.model == "gpt-4o-mini-2024-07-18"
    assert (
        conversation.agent.system_prompt
        == "You are ACME's support agent. Be brief. Use the tools to look things up; never guess."
    )
    assert [tool.name for tool in conversation.agent.tools] == [
        "get_order",
        "get_shipment",
        "issue_refund",
        "search_policy",
    ]
    assert conversation.agent.settings["temperature"] == 0.2
    assert [turn.tokens.input for turn in conversation.turns] == [400, 1260, 1240, 740]
    assert [turn.latency_ms for turn in conversation.turns] == [2000.0, 3000.0, 2000.0, 2000.0]
    assert [gap.why for gap in conversation.gaps] == ["the file says no costs"]


@pytest.mark.parametrize("name", [CHAIN, STATELESS])
def test_the_order_of_the_records_does_not_matter(name: str) -> None:
    records = [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]
    random.Random(4).shuffle(records)
    (conversation,) = lines(*records)
    assert_is_the_story(conversation, errors_are_marked=False)


@pytest.mark.parametrize("name", [CHAIN, STATELESS])
def test_the_same_conversation_comes_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    assert read("openai-responses", body) == read("openai-responses", body)


def test_a_place_names_its_record_and_item() -> None:
    first = next(sample("openai-responses", CHAIN).calls())[2]
    assert first.source is not None
    assert (first.source.rule, first.source.place) == ("openai-responses", "line 1, output[1]")


def test_a_conversation_that_the_provider_keeps_is_put_together_by_its_times() -> None:
    kept = {"conversation": {"id": "conv_1"}}
    later = response("b", "And now?", "Now too.", created_at=1_772_528_500, **kept)
    (conversation,) = found = lines(later, response("a", "Hi", "Hello", created_at=1_772_528_400, **kept))
    assert told(found) == [[("Hi", "Hello"), ("And now?", "Now too.")]]
    assert (conversation.id, conversation.session_id) == ("conv_1", "conv_1")


def test_a_branch_is_a_conversation_of_its_own() -> None:
    found = lines(
        response("a", "Hi", "Hello"), response("b", "One?", "First.", "a"), response("c", "Two?", "Second.", "a")
    )
    assert told(found) == [[("Hi", "Hello"), ("One?", "First.")], [("Hi", "Hello"), ("Two?", "Second.")]]
    assert [conversation.id for conversation in found] == ["a", "c"]


@pytest.mark.parametrize("named", [True, False])
def test_talks_that_open_alike_stay_two_and_none_is_left_over(named: bool) -> None:
    hi, hello = {"role": "user", "content": "Hi"}, answer("Hello")
    users = [{"user": name} if named else {} for name in ("u-1", "u-2")]
    found = lines(
        response("a", [hi], "Hello", created_at=1_772_528_400, **users[0]),
        response("b", [hi], "Hello", created_at=1_772_528_401, **users[1]),
        response("b2", [hi, hello, {"role": "user", "content": "Two?"}], "2", created_at=1_772_528_410, **users[1]),
        response("a2", [hi, hello, {"role": "user", "content": "One?"}], "1", created_at=1_772_528_420, **users[0]),
    )
    assert told(found) == [[("Hi", "Hello"), ("Two?", "2")], [("Hi", "Hello"), ("One?", "1")]]
    # Without a user nobody can tell whose of two equal openings it was.
    assert [item.id for item in found] == (["b", "a"] if named else ["a", "b"])


def test_what_came_before_the_file_is_missed() -> None:
    (conversation,) = lines(response("b", "And now?", "Now too.", "a"))
    assert any(gap.where == "turns[0]" and "a, is not in the file" in gap.why for gap in conversation.gaps)


def test_calls_that_continue_themselves_are_named() -> None:
    found = lines(
        response("a", "Hi", "Hello", "b"), response("b", "Hi", "Hello", "a"), response("c", "Hi", "Hello", "c")
    )
    assert [type(item) for item in found] == [Conversation, Unread, Unread]
    assert "circle" in found[1].why


def test_a_circle_that_others_lead_into_ends() -> None:
    found = lines(response("a", "1", "2", "b"), response("b", "3", "4", "a"), response("c", "5", "6", "b"))
    assert [type(item) for item in found] == [Conversation]


def test_a_record_twice_is_one_and_another_of_its_id_is_named() -> None:
    found = lines(response("a", "Hi", "Hello"), response("a", "Hi", "Hello"), response("a", "Hi", "Go away"))
    assert [type(item) for item in found] == [Unread, Conversation]
    assert found[0] == Unread(where="line 3", why="another call of the file has the id a")


def test_a_temperature_of_nothing_is_a_setting() -> None:
    (conversation,) = lines(response("a", "Hi", "Hello", temperature=0.0))
    assert conversation.agent.settings == {"temperature": 0.0}


def test_an_unfinished_call_says_how_it_ended() -> None:
    failed = {"status": "failed", "error": {"code": "server_error", "message": "try again"}}
    (conversation,) = lines({**response("a", "Hi", "x"), **failed, "output": []})
    assert conversation.outcome.ended_reason == "failed: try again"
    assert told([conversation]) == [[("Hi", None)]]


def test_tools_that_the_provider_runs_are_calls() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "mugs"},
    }
    remote = {
        "type": "mcp_call",
        "id": "mcp_1",
        "name": "lookup",
        "arguments": '{"x":1}',
        "output": "found",
        "error": None,
    }
    (conversation,) = lines({**response("a", "Hi", "x"), "output": [search, remote, answer("Here.")]})
    calls = conversation.turns[0].calls
    assert [(call.tool, call.arguments, call.result) for call in calls] == [
        ("web_search", {"action": {"type": "search", "query": "mugs"}}, None),
        ("lookup", {"x": 1}, "found"),
    ]


def test_batches_and_bare_items_are_read() -> None:
    body = {"id": "r", "object": "response", "output": [answer("Hello")]}
    batch = {"custom_id": "1", "body": {"model": "m", "input": "Hi"}, "response": {"status_code": 200, "body": body}}
    items = {"input": [{"type": "message", "role": "user", "content": "Hi"}], "output": [answer("Hello")]}
    assert told(lines(batch, items)) == [[("Hi", "Hello")], [("Hi", "Hello")]]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (7, "this is no call of the Responses API"),
        ({"object": "response"}, "it has neither input nor output"),
        ({"response": {"object": "response", "output": []}}, "the response does not say what it answers"),
    ],
)
def test_a_record_that_is_none_is_named_and_the_others_are_read(record: Any, why: str) -> None:
    bad, good = lines(response("a", "Hi", "Hello"), record)
    assert isinstance(bad, Unread)
    assert bad.where == "line 2"
    assert why in bad.why
    assert isinstance(good, Conversation)


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_talk_comes_out_of_calls_that_name_or_repeat_each_other(talk: list[tuple[str, str]], repeats: bool) -> None:
    records, history = [], []
    for number, (line, reply) in enumerate(talk):
        asked = {"role": "user", "content": line}
        before = None if repeats or not number else f"r{number - 1}"
        records.append(response(f"r{number}", [*history, asked] if repeats else line, reply, before))
        history += [asked, answer(reply)]
    (found,) = told(lines(*records))
    assert found == talk

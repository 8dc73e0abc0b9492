from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imported_story import SAMPLES, read

from taketwo.capture.imports import read_file
from taketwo.conversation import Call, Conversation, Say

SECRETS = ("s3cret-tool", "s3cret-hook")


def only(items: Any) -> Conversation:
    (found,) = items
    assert isinstance(found, Conversation)
    return found


def sample(name: str) -> list[Conversation]:
    return [item for item in read_file(SAMPLES / name) if isinstance(item, Conversation)]


def test_a_vapi_call_is_a_conversation_with_times_audio_and_tool_calls() -> None:
    call = only(sample("vapi-call.json"))
    assert call.channel == "voice"
    assert [turn.user and turn.user.text for turn in call.turns] == [
        None,
        "Where is my order?",
        "It is A one zero four two.",
        "Thanks, bye.",
    ]
    second = call.turns[1]
    assert second.user is not None and second.user.audio is not None
    assert (second.user.audio.start_s, second.user.audio.end_s, second.user.audio.channel) == (3.5, 4.7, 0)
    assert second.user.audio.file == "https://recordings.example/call-stereo.wav"
    assert second.latency_ms == pytest.approx(600)
    third = call.turns[2]
    assert [type(step) for step in third.steps] == [Call, Say]
    assert third.calls[0].arguments == {"order_id": "A-1042"}
    assert third.calls[0].latency_ms == pytest.approx(400)
    assert third.steps[1].audio is not None and third.steps[1].audio.channel == 1  # type: ignore[union-attr]
    assert call.outcome.ended_reason == "customer-ended-call"
    assert call.user_id == "+15552223333"


def test_the_configuration_of_a_vapi_call_is_kept_without_its_secrets() -> None:
    call = only(sample("vapi-call.json"))
    assert call.agent.system_prompt == "You are the phone desk of a shop."
    assert call.agent.model == "gpt-4o-mini"
    assert call.agent.settings == {"temperature": 0.2}
    assert [tool.name for tool in call.agent.tools] == ["check_status"]
    configuration = call.metadata["configuration"]
    assert configuration["first_message"] == "Hello, how can I help?"
    assert configuration["voice"] == {"provider": "11labs", "voiceId": "burt"}
    assert configuration["transcriber"]["model"] == "nova-2"
    assert configuration["phone_number"] == "+15550001111"
    assert not [secret for secret in SECRETS if secret in call.to_json().decode()]


def test_of_several_server_messages_of_a_call_the_fullest_counts_and_the_stale_status_inside_never_does() -> None:
    old, reported, begun = sorted(sample("vapi-messages.jsonl"), key=lambda call: call.id[-1] != "d")
    assert (old.id, reported.id, begun.id) == ("0f0e9d8c-call-old", "0f0e9d8c-call-2", "0f0e9d8c-call-3")
    assert reported.outcome.ended_reason == "customer-ended-call"
    assert not [gap for gap in reported.gaps if gap.where == "outcome"]
    assert [gap.why for gap in begun.gaps if gap.where == "outcome"] == [
        "there is no end-of-call report: this is what was said until the last update"
    ]


def test_durations_in_seconds_and_fields_at_the_level_of_the_message_are_read_as_older_calls_have_them() -> None:
    old = next(call for call in sample("vapi-messages.jsonl") if call.id.endswith("old"))
    assert old.turns[1].latency_ms == pytest.approx(600)
    assert old.metadata["recording"] == "https://recordings.example/old-mono.wav"
    assert "the recording is mono: both parties are on one channel" in [gap.why for gap in old.gaps]
    assert old.turns[1].user is not None and old.turns[1].user.audio is not None
    assert old.turns[1].user.audio.channel is None


@pytest.mark.parametrize(("duration", "expected"), [(1.2, 4.7), (1200, 4.7), (1200.0, 4.7)])
def test_without_an_end_time_the_size_of_a_duration_tells_its_unit(duration: float, expected: float) -> None:
    line = {"role": "user", "message": "Hi", "time": 1750000003500, "secondsFromStart": 3.5, "duration": duration}
    body = {"id": "c", "orgId": "o", "endedReason": "x", "artifact": {"messages": [line]}}
    call = only(read("vapi", json.dumps(body).encode()))
    assert call.turns[0].user is not None and call.turns[0].user.audio is not None
    assert call.turns[0].user.audio.end_s == pytest.approx(expected)


@pytest.mark.parametrize("arguments", ['{"order_id": "A-1"}', {"order_id": "A-1"}])
def test_lines_are_sorted_by_time_and_arguments_may_be_an_object_and_a_result_that_never_came_is_an_error(
    arguments: Any,
) -> None:
    function = {"name": "check_status", "arguments": arguments}
    messages = [
        {"role": "tool_calls", "toolCalls": [{"id": "c1", "function": function}], "time": 2000},
        {"role": "user", "message": "Hi", "time": 1000, "secondsFromStart": 9},
        {"role": "tool_call_result", "toolCallId": "c1", "result": "No result returned.", "time": 3000},
    ]
    body = {"id": "c", "orgId": "o", "endedReason": "x", "artifact": {"messages": messages}}
    call = only(read("vapi", json.dumps(body).encode()))
    assert call.turns[0].user is not None and call.turns[0].user.text == "Hi"
    (asked,) = call.turns[0].calls
    assert asked.arguments == {"order_id": "A-1"}
    assert asked.error == "No result returned."


def test_a_call_with_no_more_than_a_transcript_says_what_that_leaves_open() -> None:
    body = {"id": "c", "orgId": "o", "endedReason": "x", "artifact": {"transcript": "AI: Hello!\nUser: Hi: it's me.\n"}}
    call = only(read("vapi", json.dumps(body).encode()))
    assert [turn.reply for turn in call.turns] == ["Hello!", None]
    assert "the call has a transcript and no messages: times and tool calls are not known" in [
        gap.why for gap in call.gaps
    ]


def test_a_list_of_calls_is_read_call_by_call_and_what_is_none_is_named(tmp_path: Path) -> None:
    one = json.loads((SAMPLES / "vapi-call.json").read_text())
    file = tmp_path / "calls.json"
    file.write_text(json.dumps([one, {**one, "id": "another"}, {"orgId": "o", "assistantId": "a"}]))
    items = list(read_file(file))
    assert [type(item).__name__ for item in items] == ["Conversation", "Conversation", "Unread"]
    assert "neither an id nor an ended reason" in items[2].why  # type: ignore[union-attr]


def test_a_retell_call_has_word_times_and_leaves_out_what_was_never_spoken() -> None:
    call = only(sample("retell-call.json"))
    assert [turn.user and turn.user.text for turn in call.turns] == [None, "Where is my order A-1042?", "[pressed 5]"]
    asked = call.turns[1]
    assert asked.user is not None and asked.user.audio is not None
    assert [word.text for word in asked.user.audio.words] == ["Where", "is", "my", "order", "A-1042?"]
    assert asked.user.audio.file == "https://recordings.example/r-multi.wav"
    assert asked.latency_ms == pytest.approx(1200)
    assert asked.calls[0].result == '{"parcel":"delivered"}'
    assert asked.reply == "It was delivered."
    assert "transcript_with_tool_calls[6] was never spoken: its words take no time" in [gap.why for gap in call.gaps]
    assert call.outcome.ended_reason == "user_hangup"
    assert call.outcome.scores["call_successful"] is True


def test_of_retells_webhooks_the_last_one_of_a_call_counts_and_chats_are_text() -> None:
    call, chat = sample("retell-webhooks.jsonl")
    assert call.id == "call_retell_1"
    assert call.outcome.scores
    assert (chat.id, chat.channel) == ("chat_1", "text")
    assert [turn.reply for turn in chat.turns] == ["Hello!", "Delivered."]


def test_a_retell_call_without_word_times_and_without_a_tools_result_says_what_that_leaves_open() -> None:
    call = {
        "call_id": "call_9",
        "call_status": "ended",
        "start_timestamp": 1_795_000_000_000,
        "recording_multi_channel_url": "https://recordings.example/call.wav",
        "transcript_with_tool_calls": [
            {"role": "user", "content": "Where is my order?"},
            {"role": "tool_call_invocation", "tool_call_id": "t1", "name": "find_order", "arguments": '{"id": 1'},
            {"role": "tool_call_invocation", "tool_call_id": "t2", "name": "find_user", "arguments": "{}"},
            {"role": "tool_call_result", "tool_call_id": "t2", "content": "no such user", "successful": False},
            {"role": "agent", "content": "On its way.", "words": [{"word": "On"}, {"word": "its", "start": "soon"}]},
        ],
    }
    (read_call,) = read("retell", json.dumps(call).encode())
    assert isinstance(read_call, Conversation)
    turn = read_call.turns[0]
    assert (turn.user and turn.user.text, turn.reply) == ("Where is my order?", "On its way.")
    assert turn.user is not None and (turn.user.audio is None or turn.user.audio.start_s is None)
    lost, failed = [step for step in turn.steps if isinstance(step, Call)]
    assert (lost.tool, lost.arguments, lost.arguments_text) == ("find_order", {}, '{"id": 1')
    assert lost.result is None and failed.error == "no such user"
    whys = " ".join(gap.why for gap in read_call.gaps)
    assert ("result" in whys and "spoken" in whys) or "times" in whys, read_call.gaps


def test_under_scrubbing_the_scrubbed_fields_are_read() -> None:
    full = json.loads((SAMPLES / "retell-call.json").read_text())
    scrubbed = {
        "scrubbed_transcript_with_tool_calls": full.pop("transcript_with_tool_calls"),
        "scrubbed_recording_url": full.pop("recording_url"),
    }
    del full["recording_multi_channel_url"], full["transcript"]
    call = only(read("retell", json.dumps({**full, **scrubbed}).encode()))
    assert len(call.turns) == 3
    assert call.metadata["recording"] == "https://recordings.example/r.wav"


@pytest.mark.parametrize("name", ["elevenlabs-conversation.json", "elevenlabs-webhook.json"])
def test_an_elevenlabs_conversation_is_read_from_the_api_and_from_its_webhook(name: str) -> None:
    call = only(sample(name))
    assert call.id == "conv_1"
    assert [turn.reply for turn in call.turns] == ["Hello, how can I help?", "It was delivered."]
    (asked,) = call.turns[1].calls
    assert (asked.tool, asked.arguments, asked.error) == ("check_status", {"order_id": "A-1042"}, None)
    assert call.turns[1].user is not None and call.turns[1].user.audio is not None
    assert call.turns[1].user.audio.start_s == 3
    assert call.outcome.ended_reason == "Client disconnected: 1000"

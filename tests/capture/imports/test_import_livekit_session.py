"""LiveKit: what was said and heard in a session, from the report or from the history alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, read, sample

from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Audio, Conversation, Say

REPORT, HISTORY = "livekit-session-report.json", "livekit-session-history.json"


def session(*items: dict[str, Any], **report: Any) -> Conversation:
    (found,) = read(
        "livekit-session",
        json.dumps({"job_id": "AJ_1", "room": "r", **report, "chat_history": {"items": items}}).encode(),
    )
    assert isinstance(found, Conversation)
    return found


def said(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": "i", "type": "message", "role": role, "content": [text], **more}


def test_a_report_tells_the_whole_story_with_its_times_and_its_sound() -> None:
    conversation = sample("livekit-session", REPORT)
    assert_is_the_story(conversation)
    assert (conversation.id, conversation.session_id, conversation.channel) == ("AJ_acme0001", "AJ_acme0001", "voice")
    assert (conversation.agent.model, conversation.agent.provider) == ("gpt-4o-mini", "openai")
    assert (
        conversation.agent.system_prompt
        == "You are ACME's support agent. Be brief. Use the tools to look things up; never guess."
    )
    assert [turn.latency_ms for turn in conversation.turns] == [1100.0] * 4
    assert [call.latency_ms for _, _, call in conversation.calls()] == [pytest.approx(40.0, abs=0.01)] * 5
    line = conversation.turns[0].user
    assert line is not None
    assert line.audio == Audio(file="/tmp/AJ_acme0001/audio.ogg", start_s=17.5, end_s=19.5)
    assert conversation.metadata["room"] == "support-42"
    assert [gap.where for gap in conversation.gaps] == ["turns", "agent.tools"]


def test_the_history_alone_tells_it_without_times() -> None:
    conversation = sample("livekit-session", HISTORY)
    assert_is_the_story(conversation)
    assert conversation.started_at is None
    assert conversation.id.startswith("livekit-")


def test_calls_name_their_own_items() -> None:
    places = [call.source.place for _, _, call in sample("livekit-session", REPORT).calls() if call.source]
    assert places == ["items[3]", "items[4]", "items[10]", "items[12]", "items[16]"]


def test_an_answer_that_was_interrupted_is_what_was_spoken() -> None:
    conversation = session(said("user", "Hi"), said("assistant", "Hello, I", interrupted=True))
    assert conversation.turns[0].reply == "Hello, I"
    assert conversation.metadata["interrupted"] == ["items[1]"]


def test_a_typed_session_is_text_and_a_system_message_is_the_prompt() -> None:
    conversation = session(said("system", "Be brief."), said("user", "Hi"), said("assistant", "Hello"))
    assert conversation.channel == "text"
    assert conversation.agent.system_prompt == "Be brief."


def test_instructions_for_ear_and_eye_are_those_for_the_ear() -> None:
    update = {
        "type": "agent_config_update",
        "instructions": {"type": "instructions", "audio": "Speak.", "text": "Write."},
    }
    assert session(update, said("user", "Hi")).agent.system_prompt == "Speak."


def test_a_change_of_agent_is_told() -> None:
    handoffs = [{"type": "agent_handoff", "new_agent_id": name} for name in ("desk", "refunds")]
    conversation = session(handoffs[0], said("user", "Hi"), handoffs[1], said("assistant", "Hello"))
    assert any("desk, refunds" in gap.why for gap in conversation.gaps)
    assert [type(step) for step in conversation.turns[0].steps] == [Say]


def test_an_image_is_an_attachment() -> None:
    image = {"id": "img", "type": "image_content", "image": "https://example.com/mug.jpg"}
    line = session({**said("user", "Look"), "content": ["Look", image]}).turns[0].user
    assert line is not None
    assert (line.text, [(found.kind, found.url) for found in line.attachments]) == (
        "Look",
        [("image", "https://example.com/mug.jpg")],
    )


@pytest.mark.parametrize("record", [7, {"chat_history": 1}, {"items": []}, {"job_id": "x", "room": "y"}])
def test_a_record_that_is_none_is_named(record: Any) -> None:
    good = {"job_id": "a", "room": "r", "chat_history": {"items": [said("user", "Hi")]}}
    first, bad = read("livekit-session", "\n".join(json.dumps(each) for each in (good, record)).encode())
    assert isinstance(first, Conversation)
    assert bad == Unread(where="line 2", why="this is no session: it has no history with items")


@pytest.mark.parametrize("name", [REPORT, HISTORY])
def test_the_same_conversation_comes_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    assert read("livekit-session", body) == read("livekit-session", body)

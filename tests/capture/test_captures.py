"""Every capture is of one and the same conversation: it must come out of each, or what is missing must be a gap.

What a library does not export, and where the scenario went another way, stands in the tables with the reason.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from recorded_traces import EXPECTED, NAMES, recorded_trace

from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation, Turn

HAND_OVER = {
    "user": "Please hand me over to the refund desk.",
    "steps": [
        {"tool_calls": [{"name": "transfer_to_refund_desk", "arguments": {}}]},
        {
            "tool_calls": [
                {
                    "name": "issue_refund",
                    "arguments": {
                        "order_id": "A-1001",
                        "amount": 24.5,
                        "reason": "arrived broken",
                        "approval_code": "AP-77",
                    },
                }
            ]
        },
    ],
    "assistant": "Done: $24.50 was refunded to your card (refund R-9).",
}
"""The turn that OpenAI Agents play besides: the second agent goes on with the talk."""

OTHER_SCENARIO = {"openinference-openai-fail", "openinference-openai-image", "openinference-openai-long"}
"""Played other turns: each has a test of its own."""

CONTENT_HIDDEN = {
    "google-adk-native",
    "openinference-openai-hide",
    "otel-genai-agents-span_only",
    "otel-genai-openai-none",
    "otel-openai-v2-chat-none",
    "pydantic-ai-v5-nocontent",
}
"""Content is switched off or not exported: each has a test of its own."""

DONE = ("openinference", "otel-")
COMMON = [name for name in NAMES if name not in OTHER_SCENARIO | CONTENT_HIDDEN and name.startswith(DONE)]

AGENTS = [name for name in COMMON if "agents-" in name and not name.startswith("livekit")]

RESULTS = {
    "get_order": '{"order_id": "A-1001", "items": [{"sku": "MUG-BLUE", "qty": 2}], "total": 24.5, "status": "shipped"}',
    "get_shipment": '{"order_id": "A-1001", "carrier": "DHL", "eta": "2026-03-05"}',
    "issue_refund": '{"refund_id": "R-9", "order_id": "A-1001", "amount": 24.5}',
    "search_policy": '[{"id": "pol-1", "text": "Items can be returned within 30 days, unused, with the receipt.", '
    '"score": 0.92}, {"id": "pol-7", "text": "Refunds go to the original payment method.", "score": 0.41}]',
    "transfer_to_refund_desk": '{"assistant": "Refund desk"}',
}
"""What the tools gave back, letter by letter."""

ERROR = "refunds over $20 need an approval code; use AP-77"


@cache
def conversation(name: str) -> Conversation:
    found = sessions(*recorded_trace(name))
    assert len(found) == 1
    return reconstruct(found[0].spans, found[0].logs, session_id=found[0].id)


def expected_turns(name: str) -> list[dict[str, Any]]:
    turns = list(EXPECTED["turns"])
    return [turns[0], HAND_OVER, *turns[1:]] if name in AGENTS else turns


def expected_steps(turn: dict[str, Any]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = []
    for message, step in enumerate([*turn["steps"], {"text": turn["assistant"]}]):
        steps += [("say", step["text"], message)] if "text" in step else []
        steps += [("call", call["name"], call["arguments"], message) for call in step.get("tool_calls", [])]
    return steps


def steps(turn: Turn) -> list[tuple[Any, ...]]:
    return [
        ("call", step.tool, step.arguments, step.message)
        if isinstance(step, Call)
        else ("say", step.text, step.message)
        for step in turn.steps
    ]


@pytest.mark.parametrize("name", COMMON)
def test_what_the_user_said_and_was_told_comes_out_of(name: str) -> None:
    said = [(turn.user.text if turn.user else None, turn.reply) for turn in conversation(name).turns]
    assert said == [(turn["user"], turn["assistant"]) for turn in expected_turns(name)]


@pytest.mark.parametrize("name", COMMON)
def test_every_step_comes_out_in_its_message_of(name: str) -> None:
    assert [steps(turn) for turn in conversation(name).turns] == [expected_steps(turn) for turn in expected_turns(name)]

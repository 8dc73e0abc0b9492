"""A talk with parallel calls through clients that no framework stands around: no session id, a trace for every call."""

from __future__ import annotations

from functools import cache

import pytest
from recorded_traces import FURTHER, names_in, recorded_trace

from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Conversation

WITHOUT_CONTENT = "traceloop-groq-none"
NAMES = [name for name in names_in(FURTHER) if name != WITHOUT_CONTENT]

TURNS = [
    ("Where are A-1 and A-2?", "A-1 is shipped, A-2 is lost."),
    ("Refund the lost one.", "Refunded 12.50."),
    ("Thanks, bye.", "Bye."),
]
CALLS = [
    (0, "get_order", {"order_id": "A-1"}, '{"status":"shipped"}'),
    (0, "get_order", {"order_id": "A-2"}, '{"status":"lost"}'),
    (1, "refund", {"order_id": "A-2", "amount": 12.5}, '{"ok":true}'),
]


@cache
def told(name: str) -> list[Conversation]:
    return [reconstruct(one.spans, one.logs) for one in sessions(*recorded_trace(name))]


def talk(name: str) -> Conversation:
    """The one conversation: the spans of Anthropic's SDK say nothing, and make none."""
    (found,) = told(name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_line_and_every_reply_is_there_once(name: str) -> None:
    assert [(turn.user.text if turn.user else None, turn.reply) for turn in talk(name).turns] == TURNS
    assert talk(name).gaps == ()


@pytest.mark.parametrize("name", NAMES)
def test_parallel_calls_have_their_own_results_and_stand_in_one_message(name: str) -> None:
    calls = list(talk(name).calls())
    assert [(turn, call.tool, call.arguments, call.result) for turn, _, call in calls] == CALLS
    assert calls[0][2].message == calls[1][2].message
    assert "Let me refund it." in [step.text for step in talk(name).turns[1].steps if hasattr(step, "text")]


@pytest.mark.parametrize("name", NAMES)
def test_the_agent_is_known(name: str) -> None:
    agent = talk(name).agent
    assert agent.system_prompt == "You are the desk of Acme."
    assert {tool.name for tool in agent.tools} == {"get_order", "refund"}
    assert agent.model in ("llama-x", "claude-x")


def test_where_no_content_is_captured_none_is_invented() -> None:
    for conversation in told(WITHOUT_CONTENT):
        assert [(turn.user, turn.steps, turn.reply) for turn in conversation.turns] == [(None, (), None)]
        assert {gap.where for gap in conversation.gaps} >= {"turns[0].user", "turns[0].reply"}

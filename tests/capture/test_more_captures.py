"""The same conversation through further libraries: Gemini, Bedrock, Anthropic, and frameworks beside the usual ones."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from recorded_traces import EXPECTED, MORE, names_in, recorded_trace

from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation

ORDER = {"order_id": "A-1001", "items": [{"sku": "MUG-BLUE", "qty": 2}], "total": 24.5, "status": "shipped"}
RESULTS: dict[str, Any] = {
    "get_order": ORDER,
    "get_shipment": {"order_id": "A-1001", "carrier": "DHL", "eta": "2026-03-05"},
    "issue_refund": {"refund_id": "R-9", "order_id": "A-1001", "amount": 24.5},
    "search_policy": [
        {"id": "pol-1", "text": "Items can be returned within 30 days, unused, with the receipt.", "score": 0.92},
        {"id": "pol-7", "text": "Refunds go to the original payment method.", "score": 0.41},
    ],
}
"""What the tools gave back; each library writes it down in its own way."""

SILENT_BEFORE_CALLS = {"openinference-autogen", "genkit"}
"""AutoGen keeps what the model says beside its tool calls as thoughts, Genkit drops it; neither sends any of it."""
OTHER_ERROR = {"agent-framework": "Error: Function failed."}
"""What the model read instead of the tool's own words."""
WITHOUT_DEFINITIONS = {"openinference-autogen", "openinference-claude-agent-sdk"}
"""The definitions of the tools are not exported."""
WITHOUT_INSTRUCTIONS = {"openinference-claude-agent-sdk"}
OF_A_SERVER = "mcp__acme__"
"""How Claude's SDK begins the names of the tools of an MCP server."""

WITHOUT_TOKENS = {"openinference-openai-js-stream"}
"""What the provider says of tokens at a stream's end is not exported."""


def read(name: str) -> Conversation:
    """The one session that has turns; a span that only tells of an agent's making has none."""
    spans, records = recorded_trace(name)
    found = [reconstruct(session.spans, session.logs) for session in sessions(spans, records)]
    (talk,) = [conversation for conversation in found if conversation.turns]
    return talk


def plain(value: Any) -> Any:
    """A result as a value: JSON or Python's repr of it as text, and Gemini's wrapping taken off."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            value = ast.literal_eval(value)
    return value["result"] if isinstance(value, dict) and set(value) == {"result"} else value


@pytest.mark.parametrize("name", names_in(MORE))
def test_what_was_said_and_done_comes_out(name: str) -> None:
    talk = read(name)
    assert [turn.user.text for turn in talk.turns if turn.user] == [turn["user"] for turn in EXPECTED["turns"]]
    assert [turn.reply for turn in talk.turns] == [turn["assistant"] for turn in EXPECTED["turns"]]
    for turn, expected in zip(talk.turns, EXPECTED["turns"], strict=True):
        wanted = [call for step in expected["steps"] for call in step["tool_calls"]]
        assert [(call.tool.removeprefix(OF_A_SERVER), call.arguments) for call in turn.calls] == [
            (one["name"], one["arguments"]) for one in wanted
        ]
        for call, one in zip(turn.calls, wanted, strict=True):
            if one.get("error"):
                said = call.error if call.error is not None else call.result
                assert OTHER_ERROR.get(name, one["error"]) in str(said)
            else:
                assert call.error is None
                assert plain(call.result) == RESULTS[call.tool.removeprefix(OF_A_SERVER)]
        spoken = [step.text for step in turn.steps if not isinstance(step, Call)]
        before = [step["text"] for step in expected["steps"] if step.get("text") and name not in SILENT_BEFORE_CALLS]
        assert spoken == [*before, expected["assistant"]]
    instructions = talk.agent.system_prompt
    assert instructions is None if name in WITHOUT_INSTRUCTIONS else str(instructions).startswith(EXPECTED["system"])
    assert {tool.name for tool in talk.agent.tools} == (
        set() if name in WITHOUT_DEFINITIONS else set(EXPECTED["tools"])
    )
    assert [gap for gap in talk.gaps if gap.where.startswith("turns")] == []
    counted = [turn for turn in talk.turns if turn.tokens.input and turn.tokens.output]
    assert len(counted) == (0 if name in WITHOUT_TOKENS else len(talk.turns))


def test_a_conversation_that_the_provider_keeps_names_the_session() -> None:
    (session,) = sessions(*recorded_trace("openinference-openai-conversation"))
    assert session.id == "conv_acme1"


@pytest.mark.parametrize("name", ["openinference-anthropic-result-parts", "openinference-bedrock-stream"])
def test_the_providers_mark_of_a_failed_tool_is_read_from_the_raw_request(name: str) -> None:
    assert [call.error for _, _, call in read(name).calls() if call.error] == [
        "refunds over $20 need an approval code; use AP-77"
    ]

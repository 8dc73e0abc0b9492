"""Every capture is of one and the same conversation: it must come out of each, or what is missing must be a gap.

What a library does not export, and where the scenario went another way, stands in the tables with the reason.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import pytest
from recorded_traces import EXPECTED, NAMES, recorded_trace

from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation, Turn

OTHER_SCENARIO = {"openinference-openai-fail", "openinference-openai-image", "openinference-openai-long"}
"""Played other turns; each has a test of its own."""

CONTENT_HIDDEN = {
    "google-adk-native",
    "openinference-openai-hide",
    "otel-genai-agents-span_only",
    "otel-genai-openai-none",
    "otel-openai-v2-chat-none",
    "pydantic-ai-v5-nocontent",
}
"""Content is switched off or not exported; each has a test of its own."""

COMMON = [name for name in NAMES if name not in OTHER_SCENARIO | CONTENT_HIDDEN]

REFUND = {"order_id": "A-1001", "amount": 24.5, "reason": "arrived broken", "approval_code": "AP-77"}
HAND_OVER = {
    "user": "Please hand me over to the refund desk.",
    "steps": [
        {"tool_calls": [{"name": "transfer_to_refund_desk", "arguments": {}}]},
        {"tool_calls": [{"name": "issue_refund", "arguments": REFUND}]},
    ],
    "assistant": "Done: $24.50 was refunded to your card (refund R-9).",
}
"""The turn that OpenAI Agents play besides; from it on a second agent talks."""

AGENTS = [name for name in COMMON if "-agents" in name and name != "livekit-agents"]

RESULTS = {
    "get_order": '{"order_id": "A-1001", "items": [{"sku": "MUG-BLUE", "qty": 2}], "total": 24.5, "status": "shipped"}',
    "get_shipment": '{"order_id": "A-1001", "carrier": "DHL", "eta": "2026-03-05"}',
    "issue_refund": '{"refund_id": "R-9", "order_id": "A-1001", "amount": 24.5}',
    "search_policy": '[{"id": "pol-1", "text": "Items can be returned within 30 days, unused, with the receipt.", '
    '"score": 0.92}, {"id": "pol-7", "text": "Refunds go to the original payment method.", "score": 0.41}]',
    "transfer_to_refund_desk": '{"assistant": "Refund desk"}',
}
"""What the tools gave back, letter by letter."""

PAGES = "Items can be returned within 30 days, unused, with the receipt.\nRefunds go to the original payment method."
VERCEL: dict[str, Any] = {
    "get_order": {"order_id": "A-1001", "items": [{"sku": "MUG-BLUE", "qty": 2}], "total": 24.5, "status": "shipped"},
    "get_shipment": {"order_id": "A-1001", "carrier": "DHL", "eta": "2026-03-05"},
    "issue_refund": {"refund_id": "R-9", "order_id": "A-1001", "amount": 24.5},
    "search_policy": [
        {"id": "pol-1", "text": "Items can be returned within 30 days, unused, with the receipt.", "score": 0.92}
    ],
}
ADK: dict[str, Any] = {
    **{name: {"result": text} for name, text in RESULTS.items()},
    "issue_refund": VERCEL["issue_refund"],
}

ERROR = "refunds over $20 need an approval code; use AP-77"
IN_JSON = '{"error": "refunds over $20 need an approval code; use AP-77"}'
OF_AGENTS = "An error occurred while running the tool. Please try again."

USERLESS = {
    **dict.fromkeys([name for name in COMMON if name.startswith("otel-")], "LLM clients' packages export no user"),
    **dict.fromkeys([name for name in COMMON if name.startswith("vercel-ai7")], "no runtime context opted in"),
    **dict.fromkeys([name for name in COMMON if name.startswith("mlflow-openai")], "trace metadata is not exported"),
    "openinference-anthropic": "the application set the session alone",
    "openinference-openai-bare": "the application set neither",
    "pydantic-ai-v1": "format 1 exports neither",
    "traceloop-openai-agents-responses": "neither is exported",
}
"""Captures without a user, and why."""

SESSIONLESS = {
    name: why
    for name, why in USERLESS.items()
    if name != "openinference-anthropic" and not name.startswith("otel-openai-v2")
}
"""Captures without a session, which must be put together by their histories."""

MODELS = {
    "google-adk-latest": "fake-gemini",
    "livekit-agents": "gpt-4o-mini",
    "mlflow-langgraph": "gpt-4o-mini",
    "openinference-anthropic": "claude-3-5-sonnet-20241022",
    "openinference-openai-agents-chat": "gpt-4o-mini",
    "openinference-openai-flaky": "gpt-4o-mini-flaky-2024-07-18",
    "pydantic-ai-v5-function": "fake-function-model",
    "strands": "gpt-4o-mini",
    "strands-latest": "gpt-4o-mini",
}
"""Captures that name another model than the rest: another was used, or only the one asked for is exported."""

TOOLS_UNKNOWN = {
    "otel-openai-v2-chat-event_only": "this version exports no definitions",
    "otel-openai-v2-chat-legacy": "this version exports no definitions",
    "otel-openai-v2-chat-span_only": "this version exports no definitions",
    "otel-openai-v2-stream-span_only": "this version exports no definitions",
    "openinference-openai-agents-chat": "only the tools that ran show their schemas",
    "livekit-agents": "the definitions have no parameters",
}
"""Captures that do not hold the tool definitions in full, and why: the gap must say so."""

WITHOUT_TOKENS = {
    "traceloop-legacy-openai-stream": "streams were not asked for usage",
    "pydantic-ai-v1": "this version counts only for models that it knows the price of",
}
TOKENS = [(426, 67), (1779, 108), (1839, 34), (1070, 10)]
"""Tokens read and written by turn, where the OpenAI chat API was talked to."""


@cache
def conversation(name: str) -> Conversation:
    """The one talk in a capture; traces that tell of none, such as of the building of a graph, do not count."""
    found = [reconstruct(each.spans, each.logs, session_id=each.id) for each in sessions(*recorded_trace(name))]
    talks = [each for each in found if each.turns]
    assert len(talks) == 1
    return talks[0]


def expected_turns(name: str) -> list[dict[str, Any]]:
    turns = list(EXPECTED["turns"])
    if name in AGENTS:
        return [turns[0], HAND_OVER, *turns[1:]]
    if name == "pydantic-ai-v6-stream":  # the application stops at the first text
        stopped = {**turns[1], "steps": turns[1]["steps"][:1], "assistant": None}
        return [turns[0], stopped, *turns[2:]]
    return turns


def expected_steps(turn: dict[str, Any]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = []
    last = [{"text": turn["assistant"]}] if turn["assistant"] else []
    for message, step in enumerate([*turn["steps"], *last]):
        steps += [("say", step["text"], message)] if "text" in step else []
        steps += [("call", call["name"], call["arguments"], message) for call in step.get("tool_calls", [])]
    return steps


def steps_of(turn: Turn) -> list[tuple[Any, ...]]:
    return [
        ("call", step.tool, step.arguments, step.message)
        if isinstance(step, Call)
        else ("say", step.text, step.message)
        for step in turn.steps
    ]


def expected_result(name: str, tool: str) -> Any:
    if name.startswith("vercel"):
        return VERCEL[tool]
    if name == "google-adk-latest":
        return ADK[tool]
    return PAGES if "langgraph" in name and tool == "search_policy" else RESULTS[tool]


def expected_error(name: str) -> str:
    if name in AGENTS:
        return OF_AGENTS
    if "langgraph" in name or name.startswith("vercel-ai7"):
        return f"Error: {ERROR}"
    if name.startswith("strands"):
        return f"Error: NeedsApproval - {ERROR}"
    return ERROR if name.startswith(("livekit", "pydantic", "vercel")) else IN_JSON


@pytest.mark.parametrize("name", COMMON)
def test_what_the_user_said_and_was_told(name: str) -> None:
    said = [(turn.user.text if turn.user else None, turn.reply) for turn in conversation(name).turns]
    told = [(turn["user"], turn["assistant"] or "Let me try that refund.") for turn in expected_turns(name)]
    assert said == told


@pytest.mark.parametrize("name", COMMON)
def test_every_step_stands_in_its_message(name: str) -> None:
    assert [steps_of(turn) for turn in conversation(name).turns] == [expected_steps(t) for t in expected_turns(name)]


@pytest.mark.parametrize("name", COMMON)
def test_every_result_is_what_the_model_read(name: str) -> None:
    for _, _, call in conversation(name).calls():
        if call.error is None:
            assert call.result == expected_result(name, call.tool), call.tool


@pytest.mark.parametrize("name", COMMON)
def test_the_one_error_is_what_the_model_read(name: str) -> None:
    errors = [(call.tool, call.error) for _, _, call in conversation(name).calls() if call.error is not None]
    assert [tool for tool, _ in errors] == ["issue_refund"]
    assert str(errors[0][1]).startswith(expected_error(name))


@pytest.mark.parametrize("name", COMMON)
def test_the_agent_is_known(name: str) -> None:
    agent = conversation(name).agent
    assert str(agent.system_prompt).startswith(EXPECTED["system"])
    assert agent.model == MODELS.get(name, EXPECTED["model_answered"])
    temperature = None if name in ("google-adk-latest", "livekit-agents", "openinference-anthropic") else 0.2
    assert name in AGENTS or name.startswith("strands") or agent.settings.get("temperature") == temperature


@pytest.mark.parametrize("name", COMMON)
def test_the_tool_definitions_are_known_or_a_gap_says_that_they_are_not(name: str) -> None:
    found = conversation(name)
    if name in TOOLS_UNKNOWN:
        assert "agent.tools" in [gap.where for gap in found.gaps]
        return
    definitions = {tool.name: tool for tool in found.agent.tools if tool.name != "transfer_to_refund_desk"}
    assert sorted(definitions) == sorted(EXPECTED["tools"])
    assert all(set(tool.parameters) >= {"type", "properties"} for tool in definitions.values())
    assert all(tool.description for tool in definitions.values())


@pytest.mark.parametrize("name", COMMON)
def test_session_and_user_are_known_where_they_were_sent(name: str) -> None:
    found = conversation(name)
    assert found.session_id == (None if name in SESSIONLESS else EXPECTED["session_id"])
    assert found.user_id == (None if name in USERLESS else EXPECTED["user_id"])


@pytest.mark.parametrize("name", COMMON)
def test_tokens_are_summed_over_the_model_calls_of_a_turn(name: str) -> None:
    tokens = [(turn.tokens.input, turn.tokens.output) for turn in conversation(name).turns]
    if name in WITHOUT_TOKENS:
        assert set(tokens) == {(None, None)}
    elif name.startswith(("openinference-openai-chat", "otel-", "logfire-openai-chat", "langfuse", "traceai-openai")):
        assert tokens == TOKENS or "responses" in name
    else:
        assert all(read and written for read, written in tokens)


@pytest.mark.parametrize("name", COMMON)
def test_every_turn_and_step_has_a_time_a_trace_and_a_source(name: str) -> None:
    for turn in conversation(name).turns:
        assert turn.trace_id is not None
        assert turn.latency_ms is not None
        assert turn.user is not None
        assert turn.user.at is not None
        moments = [step.at for step in turn.steps]
        assert all(moment is not None and moment >= turn.user.at for moment in moments)
        assert moments[-1] == max(moments)  # type: ignore[type-var]  # none is None
        assert all(step.source is not None and step.source.rule and step.source.span_id for step in turn.steps)


@pytest.mark.parametrize("name", COMMON)
def test_nothing_is_called_missing_that_is_there(name: str) -> None:
    allowed = {"agent.tools"} if name in TOOLS_UNKNOWN else set()
    assert {gap.where for gap in conversation(name).gaps} == allowed


def test_a_turn_that_the_model_failed_to_answer_is_kept() -> None:
    found = conversation("openinference-openai-fail")
    assert [turn.user.text for turn in found.turns if turn.user] == ["Hi, where is my order A-1001?", "please fail now"]
    assert found.turns[1].reply is None
    assert [gap.where for gap in found.gaps] == ["turns[1].reply"]
    assert "internal error" in found.gaps[0].why


def test_images_and_sounds_come_out_with_their_address_or_as_a_gap() -> None:
    found = conversation("openinference-openai-image")
    line = found.turns[0].user
    assert line is not None
    assert line.text == "Hi, where is my order A-1001? see picture"
    assert [(each.kind, each.url) for each in line.attachments] == [
        ("image", None),
        ("image", "https://example.com/mug.png"),
        ("audio", "data:audio/wav;base64,UklGRg=="),
    ]
    assert line.attachments[2].sha256 == hashlib.sha256(b"RIFF").hexdigest()
    assert [gap.where for gap in found.gaps] == ["turns[0].user.attachments[0]"]


def test_a_session_too_long_for_the_limit_on_attributes_comes_out_whole() -> None:
    found = conversation("openinference-openai-long")
    four = [(turn["user"], turn["assistant"]) for turn in EXPECTED["turns"]]
    assert [(turn.user.text if turn.user else None, turn.reply) for turn in found.turns] == four * 6
    assert [steps_of(turn) for turn in found.turns] == [expected_steps(turn) for turn in EXPECTED["turns"]] * 6
    assert found.gaps == ()


def gaps_of(name: str) -> set[str]:
    return {gap.where for gap in conversation(name).gaps}


def tools_of(name: str) -> list[list[str]]:
    return [[call.tool for call in turn.calls] for turn in conversation(name).turns]


FOUR_TURNS_OF_TOOLS = [["get_order", "get_shipment"], ["issue_refund", "issue_refund"], ["search_policy"], []]


@pytest.mark.parametrize("name", ["google-adk-native", "pydantic-ai-v5-nocontent", "otel-openai-v2-chat-none"])
def test_where_content_is_switched_off_turns_and_tools_are_known_and_the_words_are_gaps(name: str) -> None:
    found = conversation(name)
    assert [turn.user for turn in found.turns] == [None] * 4
    assert [turn.reply for turn in found.turns] == [None] * 4
    assert tools_of(name) == FOUR_TURNS_OF_TOOLS
    assert {f"turns[{n}].{part}" for n in range(4) for part in ("user", "reply")} <= gaps_of(name)
    assert "agent.system_prompt" in gaps_of(name)


def test_tools_keep_their_content_where_only_the_model_client_hides_it() -> None:
    calls = [call for _, _, call in conversation("otel-openai-v2-chat-none").calls()]
    assert [call.arguments for call in calls][3] == REFUND
    assert calls[3].result == RESULTS["issue_refund"]


def test_hidden_input_leaves_the_answers_and_calls() -> None:
    found = conversation("openinference-openai-hide")
    assert [turn.user for turn in found.turns] == [None] * 4
    assert [turn.reply for turn in found.turns] == [turn["assistant"] for turn in EXPECTED["turns"]]
    assert [steps_of(turn) for turn in found.turns] == [expected_steps(turn) for turn in EXPECTED["turns"]]
    assert {"turns[0].user", "turns[0].steps[0].result", "agent.system_prompt"} <= gaps_of("openinference-openai-hide")


def test_tools_without_any_model_call_come_out_and_the_talk_is_a_gap() -> None:
    name = "otel-genai-agents-span_only"
    assert tools_of(name) == [
        ["get_order", "get_shipment"],
        ["issue_refund"],
        ["issue_refund"] * 2,
        ["search_policy"],
        [],
    ]
    assert {f"turns[{n}].{part}" for n in range(5) for part in ("user", "reply")} <= gaps_of(name)


def test_calls_of_nobody_knows_whom_are_talks_of_their_own() -> None:
    found = sessions(*recorded_trace("otel-genai-openai-none"))
    assert len(found) == 8
    for each in found:
        talk = reconstruct(each.spans, each.logs)
        assert [(turn.user, turn.reply, turn.steps) for turn in talk.turns] == [(None, None, ())]
        assert {"turns[0].user", "turns[0].reply"} <= {gap.where for gap in talk.gaps}


def test_a_session_whose_first_half_is_lost_says_that_something_came_before() -> None:
    spans, _ = recorded_trace("openinference-openai-long")
    late = [span for span in spans if span.dropped_attributes]
    found = reconstruct(late[-6:])
    assert "turns[0]" in [gap.where for gap in found.gaps]
    assert [turn.reply for turn in found.turns][-1] == "You're welcome! Anything else?"

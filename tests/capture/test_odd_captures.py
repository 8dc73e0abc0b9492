"""The same conversation where something is amiss: failed calls, others' model calls, several users at once."""

from __future__ import annotations

from functools import cache

import pytest
from recorded_traces import EXPECTED, recorded_trace

from taketwo.capture.dialects.smolagents import out_of_words
from taketwo.capture.reading import Message, ToolResult
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Conversation

LINES = [(turn["user"], turn["assistant"]) for turn in EXPECTED["turns"]]
CALLS = [
    (number, call["name"], call["arguments"])
    for number, turn in enumerate(EXPECTED["turns"])
    for step in turn["steps"]
    for call in step["tool_calls"]
]


@cache
def told(name: str) -> list[Conversation]:
    return [reconstruct(one.spans, one.logs) for one in sessions(*recorded_trace(name))]


def lines(talk: Conversation) -> list[tuple[str | None, str | None]]:
    return [(turn.user.text if turn.user else None, turn.reply) for turn in talk.turns]


@pytest.mark.parametrize(
    "name", ["retried-calls", "a-title-generator", "a-guard-at-every-line", "instructions-that-tell-the-time"]
)
def test_only_the_talk_with_the_user_is_told_and_each_call_once(name: str) -> None:
    (talk,) = told(name)
    assert lines(talk) == LINES
    assert [(turn, call.tool, call.arguments) for turn, _, call in talk.calls()] == CALLS
    assert talk.gaps == ()


def test_users_who_say_the_same_at_the_same_time_are_kept_apart() -> None:
    assert [lines(talk) for talk in told("three-users-at-once")] == [LINES] * 3
    for talk in told("three-users-at-once"):
        assert [(turn, call.tool, call.arguments) for turn, _, call in talk.calls()] == CALLS


def test_a_line_that_got_an_error_is_a_turn_although_the_application_forgot_it() -> None:
    (talk,) = told("a-line-that-failed")
    assert lines(talk) == [*LINES[:2], (LINES[2][0], None), LINES[3]]
    assert [(gap.where, gap.why[:22]) for gap in talk.gaps] == [("turns[2].reply", "the model call failed:")]


def test_calls_and_results_that_smolagents_tells_in_words_are_calls_and_results() -> None:
    (talk,) = told("smolagents")
    assert lines(talk) == LINES
    calls = [(turn, call) for turn, _, call in talk.calls()]
    assert [(turn, call.tool, call.arguments) for turn, call in calls if call.tool != "final_answer"] == CALLS
    assert [call.arguments["answer"] for _, call in calls if call.tool == "final_answer"] == [said for _, said in LINES]
    failed = [call.error for _, call in calls if call.error]
    assert len(failed) == 1
    assert failed[0].startswith("Error:\nError executing tool 'issue_refund'")
    assert all(call.result or call.error for _, call in calls)
    assert talk.gaps == ()


def test_an_error_that_only_quotes_smolagents_tells_of_no_call() -> None:
    quoted = "Error:\nThe log says: Error executing tool 'pay' with arguments {'sum': 1}: no"
    message = Message(role="tool", results=(ToolResult(value=quoted),))
    (answer,) = out_of_words([message])
    assert answer.results == (ToolResult(value=quoted, failed=True),)


def test_claude_code_tells_lines_and_tools_in_spans_and_all_else_in_raw_bodies() -> None:
    (talk,) = told("claude-code")
    assert lines(talk) == LINES
    calls = [(turn, call) for turn, _, call in talk.calls()]
    assert [(turn, call.tool.removeprefix("mcp__acme__"), call.arguments) for turn, call in calls] == CALLS
    assert ["use AP-77" in str(call.error) for _, call in calls] == [False, False, True, False, False]
    assert talk.gaps == ()
    spans, _ = recorded_trace("claude-code")
    without = reconstruct(spans)
    assert lines(without) == [(line, None) for line, _ in LINES]
    assert [call.result is None for _, _, call in without.calls()] == [False, False, True, False, False]


def test_a_run_that_has_a_model_fill_in_forms_is_told_by_the_run_and_its_tools() -> None:
    (talk,) = told("dspy")
    assert lines(talk) == LINES
    calls = [(turn, call) for turn, _, call in talk.calls() if call.tool != "finish"]
    assert [(turn, call.tool, call.arguments) for turn, call in calls] == CALLS
    assert ["use AP-77" in str(call.error) for _, call in calls] == [False, False, True, False, False]
    assert [gap.where for gap in talk.gaps] == ["agent.system_prompt", "agent.tools"]

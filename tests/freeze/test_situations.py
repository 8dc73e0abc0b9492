"""Described situations become cases that are judged by their outcome alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_providers import fake_providers

from taketwo.conversation import DESCRIBED, Agent, ToolDefinition
from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.described_files import read_description
from taketwo.freeze.files import load, save
from taketwo.freeze.invented import invent
from taketwo.freeze.situations import Answer, Situation, cases_of
from taketwo.freeze.variants import PERSONAS
from taketwo.llm import ModelSettings, open_model
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case, MustCall, MustNotCall, Scenario
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.verdict import CaseResult

AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
LATE = Situation(
    name="Late refund",
    says=("I sent back my shoes two weeks ago and have not got my money.",),
    knows={"order number": "A-1042", "name": "Dana Whitfield"},
    tools=(Answer(call="check_status", arguments={"order_id": "A-1042"}, result={"refund": "paid"}),),
    expected=(MustCall(tool="check_status", arguments={"order_id": "A-1042"}), MustNotCall(tool="issue_refund")),
    why="Is told that the refund was paid.",
)
DESK = Agent(tools=(ToolDefinition(name="check_status"), ToolDefinition(name="issue_refund")))


def careful(messages: list[dict[str, Any]]) -> Any:
    """Asks for what it needs, and looks it up."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    found = [id for line in said for id in re.findall(r"[A-Z]-\d+", line)]
    if messages[-1]["role"] == "tool":
        return "Your refund has been paid. Is there anything else I can do for you?"
    if not any("name is" in line.lower() for line in said):
        return "What is your name, please?"
    if not found:
        return "What is your order number?"
    if any(message["role"] == "tool" for message in messages):
        return "You are welcome. Goodbye!"
    arguments = json.dumps({"order_id": found[0]})
    return {"content": None, "tool_calls": [{"function": {"name": "check_status", "arguments": arguments}}]}


def pays_again(messages: list[dict[str, Any]]) -> str:
    return "Your money is on its way."


async def judged(case: Case, agent: Any) -> CaseResult:
    results: list[CaseResult] = []
    async for event in run_suite([SuiteCase(scenario="described", case=case)], CallableAgent(agent)):
        results += [event.result] if hasattr(event, "result") else []
    (result,) = results
    return result


@pytest.mark.parametrize("persona", [None, *PERSONAS])
async def test_the_user_tells_what_it_knows_when_it_is_asked_and_the_outcome_decides(persona: Any) -> None:
    (case,) = cases_of([LATE], personas=[persona] if persona else [], at=AT)
    run = await replay(case, CallableAgent(careful))
    said = [turn.user.text for turn in run.conversation.turns if turn.user]
    assert "Dana Whitfield" in said[1] and "A-1042" in said[2], "in the order of the questions, not of the description"
    assert run.ending.reason == "completed"


async def test_there_is_nothing_to_compare_with_so_only_what_is_expected_passes_or_fails() -> None:
    (case,) = cases_of([LATE], at=AT)
    good, bad = await judged(case, careful), await judged(case, pays_again)
    assert good.verdict.kind == "pass"
    comparison = good.attempts[0].comparison
    assert comparison.changes == () and "described, not recorded" in comparison.not_comparable[-1]
    assert bad.verdict.kind == "fail" and "check_status" in bad.verdict.reasons[0].text


def test_they_are_marked_and_the_same_description_gives_the_same_cases(tmp_path: Path) -> None:
    cases = cases_of([LATE, LATE], personas=PERSONAS[:2], at=AT)
    assert cases == cases_of([LATE, LATE], personas=PERSONAS[:2], at=AT)
    ids = ["late-refund-terse", "late-refund-terse-2", "late-refund-polite", "late-refund-polite-2"]
    assert [case.id for case in cases] == ids
    for case in cases:
        assert case.origin.kind == "synthetic" and case.origin.conversation is None
        assert case.origin.made_by is not None and case.origin.made_by.startswith("a description, persona ")
        assert [gap.where for gap in case.recorded.gaps] == [DESCRIBED]
    path = tmp_path / "x.scenario.yaml"
    save(Scenario(name="x", cases=tuple(cases)), path)
    assert load(path).cases == tuple(cases)


async def test_a_model_thinks_of_more_and_what_does_not_hold_together_is_refused() -> None:
    def situation(name: str, order: str, tool: str = "check_status") -> dict[str, Any]:
        pair = {"name": "order_id", "value": order}
        return {
            "name": name,
            "says": ["Where is my money for A-7?"],
            "knows": [{"name": "email", "value": "dana@example.com"}],
            "tools": [{"tool": tool, "arguments": [pair], "answer": "paid"}],
            "must_call": [{"tool": tool, "arguments": [pair]}],
            "must_not_call": ["issue_refund"],
            "outcome": "Is told.",
        }

    answer = {"situations": [situation("good", "A-7"), situation("liar", "B-9"), situation("stranger", "A-7", "fly")]}
    with fake_providers(lambda text: answer) as provider:
        settings = ModelSettings(model="openai:gpt-4o-mini", base_url=f"{provider.url}/v1", api_key="k")
        found = await invent("A shop.", DESK, 3, open_model(settings), there=[LATE])
        asked = json.dumps(provider.requests[0][1])
    assert "Late refund" in asked and "issue_refund" in asked
    (good,) = found.situations
    assert good.expected == (
        MustCall(tool="check_status", arguments={"order_id": "A-7"}),
        MustNotCall(tool="issue_refund"),
    )
    assert found.refused == [
        "'liar': the agent is to give 'B-9', which its user neither says nor knows",
        "'stranger': the agent has no tool 'fly'",
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("name: x\nsituations:\n- name: a\n  says: []\n  expected:\n  - must_say: hi\n", "says"),
        ("name: x\nsituations:\n- name: a\n  says: [hi]\n  expected: []\n", "expected"),
        ("name: x\nsituations:\n- name: a\n  says: [hi]\n  expect: []\n", "situations"),
        ("name: x\nsituations: 7\n", "situations"),
    ],
)
def test_what_is_wrong_in_a_description_is_named_with_its_place(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioUnreadable) as refused:
        read_description(path)
    assert "d.yaml" in str(refused.value) and where in str(refused.value)

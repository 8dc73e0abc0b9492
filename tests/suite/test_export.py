"""Exports run where they are meant to run, and read back where we read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.freeze.freeze import freeze
from taketwo.scenario import MustCall, MustNotSay, Scenario
from taketwo.suite.export import chat_log, openai_evals, pytest_file, scenario_script, tau_bench
from taketwo.testing import call, conversation, turn

AGENT = """
def agent(messages):
    last = messages[-1]
    if last["role"] == "user" and "A-1042" in last["content"]:
        call = {"id": "1", "type": "function", "function": {"name": "TOOL", "arguments": '{"order_id": "A-1042"}'}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"role": "assistant", "content": f"It is {last['content']}."}
"""


def scenario() -> Scenario:
    talk = conversation(
        turn("Hi, it's me", reply="Hello! Which order?"),
        turn("A-1042", call("check_status", {"order_id": "A-1042"}, result="delivered"), reply="It is delivered."),
    )
    expected = [MustCall(tool="check_status", turn=2, arguments={"order_id": "A-1042"}), MustNotSay(text="refund")]
    return freeze([talk], name="status", at=datetime.now(UTC), expected=expected, why="It 'was' \\ wrong")


def run_exported(agent: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_status.py").write_text(pytest_file(scenario()), encoding="utf-8")
    (tmp_path / "desk.py").write_text(agent, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:taketwo", "-p", "no:cacheprovider", "test_status.py"]
    environment = {**os.environ, "AGENT": "desk:agent", "PYTHONPATH": str(tmp_path)}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("tool", "code"), [("check_status", 0), ("issue_refund", 1)])
def test_the_pytest_file_runs_without_take_two(tool: str, code: int, kind: str, tmp_path: Path) -> None:
    done = run_exported(AGENT.replace("TOOL", tool).replace("def", kind), tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert "import taketwo" not in (tmp_path / "test_status.py").read_text(encoding="utf-8")


def test_the_pytest_file_refuses_an_agent_whose_calls_it_cannot_see(tmp_path: Path) -> None:
    done = run_exported("async def agent(messages):\n    return 'It is delivered.'\n", tmp_path)
    assert done.returncode == 1
    assert "AGENT gave str, no chat message: its tool calls cannot be seen" in done.stdout
    assert "Traceback" not in done.stdout and "AttributeError" not in done.stdout


def test_the_chat_log_is_imported_as_the_same_conversation(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(chat_log(scenario()), encoding="utf-8")
    (again,) = read_file(tmp_path / "log.jsonl")
    assert isinstance(again, Conversation)
    recorded = scenario().cases[0].recorded
    assert [one.reply for one in again.turns] == [one.reply for one in recorded.turns]
    assert [one.arguments for _, _, one in again.calls()] == [one.arguments for _, _, one in recorded.calls()]


def test_the_other_forms_say_what_was_said_done_and_expected() -> None:
    evals = [json.loads(line) for line in openai_evals(scenario()).splitlines()]
    assert [one["ideal"] for one in evals] == ["Hello! Which order?", "It is delivered."]
    assert evals[1]["input"][-1]["role"] == "tool"
    (task,) = json.loads(tau_bench(scenario()))
    assert task["actions"] == [{"name": "check_status", "kwargs": {"order_id": "A-1042"}}]
    (script,) = json.loads(scenario_script(scenario()))
    assert script["script"] == [{"user": "Hi, it's me"}, {"user": "A-1042"}] and len(script["criteria"]) == 2

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, Limits, replay
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

CASE = Case(id="one", recorded=conversation(turn("Hi", reply="Hello."), turn("Bye", reply="Bye.")))


async def blocks(messages: list[dict[str, str]]) -> str:
    time.sleep(300)
    return "Hello."


async def blocks_and_catches(messages: list[dict[str, str]]) -> str:
    try:
        time.sleep(300)
    except Exception:
        return "Hello."
    return "Hello."


@pytest.mark.parametrize("agent", [blocks, blocks_and_catches])
async def test_an_agent_that_blocks_the_event_loop_takes_too_long(agent: object) -> None:
    began = time.monotonic()
    run = await replay(CASE, CallableAgent(agent), How(limits=Limits(turn_timeout_s=0.2)))
    assert time.monotonic() - began < 100
    assert run.ending.reason == "timed_out"
    assert "blocks the event loop at" in (run.ending.detail or "")
    assert "test_stuck.py" in (run.ending.detail or "")


async def test_a_step_that_is_only_slow_is_left_alone() -> None:
    async def slow(messages: list[dict[str, str]]) -> str:
        time.sleep(0.3)
        return "Hello."

    run = await replay(CASE, CallableAgent(slow), How(limits=Limits(turn_timeout_s=5)))
    assert run.ending.reason == "completed"


def test_the_other_cases_of_a_suite_go_on(tmp_path: Path) -> None:
    program = """
import asyncio, time
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import Limits
from taketwo.scenario import Case
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import conversation, turn

def case(name):
    return SuiteCase(case=Case(id=name, recorded=conversation(turn(name, reply="Hello."))), scenario="suite")

async def agent(messages):
    if messages[-1]["content"] == "stuck":
        time.sleep(300)
    return "Hello."

async def main():
    cases = [case("one"), case("stuck"), case("two")]
    async for event in run_suite(cases, CallableAgent(agent), limits=Limits(turn_timeout_s=2)):
        if hasattr(event, "result"):
            print(event.result.case_id, event.result.verdict.kind)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert sorted(done.stdout.splitlines()) == ["one pass", "stuck fail", "two pass"]

"""Agents that are programs: real processes, well-behaved and not."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import close_agent, open_agent
from taketwo.replay.engine import DEFAULT_LIMITS, How, Limits, replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[3] / "examples" / "command_agent.py"
STATUS = conversation(
    turn("Hello", reply="Which order is it?"),
    turn("Where is A-1?", call("check_status", {"order_id": "A-1"}, result="on its way"), reply="A-1 is on its way."),
)
LOOP = "import json, os, sys, time\nfor number, line in enumerate(sys.stdin):\n    "


def spec(program: str) -> str:
    return f"cmd:{shlex.join([sys.executable, '-u', '-c', LOOP + program])}"


async def run(spec: str, limits: Limits = DEFAULT_LIMITS, times: int = 1) -> list[Run]:
    agent = open_agent(spec)
    try:
        case = Case(id="status", recorded=STATUS)
        return await asyncio.gather(*(replay(case, agent, How(limits=limits)) for _ in range(times)))
    finally:
        await close_agent(agent)


def replies(run: Run) -> list[str | None]:
    return [one.reply for one in run.conversation.turns]


async def test_the_example_says_and_does_what_was_recorded_in_several_replays_at_a_time() -> None:
    for done in await run(f"cmd:{shlex.join([sys.executable, str(EXAMPLE)])}", times=3):
        assert done.ending.reason == "completed"
        assert replies(done) == ["Which order is it?", "A-1 is on its way."]
        assert [answer.tier for answer in done.tool_answers] == ["exact"]


async def test_a_conversation_stays_with_its_process_and_the_next_one_takes_it_over() -> None:
    agent = open_agent(spec("print(json.dumps(f'{os.getpid()} {number}'))"))
    try:
        case = Case(id="status", recorded=STATUS)
        one = replies(await replay(case, agent))
        both = await asyncio.gather(replay(case, agent), replay(case, agent))
    finally:
        await close_agent(agent)
    pid = str(one[0]).split()[0]
    assert one == [f"{pid} 0", f"{pid} 1"]
    assert [f"{pid} 2", f"{pid} 3"] in [replies(done) for done in both]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("print('debug: here I am')", "no JSON (logs belong to stderr): debug: here I am"),
        ("print('[1]')", "the agent returned list"),
        (
            "print('\"Hi\"') if number == 0 else sys.exit('boom at last')",
            "the program ended in the middle of a turn: exit code 1: boom at last",
        ),
        ("print('\"Hi\"') if number == 0 else os.kill(os.getpid(), 9)", "exit code -9: it wrote nothing"),
    ],
)
async def test_what_the_program_does_wrong_is_a_finding(program: str, detail: str) -> None:
    (done,) = await run(spec(program))
    assert done.ending.reason == "agent_failed"
    assert detail in (done.ending.detail or "")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("cmd:no-such-program-anywhere", "cannot be started: No such file or directory"),
        (f"cmd:{sys.executable} -c 'import no_such_module'", "No module named 'no_such_module'"),
    ],
)
async def test_a_program_that_never_answered_is_no_finding(spec: str, told: str) -> None:
    with pytest.raises(AgentUnreachable, match=told):
        await run(spec)


@pytest.mark.parametrize("program", ["time.sleep(60)", "os.close(1); time.sleep(60)", "os.system('sleep 60')"])
async def test_a_program_that_hangs_is_ended_with_what_it_started(program: str) -> None:
    began = time.monotonic()
    try:
        (done,) = await run(spec(program), Limits(turn_timeout_s=0.5))
        assert done.ending.reason in ("timed_out", "agent_failed")
    except AgentUnreachable as error:
        assert "closed its output" in str(error)
    assert time.monotonic() - began < 10

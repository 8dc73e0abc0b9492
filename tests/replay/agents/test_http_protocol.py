"""Agents behind a URL of their own: the examples, run as users run them, and a server that misbehaves as told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_endpoint import Answer, drop, hang, raw, serving

from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import close_agent, open_agent
from taketwo.replay.agents.http_protocol import HttpAgent
from taketwo.replay.engine import DEFAULT_LIMITS, How, Limits, replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, together, turn

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"
JS = Path(__file__).parents[2] / "js"
STATUS = conversation(
    turn("Hello", reply="Which order is it?"),
    turn("Where is A-1?", call("check_status", {"order_id": "A-1"}, result="on its way"), reply="A-1 is on its way."),
).but(started_at=datetime(2026, 3, 14, 9, tzinfo=UTC))


async def run(url: str, limits: Limits = DEFAULT_LIMITS) -> Run:
    agent = HttpAgent(url, first_pause_s=0.01)
    try:
        return await replay(Case(id="status", recorded=STATUS), agent, How(limits=limits))
    finally:
        await close_agent(agent)


@contextmanager
def started(*command: str) -> Iterator[str]:
    """A server that prints its URL when it is ready."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(120)
        process.stdout.close()


async def test_the_example_in_python_says_and_does_what_was_recorded() -> None:
    with started(sys.executable, str(EXAMPLES / "http_agent.py"), "0") as url:
        done = await run(url)
    assert done.ending.reason == "completed"
    assert [one.reply for one in done.conversation.turns] == ["Which order is it?", "A-1 is on its way."]
    assert [answer.tier for answer in done.tool_answers] == ["exact"]


async def test_the_example_in_typescript_does_so_too(tmp_path: Path) -> None:
    script = _as_javascript(EXAMPLES / "http_agent.ts", tmp_path)
    with started("node", str(script), "0") as url:
        done = await run(url)
    assert done.ending.reason == "completed"
    assert [one.reply for one in done.conversation.turns] == ["Which order is it?", "A-1 is on its way."]
    assert [answer.tier for answer in done.tool_answers] == ["exact"]


def _as_javascript(source: Path, folder: Path) -> Path:
    """The example itself where node reads TypeScript, else what the compiler makes of it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed, so the example in TypeScript cannot be tried")
    found = subprocess.run(["node", "-p", "process.features.typescript"], capture_output=True, text=True, check=True)
    if found.stdout.strip() in ("strip", "transform"):
        return source
    target = folder / "http_agent.mjs"
    command = ["npm", "exec", "--yes", "--package", "typescript@5.9.2", "--", "tsc"]
    options = "--target es2022 --module nodenext --skipLibCheck --noCheck --outDir".split()
    copied = folder / "http_agent.mts"
    copied.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([*command, *options, str(folder), str(copied)], check=True, capture_output=True, timeout=120)
    return target


async def test_what_is_posted_is_the_whole_turn() -> None:
    says = [json.dumps({"content": turn.reply}).encode() for turn in STATUS.turns]
    with serving(*(raw(200, said) for said in says)) as (url, fake):
        done = await run(url.replace("/v1/chat/completions", "/agent"))
    first, second = fake.requests
    named = "thread_id execution_id case_id recorded_at seed tools_url messages new_message"
    assert set(first) == set(named.split())
    assert (first["execution_id"], first["case_id"]) == (done.id, "status")
    assert first["recorded_at"] == fake.headers[0]["x-taketwo-recorded-at"] == "2026-03-14T09:00:00Z"
    assert first["thread_id"] == second["thread_id"] == done.conversation.id
    assert first["new_message"] == {"role": "user", "content": "Hello"}
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]


async def test_results_of_tools_are_posted_back() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "check_status", "arguments": '{"order_id": "A-1"}'}}]
    asks = json.dumps({"content": None, "tool_calls": calls}).encode()
    says = json.dumps({"content": "Fine.", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}).encode()
    with serving(raw(200, asks), raw(200, says)) as (url, fake):
        done = await run(f"{url}/of/mine")
    result = {"role": "tool", "tool_call_id": "c1", "name": "check_status", "content": "on its way"}
    assert fake.requests[1]["messages"][-1] == fake.requests[1]["new_message"] == result
    assert done.conversation.turns[1].tokens.output == 4


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (raw(500, b'{"error": "no such luck"}'), "the endpoint answered 500: no such luck"),
        (raw(200, b"<html>"), "the answer is no JSON: <html>"),
        (raw(200, b'{"reply": "hi"}'), "there is no `content` in it"),
        (raw(200, b"[1]"), "the agent returned list"),
    ],
)
async def test_what_the_agent_does_wrong_is_a_finding(answer: Answer, detail: str) -> None:
    with serving(answer) as (url, _):
        done = await run(f"{url}/of/mine")
    assert done.ending.reason == "agent_failed"
    assert detail in (done.ending.detail or "")


@pytest.mark.parametrize("answer", [raw(404, b""), raw(503, b"busy"), raw(401, b""), drop])
async def test_where_there_is_no_agent_nothing_is_found(answer: Answer) -> None:
    with serving(answer) as (url, _), pytest.raises(AgentUnreachable):
        await run(f"{url}/of/mine")


async def test_an_agent_that_never_answers_has_timed_out() -> None:
    with serving(hang) as (url, _):
        done = await run(f"{url}/of/mine", Limits(turn_timeout_s=0.3))
    assert done.ending.reason == "timed_out"


async def test_a_key_for_models_is_not_given_to_an_agent() -> None:
    with serving(raw(200, b'"Hi"')) as (url, fake):
        agent = open_agent(f"{url}/of/mine", llm_api_key="sk-secret")
        await replay(Case(id="status", recorded=conversation(turn("Hi", reply="Hi"))), agent)
        await close_agent(agent)
    assert "authorization" not in fake.headers[0]


async def test_parallel_calls_are_answered_together() -> None:
    talk = conversation(turn("Both?", *together(call("a", result="1"), call("b", error="gone")), reply="ok"))
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("b", "a")]
    asks = json.dumps({"content": "Looking.", "tool_calls": calls}).encode()
    with serving(raw(200, asks), raw(200, b'"ok"')) as (url, fake):
        agent = HttpAgent(f"{url}/of/mine")
        await replay(Case(id="both", recorded=talk), agent)
        await close_agent(agent)
    assert [message["content"] for message in fake.requests[1]["messages"][-2:]] == ["gone", "1"]

"""Recorded tools for agents in other processes: over plain HTTP, joined by the address or by baggage."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from taketwo.replay.agents import Exchange, Reply, close_agent, open_agent
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.agents.propagation import headers
from taketwo.replay.engine import How, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.server.gateway import gateway
from taketwo.server.nearby import bound
from taketwo.server.tool_routes import run_in_baggage
from taketwo.testing import call, conversation, turn

pytestmark = pytest.mark.slow

STATUS = conversation(
    turn("Where is A/1?", call("check/status", {"id": "A/1"}, result={"parcel": "lost"}), reply="Lost."),
    turn("And B?", call("find", {"id": "B"}, error="no B"), reply="There is no B."),
).but(started_at=datetime(2026, 3, 14, 9, tzinfo=UTC))


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    with bound() as listening:
        async with gateway(listening) as url:
            yield url


async def run(agent: Any, policy: ToolPolicy = ToolPolicy()) -> Run:  # noqa: B008  # a value, never changed
    return await replay(Case(id="status", recorded=STATUS), CallableAgent(agent), How(tools=policy))


async def test_a_call_is_joined_to_its_replay_by_the_address_or_by_baggage() -> None:
    got: list[Any] = []
    async with serving() as url, httpx.AsyncClient(timeout=120) as client:

        async def agent(exchange: Exchange) -> Reply:
            here = f"{url}/runs/{exchange.execution_id}"
            if exchange.thread_id not in got:
                got.append(exchange.thread_id)
                got.append((await client.get(f"{here}/tools")).json()["tools"][0]["name"])
                got.append((await client.get(f"{here}/clock")).json())
                got.append((await client.post(f"{here}/tools/check%2Fstatus", json={"id": "A/1"})).json())
                return Reply(text="Lost.")
            by_baggage = {"baggage": f"user=7,{headers(exchange)['baggage']}"}
            got.append((await client.post(f"{url}/tools/find", json={"id": "B"}, headers=by_baggage)).json())
            return Reply(text="There is no B.")

        done = await run(agent)
    assert got[1:] == [
        "check/status",
        {"now": "2026-03-14T09:00:00Z"},
        {"result": {"parcel": "lost"}, "error": None, "is_over": False},
        {"result": None, "error": "no B", "is_over": False},
    ]
    assert done.ending.reason == "completed"
    assert [answer.tier for answer in done.tool_answers] == ["exact", "exact"]
    assert [turn.calls[0].tool for turn in done.conversation.turns] == ["check/status", "find"]


async def test_a_call_that_was_not_recorded_ends_the_replay_and_is_told_so() -> None:
    got: list[tuple[int, dict[str, Any]]] = []
    async with serving() as url, httpx.AsyncClient(timeout=120) as client:

        async def agent(exchange: Exchange) -> Reply:
            response = await client.post(f"{url}/runs/{exchange.execution_id}/tools/find", json={"id": "C"})
            got.append((response.status_code, response.json()))
            return Reply(text=STATUS.turns[sum(m["role"] == "user" for m in exchange.messages) - 1].reply)

        done = await run(agent, ToolPolicy(on_miss="error"))
        stopped = await run(agent)
    assert done.ending.reason == "completed"
    assert got[0][0] == 200 and "no answer" in got[0][1]["error"]
    assert stopped.ending.reason == "missed"
    assert not any("lost" in str(body) for _, body in got)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/runs/nobody/tools/find", b"{}", 404), ("/tools/find", b"{}", 404)],
)
async def test_a_call_that_belongs_to_no_replay_gets_nothing(path: str, body: bytes, status: int) -> None:
    async with serving() as url, httpx.AsyncClient(timeout=120) as client:
        response = await client.post(url + path, content=body)
    assert response.status_code == status
    assert "no such replay" in response.json()["error"]


async def test_arguments_that_are_no_object_are_refused() -> None:
    async with serving() as url, httpx.AsyncClient(timeout=120) as client:

        async def agent(exchange: Exchange) -> Reply:
            response = await client.post(f"{url}/runs/{exchange.execution_id}/tools/find", content=b"[1")
            return Reply(text=str(response.status_code))

        done = await run(agent)
    assert [one.reply for one in done.conversation.turns] == ["400", "400"]


async def test_a_program_calls_its_tools_by_itself() -> None:
    program = """
import json, sys, urllib.request
for line in sys.stdin:
    asked = json.loads(line)
    is_about_b = asked["new_message"]["content"] == "And B?"
    tool, arguments = ("find", {"id": "B"}) if is_about_b else ("check%2Fstatus", {"id": "A/1"})
    url = f"{asked['tools_url']}/tools/{tool}"
    answer = json.load(urllib.request.urlopen(url, json.dumps(arguments).encode()))
    print(json.dumps("There is no B." if answer["error"] else "Lost."), flush=True)
"""
    async with serving() as url:
        agent = open_agent(f"cmd:{shlex.join([sys.executable, '-c', program])}", tools_url=url)
        done = await replay(Case(id="status", recorded=STATUS), agent)
        await close_agent(agent)
    assert done.ending.reason == "completed"
    assert [answer.tier for answer in done.tool_answers] == ["exact", "exact"]


@pytest.mark.parametrize(
    ("baggage", "run_id"),
    [("taketwo.run.id=abc", "abc"), ("a=1, taketwo.run.id = a%2Fb;meta=1 ,c", "a/b"), ("a=1", None), ("", None)],
)
def test_baggage_names_the_run(baggage: str, run_id: str | None) -> None:
    assert run_in_baggage(baggage) == run_id

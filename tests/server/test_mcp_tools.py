"""The recorded MCP server, met by the real MCP client."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from taketwo.freeze.files import save
from taketwo.replay.agents import Exchange, Reply
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case, Scenario
from taketwo.testing import call, conversation, turn

mcp = pytest.importorskip("mcp", reason="the extra 'mcp' is not installed")

from mcp.client.client import Client  # noqa: E402  # only where it is installed
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402

from taketwo.server.gateway import gateway  # noqa: E402
from taketwo.server.nearby import bound  # noqa: E402

pytestmark = pytest.mark.slow

STATUS = conversation(
    turn(
        "Where is A-1?",
        call("check_status", {"id": "A-1"}, result={"parcel": "lost"}),
        call("issue_refund", {"id": "A-1"}, error="not yours"),
        reply="Lost.",
    ),
    writes=("issue_refund",),
)


def text(result: Any) -> str:
    return str(result.content[0].text)


async def test_an_mcp_client_inside_a_replay_meets_the_recorded_tools() -> None:
    seen: list[Any] = []
    told: list[Any] = []
    with bound() as listening:
        async with gateway(listening) as url:

            async def agent(exchange: Exchange) -> Reply:
                async with Client(f"{url}/runs/{exchange.execution_id}/mcp") as client:
                    seen.append((await client.list_tools()).tools)
                    told.append((await client.call_tool("taketwo_clock", {})).structured_content)
                    seen.append(await client.call_tool("check_status", {"id": "A-1"}))
                    seen.append(await client.call_tool("issue_refund", {"id": "A-1"}))
                return Reply(text="Lost.")

            done = await replay(Case(id="status", recorded=STATUS), CallableAgent(agent))
    tools, found, refused = seen
    assert [(tool.name, tool.description) for tool in tools] == [
        ("check_status", "The tool check_status."),
        ("issue_refund", "The tool issue_refund."),
        ("taketwo_clock", "The time at which this conversation was recorded: what `now` is in it."),
    ]
    said = STATUS.turns[0].user
    assert said is not None
    there = said.at or STATUS.started_at
    assert told == [{"now": None if there is None else there.isoformat().replace("+00:00", "Z")}]
    assert (text(found), found.structured_content, found.is_error) == ('{"parcel": "lost"}', {"parcel": "lost"}, False)
    assert (text(refused), refused.is_error) == ("not yours", True)
    assert done.ending.reason == "completed"
    assert [answer.tier for answer in done.tool_answers] == ["exact", "exact"]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "status.scenario.yaml"
    save(Scenario(name="status", cases=(Case(id="status", recorded=STATUS),)), path)
    return path


async def test_a_recording_is_an_mcp_server_of_its_own_on_stdio(scenario: Path, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    server = StdioServerParameters(command=sys.executable, args=["-m", "taketwo", "mcp", str(scenario)])
    with errors.open("w", encoding="utf-8") as stderr:
        async with Client(stdio_client(server, errlog=stderr)) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == [
                "check_status",
                "issue_refund",
                "taketwo_clock",
            ]
            assert text(await client.call_tool("check_status", {"id": "A-1"})) == '{"parcel": "lost"}'
            missed = await client.call_tool("check_status", {"id": "B-2"})
            assert missed.is_error
    said = errors.read_text(encoding="utf-8").splitlines()
    assert said[0] == "check_status(id=A-1)  exact"
    assert said[1].startswith("check_status(id=B-2)  miss: id: recorded")


@contextmanager
def started(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "taketwo", "mcp", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        (url,) = re.findall(r"http://\S+", line)
        yield url
    finally:
        process.terminate()
        process.wait(120)
        process.stderr.close()


async def test_and_over_streamable_http(scenario: Path) -> None:
    with started(str(scenario), "--port", "0") as url:
        async with Client(url) as client:
            assert text(await client.call_tool("check_status", {"id": "A-1"})) == '{"parcel": "lost"}'


async def test_a_client_that_only_starts_programs_joins_a_replay_through_one() -> None:
    seen: list[str] = []
    with bound() as listening:
        async with gateway(listening) as url:

            async def agent(exchange: Exchange) -> Reply:
                arguments = ["-m", "taketwo", "mcp", "--join", f"{url}/runs/{exchange.execution_id}"]
                server = StdioServerParameters(command=sys.executable, args=arguments)
                async with Client(stdio_client(server)) as client:
                    seen.append((await client.list_tools()).tools[0].name)
                    seen.append(text(await client.call_tool("check_status", {"id": "A-1"})))
                return Reply(text="Lost.")

            done = await replay(Case(id="status", recorded=STATUS), CallableAgent(agent))
    assert seen == ["check_status", '{"parcel": "lost"}']
    assert [answer.tier for answer in done.tool_answers] == ["exact"]

"""The loop of a coding assistant, by the real MCP client: find, look, replay, mend, replay, keep."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from made_production import stocked

from taketwo.freeze.files import load
from taketwo.store import open_store

pytest.importorskip("mcp", reason="the extra 'mcp' is not installed")

from mcp.client.client import Client  # only where it is installed
from mcp.client.stdio import StdioServerParameters, stdio_client

pytestmark = pytest.mark.slow

BROKEN = "def agent(messages):\n    return 'You get your money back.'\n"
MENDED = """
from made_production import same_agent as agent
"""


def text(result: Any) -> str:
    return str(result.content[0].text)


async def test_an_assistant_goes_the_whole_loop(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    stocked(open_store(url), 2).close()
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (tmp_path / "my_agent.py").write_text(BROKEN)
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "taketwo", "mcp", "--store", url], env=environment, cwd=tmp_path
    )
    async with Client(stdio_client(server)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["find_sessions", "show_session", "replay", "compare", "keep"]
        described = [one["description"] for tool in tools.values() for one in tool.input_schema["properties"].values()]
        assert all(described) and "unanswered" in described[0] and "find_sessions" in str(client.instructions)
        assert [tool.annotations.read_only_hint for tool in tools.values()] == [True] * 4 + [False]

        found = await client.call_tool("find_sessions", {"filter": "tool:check_status"})
        assert "desk-0" in text(found) and "desk-1" in text(found)
        shown = await client.call_tool("show_session", {"id": "desk-0"})
        assert "check_status" in text(shown)

        asked = {"targets": ["desk-0"], "agent": "my_agent:agent"}
        broken = await client.call_tool("replay", asked)
        assert "changed" in text(broken) and not broken.is_error
        (tmp_path / "my_agent.py").write_text(MENDED)
        mended = await client.call_tool("replay", asked)
        assert "PASS desk-0" in text(mended) and "exit code 0" in text(mended)

        compared = await client.call_tool("compare", {"recorded": "desk-0", "replayed": "desk-1"})
        assert "A-1001" in text(compared)
        kept = {"ids": ["desk-0"], "out": "desk.scenario.yaml", "why": "It refunded.", "must_call": ["check_status@1"]}
        assert not (await client.call_tool("keep", kept)).is_error
        assert load(tmp_path / "desk.scenario.yaml").cases[0].expected[0].tool == "check_status"

        for name, wrong, told in [
            ("keep", {**kept, "out": "../x.scenario.yaml"}, "outside"),
            ("show_session", {"id": "nobody-there"}, "there is no conversation"),
            ("show_session", {"id": "--help"}, "there is no conversation"),
            ("replay", {"targets": []}, "targets"),
            ("replay", {"targets": ["desk-0"], "agent": "nowhere:agent"}, "nowhere"),
            ("delete", {}, "there is no tool"),
        ]:
            refused = await client.call_tool(name, wrong)
            assert refused.is_error and told in text(refused), (name, text(refused))

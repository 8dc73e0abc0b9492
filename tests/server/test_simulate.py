"""`taketwo.simulate` against a real server: the agent stays in this process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from made_production import forgetful_agent, same_agent, stocked

import taketwo
from taketwo.errors import BadSetting, NotFound, ServerUnreachable
from taketwo.sdk.simulate import git_revision
from taketwo.store import open_store


def made(client: httpx.Client, path: str, **body) -> dict:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def with_run_test(client: httpx.Client, name: str = "nightly", project: str = "shop", **asked) -> dict:
    """A run test over everything in a project."""
    session = made(client, "replay-sessions", project_id=project, select_all=True)
    made(client, f"replay-sessions/{session['id']}/generate-scenario", no_of_rows=session["usable"])
    while (session := client.get(f"/api/replay-sessions/{session['id']}").json())["current_step"] == "generating":
        time.sleep(0.02)
    ids = {"agent_definition_id": session["agent_definition_id"], "scenario_ids": [session["scenario_id"]]}
    return made(client, "run-tests", name=name, **ids, **asked)


@pytest.fixture(scope="module")
def client(serving):
    with serving(stocked(open_store("memory:"), 7)) as client:
        with_run_test(client)
        yield client


def test_a_run_test_is_run_against_an_agent_in_this_process(client: httpx.Client, capsys) -> None:
    report = taketwo.simulate("nightly", same_agent, server=str(client.base_url))
    assert report.passed and report.exit_code() == 0
    assert report.execution.verdicts == {"pass": 7}
    assert report.execution.runner == "sdk" and report.execution.revision == git_revision()
    assert report.results.percentage == 100
    assert [call.verdict for call in report.calls] == ["pass"] * 7
    assert "7/7" in capsys.readouterr().err
    assert str(report).startswith("7 rows: 7 pass")


async def test_the_same_in_an_event_loop_and_with_an_async_agent(client: httpx.Client) -> None:
    async def agent(messages: list[dict]) -> str:
        await asyncio.sleep(0)
        return forgetful_agent(messages)

    told: list[str] = []
    report = await taketwo.simulate_async("nightly", agent, server=str(client.base_url), progress=told.append)
    assert report.execution.verdicts == {"changed": 7}
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 1)
    assert len(told) == 7 and "changed" in told[0]
    with pytest.raises(BadSetting, match="simulate_async"):
        taketwo.simulate("nightly", agent)


def test_an_agent_that_raises_in_a_later_turn_is_a_finding_of_that_row(client: httpx.Client) -> None:
    def agent(messages: list[dict]):
        if messages[-1]["content"] == "Thanks!":
            raise RuntimeError("no thanks")
        return same_agent(messages)

    report = taketwo.simulate("nightly", agent, server=str(client.base_url), progress=False)
    assert report.execution.verdicts == {"fail": 7} and report.exit_code() == 1
    assert "no thanks" in report.calls[0].headline
    assert report.calls[0].ended_reason == "agent_failed"


async def test_several_take_part_in_one_execution_and_no_row_is_replayed_twice(client: httpx.Client) -> None:
    url = str(client.base_url)
    test = client.get("/api/run-tests", params={"name": "nightly"}).json()["run_tests"][0]
    execution = made(client, f"run-tests/{test['id']}/executions", runner="sdk")
    asked: list[str] = []

    async def agent(given: taketwo.AgentInput) -> object:
        asked.append(given.execution_id)
        await asyncio.sleep(0.01)
        return same_agent(given.messages)

    async def take_part() -> taketwo.Simulated:
        return await taketwo.simulate_async(execution["id"], agent, concurrency=2, server=url, progress=False)

    reports = await asyncio.gather(take_part(), take_part())
    assert {report.execution.id for report in reports} == {execution["id"]}
    assert [report.execution.verdicts for report in reports] == [{"pass": 7}] * 2 and len(set(asked)) == 7


async def test_whoever_leaves_an_execution_that_others_began_does_not_end_it(client: httpx.Client) -> None:
    url = str(client.base_url)
    test = client.get("/api/run-tests", params={"name": "nightly"}).json()["run_tests"][0]
    execution = made(client, f"run-tests/{test['id']}/executions", runner="sdk")
    began = asyncio.Event()

    async def never(given: taketwo.AgentInput) -> str:
        began.set()
        await asyncio.sleep(600)
        return "too late"

    async with asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(taketwo.simulate_async(execution["id"], never, server=url, progress=False))
        await began.wait()
        leaving.cancel()
    assert client.get(f"/api/test-executions/{execution['id']}").json()["status"] == "running"
    chatted = made(client, f"run-tests/{test['id']}/executions", runner="chat")
    with pytest.raises(BadSetting, match="by the chat"):
        await taketwo.simulate_async(chatted["id"], same_agent, server=url)


def test_what_cannot_be_done_is_one_line(client: httpx.Client) -> None:
    url = str(client.base_url)
    with pytest.raises(NotFound, match="there is no run test 'x'"):
        taketwo.simulate("x", same_agent, server=url)
    with pytest.raises(BadSetting, match="concurrency"):
        taketwo.simulate("nightly", same_agent, server=url, concurrency=0)


async def test_a_server_that_is_not_there_is_tried_for_a_while_and_then_named() -> None:
    from taketwo.sdk.client import Client

    client = Client("http://127.0.0.1:9", patience_s=0.3)
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9"):
        await client.get("/projects", dict)
    await client.close()


def test_the_command_line_runs_it_and_writes_every_report(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "my_agent.py").write_text("def agent(messages):\n    return 'I do not know.'\n")
    command = [sys.executable, "-m", "taketwo", "replay", "--run-test", "nightly", "--agent", "my_agent:agent"]
    command += ["--server", str(client.base_url), "--junit", "out.xml", "--json", "out.json", "--strict"]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "changed" in done.stdout
    assert (tmp_path / "out.xml").read_text().count("<testcase") == 7
    assert '"case_id"' in (tmp_path / "out.json").read_text()


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again_loses_no_row(server_process, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.sqlite3"
    opened = open_store(store)
    stocked(opened, 12)
    opened.close()
    first = server_process(store)
    with httpx.Client(base_url=first.address, timeout=30) as client:
        with_run_test(client)
    port = first.address.rpartition(":")[2]
    killed: list[bool] = []

    async def agent(messages: list[dict]):
        await asyncio.sleep(0.05)
        if len(messages) > 3 and not killed:
            killed.append(True)
            first.kill()
            await asyncio.to_thread(server_process, store, port)
        return same_agent(messages)

    report = taketwo.simulate("nightly", agent, server=first.address, concurrency=2, progress=False)
    assert killed and report.execution.verdicts == {"pass": 12}

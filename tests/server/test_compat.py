"""Existing clients, unmodified: the chat client `agent-simulate` from PyPI, and scripts written for its platform."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from made_production import AT, conversation, stocked
from test_simulate import with_run_test

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.store import Store, open_store

needs_client = pytest.mark.skipif(
    importlib.util.find_spec("fi") is None, reason="agent-simulate is not installed: pip install '.[dev-slow]'"
)


CASES = {
    "tools": ("tools", 3, 5),
    "only tools": ("only_tools", 2, 5),
    "plain": ("plain", 2, 5),
    "crash": ("crash", 2, 5),
    "crash at once": ("crash_at_once", 2, 5),
    "long": ("plain", 1, 5),
    "many": ("tools", 200, 20),
    "traced": ("traced", 2, 2),
}
"""Run tests by name: the client's agent, how many rows, and at which concurrency."""


@pytest.fixture
def store() -> Store:
    return open_store("memory:")


@pytest.fixture(scope="module")
def chatted(serving) -> Iterator[tuple[httpx.Client, dict[str, list]]]:
    """A server after the real client has run all cases, in one process, as its import takes seconds."""
    kept = open_store("memory:")
    turns = tuple(Turn(index=n, user=UserLine(text=f"Line {n}"), reply="You are welcome.") for n in range(60))
    kept.put_conversation(Conversation(id="long", project="long", started_at=AT, turns=turns))
    for name, (_, rows, _) in CASES.items():
        for number in range(rows if name != "long" else 0):
            kept.put_conversation(conversation(number, project=name))
    with serving(kept) as client:
        for name in CASES:
            with_run_test(client, name, project=name, users="verbatim")
        command = [sys.executable, str(Path(__file__).with_name("chat_client.py")), str(client.base_url)]
        command += [f"{name}:{agent}:{concurrency}" for name, (agent, _, concurrency) in CASES.items()]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Fetching batch" in done.stdout
        yield client, json.loads(done.stdout.rpartition("SEEN ")[2])


def rows_of(client: httpx.Client, name: str) -> list[dict]:
    """The rows of the last execution of a run test."""
    test = client.get("/api/run-tests", params={"name": name}).json()["run_tests"][0]
    execution = client.get(f"/api/run-tests/{test['id']}/executions").json()["test_executions"][0]
    page = client.get(f"/api/test-executions/{execution['id']}/call-executions", params={"limit": 500})
    assert execution["status"] == "completed", execution
    return page.json()["call_executions"]


@needs_client
@pytest.mark.slow
def test_the_chat_client_runs_its_own_loop_with_its_tools(chatted) -> None:
    client, seen = chatted
    # After tool calls the client shows its agent the history as its platform sends it: all as `user`.
    assert sorted(len(messages) for messages in seen["tools"]) == [1, 1, 1, 3, 3, 3]
    longest = next(messages for messages in seen["tools"] if len(messages) == 3)
    assert [one["content"] for one in longest[1:]] == ["It is on its way.", "Thanks!"]
    rows = rows_of(client, "tools")
    assert [row["verdict"] for row in rows] == ["pass"] * 3
    sides = client.get(f"/api/call-executions/{rows[0]['id']}/comparison").json()
    call = sides["replayed"]["turns"][0]["steps"][0]
    assert (call["tool"], call["result"]) == ("check_status", '{"status": "shipped"}')
    assert sides["run"]["tool_answers"][0]["tier"] == "agent"


@needs_client
@pytest.mark.slow
def test_a_turn_of_tool_calls_alone_is_taken_and_the_user_speaks_next(chatted) -> None:
    client, seen = chatted
    assert sorted(len(messages) for messages in seen["only tools"]) == [1, 1, 2, 2]
    rows = rows_of(client, "only tools")
    assert [row["ended_reason"] for row in rows] == ["completed"] * 2
    assert rows[0]["verdict"] == "changed" and rows[0]["replayed"]["tool_calls"] == 1


@needs_client
@pytest.mark.slow
def test_an_agent_without_tools_sees_its_own_words_as_its_own(chatted) -> None:
    roles = [[message["role"] for message in messages] for messages in chatted[1]["plain"]]
    assert sorted(roles, key=len) == [["user"]] * 2 + [["user", "assistant", "user"]] * 2


@needs_client
@pytest.mark.slow
@pytest.mark.parametrize(("name", "turn"), [("crash", 1), ("crash at once", 0)])
def test_a_crash_of_the_agent_is_a_failed_row_with_the_reason(chatted, name: str, turn: int) -> None:
    client, _ = chatted
    rows = rows_of(client, name)
    assert [row["verdict"] for row in rows] == ["fail"] * 2
    assert "Error processing simulation" in rows[0]["headline"]
    told = client.get(f"/simulate/call-executions/{rows[0]['id']}/").json()
    assert told["status"] == "failed" and "Error processing" in told["ended_reason"]
    assert rows[0]["replayed"]["turns"] == turn + 1


@needs_client
@pytest.mark.slow
def test_a_chat_longer_than_the_client_goes_is_judged_as_far_as_it_went(chatted) -> None:
    (row,) = rows_of(chatted[0], "long")
    assert (row["verdict"], row["ended_reason"]) == ("inconclusive", "cancelled")
    assert row["replayed"]["turns"] >= 50


@needs_client
@pytest.mark.slow
def test_two_hundred_rows_at_concurrency_twenty(chatted) -> None:
    rows = rows_of(chatted[0], "many")
    assert len(rows) == 200 and {row["verdict"] for row in rows} == {"pass"}
    assert all(len(row["handed_out"]) == 1 for row in rows)


@needs_client
@pytest.mark.slow
def test_spans_of_the_agent_join_their_rows_and_are_no_production(chatted) -> None:
    client, _ = chatted
    for row in rows_of(client, "traced"):
        spans = client.get(f"/api/call-executions/{row['id']}/spans").json()["spans"]
        assert [span["name"] for span in spans] == ["answer", "answer"]
    assert client.get("/api/traces", params={"project": "traced"}).json()["traces"] == []


def chat(client: httpx.Client, id: str, **body) -> httpx.Response:
    return client.post(f"/simulate/call-executions/{id}/chat/send-message/", json=body)


def began(client: httpx.Client) -> tuple[str, list[str]]:
    with_run_test(client)
    test = client.get("/simulate/run-tests/get-id-by-name/nightly/").json()["result"]["run_test_id"]
    execution = client.post(f"/simulate/run-tests/{test}/chat-execute/", json={}).json()["result"]["execution_id"]
    batch = client.post(f"/simulate/test-executions/{execution}/chat/call-executions/batch/", json={}).json()["result"]
    return execution, batch["call_execution_ids"]


def test_rows_are_named_to_one_client_only_and_chatted_by_one(serving, store: Store) -> None:
    with serving(stocked(store, 25)) as client:
        execution, first = began(client)
        more = [
            client.post(f"/simulate/test-executions/{execution}/chat/call-executions/batch/").json()["result"]
            for _ in range(3)
        ]
        assert [len(first), *(len(one["call_execution_ids"]) for one in more)] == [10, 10, 5, 0]
        assert [one["has_more"] for one in more] == [True, False, False]
        assert chat(client, first[0], initiate_chat=True).json()["result"]["output_message"][0]["role"] == "assistant"
        taken = chat(client, first[0], initiate_chat=True)
        assert taken.status_code == 409 and taken.json()["status"] is False
        assert chat(client, first[1], messages=[]).status_code == 409
        assert chat(client, first[0], messages=["x"]).status_code == 400
        assert chat(client, "nobody", initiate_chat=True).status_code == 404


@pytest.mark.slow
def test_a_chat_goes_on_where_it_was_when_the_server_was_killed(server_process, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    opened = stocked(open_store(url), 1)
    opened.close()
    first = server_process(url)
    with httpx.Client(base_url=first.address, timeout=120) as client:
        execution, (row,) = began(client)
        chat(client, row, initiate_chat=True)
        said = chat(client, row, messages=[{"role": "user", "content": "It is on its way."}]).json()["result"]
        assert said["output_message"][0]["content"] == "Thanks!"
        first.kill()
    second = server_process(url)
    with httpx.Client(base_url=second.address, timeout=120) as client:
        over = chat(client, row, messages=[{"role": "user", "content": "You are welcome."}]).json()["result"]
        assert over["chat_ended"] is True
        done = client.get(f"/api/test-executions/{execution}").json()
        assert done["status"] == "completed" and done["counts"] == {"completed": 1}
        sides = client.get(f"/api/call-executions/{row}/comparison").json()
        assert [turn["reply"] for turn in sides["replayed"]["turns"]] == ["It is on its way.", "You are welcome."]


def test_a_script_for_replay_sessions_works_as_it_is(serving, store: Store) -> None:
    with serving(stocked(store, 4)) as client:
        client.headers.update({"x-api-key": "pk", "x-secret-key": "sk"})
        body = {"project_id": "shop", "replay_type": "session", "ids": ["desk-0", "desk-1"], "select_all": False}
        made = client.post("/tracer/replay-session/", json=body)
        assert made.status_code == 201
        session = made.json()
        assert session["ids"] == ["desk-0", "desk-1"] and session["suggestions"]["agent_name"] == "desk"
        assert (session["current_step"], session["exists"]) == ("init", False)
        asked = {"agent_name": "desk", "scenario_name": "s", "agent_type": "text", "no_of_rows": 2, "personas": []}
        done = client.post(f"/tracer/replay-session/{session['id']}/generate-scenario/", json=asked).json()
        assert done["current_step"] == "ready" and done["agent_definition_latest_version_id"]
        listed = client.get("/tracer/replay-session/", params={"project_id": "shop", "page": 1, "limit": 5}).json()
        assert [one["id"] for one in listed["results"]] == [session["id"]]
        test = client.post(
            "/simulate/run-tests/create/",
            json={
                "name": "t",
                "description": "",
                "agent_definition_id": done["agent_definition_id"],
                "scenario_ids": [done["scenario_id"]],
                "dataset_row_ids": [],
                "evaluations_config": [],
                "enable_tool_evaluation": False,
                "replay_session_id": session["id"],
                "agent_version": None,
            },
        ).json()
        execution = client.post(f"/simulate/run-tests/{test['id']}/chat-execute/").json()["execution_id"]
        batch = client.post(f"/simulate/test-executions/{execution}/chat/call-executions/batch/").json()
        for row in batch["call_execution_ids"]:
            chat(client, row, initiate_chat=True)
            chat(client, row, messages=[{"role": "user", "content": "It is on its way."}])
            chat(client, row, messages=[{"role": "user", "content": "You are welcome."}])
        figures = client.get(f"/simulate/test-executions/{execution}/kpis/").json()
        assert (figures["total_chats"], figures["completed_chats"], figures["avg_turn_count"]) == (2, 2, 2)
        sides = client.get(f"/simulate/call-executions/{row}/session-comparison/").json()
        calls = next(one for one in sides["comparison_metrics"] if one["metric"] == "tool_calls")
        assert (calls["value"], calls["change"], calls["percentage_change"]) == (0, -1, -100)
        assert len(sides["comparison_transcripts"]["base_session_transcripts"]) == 4
        assert client.get(f"/simulate/run-tests/{test['id']}/executions/").json()["results"][0]["id"] == execution
        missing = client.post("/simulate/run-tests/create/", json={"name": "x"})
        assert missing.status_code == 400 and missing.json()["field"] == "agent_definition_id"
        assert missing.json()["message"] == "agent_definition_id: missing, and so is scenario_ids"

"""A server that is killed in the middle of each step goes on where it was when it is started again."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import fake_endpoint
import httpx
import pytest
from made_production import stocked
from test_api import answering
from test_simulate import made

from taketwo.store import open_store

pytestmark = pytest.mark.slow


def until(client: httpx.Client, path: str, field: str, *states: str) -> dict:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = client.get(f"/api/{path}").json()
        if found[field] in states:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_copying_generating_and_running_survive_a_kill(server_process, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    store = stocked(open_store(url), 1500)
    store.close()

    first = server_process(url)
    body = {"project_id": "shop", "select_all": True}
    asking = threading.Thread(target=create, args=(first.address, body))
    asking.start()
    with httpx.Client(base_url=first.address, timeout=120) as client:
        while not (found := client.get("/api/replay-sessions").json()["replay_sessions"]) or not found[0]["copied"]:
            time.sleep(0.005)
    first.kill()
    asking.join()

    second = server_process(url)
    with httpx.Client(base_url=second.address, timeout=120) as client:
        id = found[0]["id"]
        copied = until(client, f"replay-sessions/{id}", "copied", 1500)
        assert copied["usable"] == 1500 and copied["current_step"] == "init"
        until_suggested(client, id)
        client.post(f"/api/replay-sessions/{id}/generate-scenario", json={"no_of_rows": 40})
    second.kill()

    third = server_process(url)
    with httpx.Client(base_url=third.address, timeout=60) as client:
        ready = until(client, f"replay-sessions/{id}", "current_step", "ready")
        assert client.get(f"/api/scenarios/{ready['scenario_id']}").json()["rows"] == 40
        assert len(client.get("/api/scenarios").json()["scenarios"]) == 1
        answer = Held(40)
        with fake_endpoint.serving(answer) as (model, _):
            version = made(client, f"agent-definitions/{ready['agent_definition_id']}/versions", spec=model)
            assert version["spec"] == model
            ids = {"agent_definition_id": ready["agent_definition_id"], "scenario_ids": [ready["scenario_id"]]}
            test = made(client, "run-tests", name="killed", **ids)
            execution = made(client, f"run-tests/{test['id']}/executions")
            path = f"test-executions/{execution['id']}"
            while client.get(f"/api/{path}").json()["done"] < 5:
                time.sleep(0.02)
            third.kill()
            answer.may_go_on.set()
            fourth = server_process(url)
            with httpx.Client(base_url=fourth.address, timeout=60) as again:
                going = again.get(f"/api/{path}").json()
                assert going["status"] == "running" and going["done"] >= 5
                # What was under way comes back when its lease has run out; everything else goes on at once.
                deadline = time.monotonic() + 240
                while (now := again.get(f"/api/{path}").json())["status"] != "completed":
                    assert time.monotonic() < deadline, now
                    time.sleep(0.2)
                assert now["verdicts"] == {"pass": 40}
                rows = again.get(f"/api/{path}/call-executions", params={"limit": 100}).json()["call_executions"]
                lost = [row for row in rows if len(row["handed_out"]) > 1]
                assert 0 < len(lost) <= 10
                assert {tuple(one["ended"] for one in row["handed_out"]) for row in lost} == {("lost", "completed")}


def create(address: str, body: dict) -> None:
    """Its answer never comes, or just before the end."""
    with suppress(httpx.HTTPError):
        httpx.post(f"{address}/api/replay-sessions", json=body, timeout=120)


def until_suggested(client: httpx.Client, id: str) -> None:
    while client.get(f"/api/replay-sessions/{id}").json()["suggestions"] is None:
        time.sleep(0.05)


class Held:
    """A model that answers so often, and then not before it may: some rows are done, and others are under way."""

    def __init__(self, answers: int) -> None:
        self._left = count(answers, -1)
        self.may_go_on = threading.Event()

    def __call__(self, fake, handler, body) -> None:
        if next(self._left) <= 0:
            self.may_go_on.wait(240)
        with suppress(OSError):  # who asked was killed
            answering(fake, handler, body)

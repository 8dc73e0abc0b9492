"""The API held against its own OpenAPI document: whatever is sent, no 500 and no answer that is not documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from made_production import stocked
from test_simulate import made, with_run_test

from taketwo.store import open_store

pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install '.[dev-slow]'")

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def known_ids(client: httpx.Client) -> dict[str, str]:
    """One thing of each kind, by the addresses that name it: otherwise nearly everything that is tried is not there."""
    test = with_run_test(client)
    execution = made(client, f"run-tests/{test['id']}/executions")
    calls = client.get(f"/api/test-executions/{execution['id']}/call-executions").json()["call_executions"]
    rows = client.get(f"/api/scenarios/{test['scenario_ids'][0]}/rows").json()["rows"]
    persona = made(client, "personas", project_id="shop", name="In a hurry")
    return {
        "^/api/run-tests/": test["id"],
        "^/api/test-executions/": execution["id"],
        "^/api/call-executions/": calls[0]["id"],
        "^/api/scenarios/": test["scenario_ids"][0],
        "^/api/rows/": rows[0]["id"],
        "^/api/agent-definitions/": test["agent_definition_id"],
        "^/api/replay-sessions/": client.get("/api/replay-sessions").json()["replay_sessions"][0]["id"],
        "^/api/personas/": persona["id"],
        "^/api/sessions/": "desk-0",
        "^/api/projects/": "shop",
    }


def config(ids: dict[str, str]) -> str:
    return "\n".join(
        f"""[[operations]]
include-path-regex = "{path}"
parameters = {{ "path.id" = "{id}", "path.part" = "{1 if "agent" in path else id}" }}
"""
        for path, id in ids.items()
    )


@pytest.mark.slow
def test_the_api_answers_as_its_document_says(serving, tmp_path: Path) -> None:
    store = stocked(open_store("memory:"), 3)
    with serving(store) as client:
        (tmp_path / "schemathesis.toml").write_text(config(known_ids(client)))
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{client.base_url}/api/openapi.json"]
        command += ["--checks", CHECKS, "--max-examples", "10", "--phases", "examples,fuzzing"]
        # What was deleted once is not there for all that comes after; test_api.py deletes.
        command += ["--exclude-method", "DELETE"]
        # What is watched ends when something else happens, which nobody does here.
        command += ["--seed", "20", "--no-color", "--request-timeout", "20", "--exclude-path-regex", "/events$"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

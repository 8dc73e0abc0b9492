"""Run tests ask judges, measures and checks by name; a user's own code judges where the agent runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_providers import FakeProviders, fake_providers
from made_production import same_agent, stocked
from test_simulate import made, with_run_test

import taketwo
from taketwo.errors import BadSetting
from taketwo.llm import ModelSettings, open_model
from taketwo.server.flow.asking import Asking
from taketwo.store import open_store
from taketwo.store.project import ProjectSettings

AGENT = """
def agent(messages):
    said = [message for message in messages if message["role"] == "user"][-1]["content"]
    if messages[-1]["role"] == "tool":
        return "It is on its way."
    if "order" in said:
        order = said.rstrip("?").split()[-1]
        arguments = '{"order_id": "%s"}' % order
        return {"content": None, "tool_calls": [{"function": {"name": "check_status", "arguments": arguments}}]}
    return "You are welcome."


def short(context):
    return max(len((turn.reply or "").split()) for turn in context.conversation.turns) <= 3
"""


def thinks(text: str) -> Any:
    """A judge who is content, and gives eight points where it is told that yes is no mark."""
    evidence = [{"turn": 1, "quote": "It is on its way."}]
    return {"reason": "It was answered.", "evidence": evidence, "answer": "yes" if "on its way" in text else 8}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProviders]:
    with fake_providers(thinks) as running:
        yield running


@pytest.fixture(scope="module")
def client(serving, provider: FakeProviders) -> Iterator[httpx.Client]:
    settings = ModelSettings(model="openai:gpt-4o-mini", base_url=f"{provider.url}/v1", api_key="k")
    asking = Asking(lambda: open_model(settings))
    with serving(stocked(open_store("memory:"), 5), asking=asking) as client:
        yield client


def scores_of(report: Any) -> dict[str, Any]:
    return {summary.name: summary for summary in report.results.scores}


def test_judges_measures_and_checks_are_asked_by_name_and_aggregated(client: httpx.Client) -> None:
    rubric = made(client, "evaluators", project_id="shop", name="friendly", rubric="Friendly all the way.")
    asked = ["task_completion", "edit", "no_loop: 3", "csat>=7"]
    test = with_run_test(client, "judged", evaluators=asked, evaluator_ids=[rubric["id"]])
    assert test["evaluators"] == asked
    report = taketwo.simulate("judged", same_agent, server=str(client.base_url), progress=False)
    found = scores_of(report)
    assert list(found) == ["task_completion", "edit", "no_loop_3", "csat >= 7", "friendly"]
    assert (found["task_completion"].passed, found["task_completion"].scored) == (5, 5)
    assert 0.5 < found["task_completion"].low < found["task_completion"].high == 1.0
    assert (found["edit"].mean, found["edit"].scored) == (1.0, 5)
    assert (found["friendly"].passed, found["no_loop_3"].passed) == (5, 5)
    assert all(score.evaluator.endswith("gpt-4o-mini") for score in report.calls[0].scores if score.name == "friendly")


def test_what_was_replayed_is_judged_again_by_what_the_test_asks_now(client: httpx.Client) -> None:
    test = with_run_test(client, "judged later")
    report = taketwo.simulate("judged later", same_agent, server=str(client.base_url), progress=False)
    assert scores_of(report) == {}
    runs = [call.run_id for call in report.calls]
    client.patch(f"/api/run-tests/{test['id']}", json={"evaluators": ["edit", "groundedness"]}).raise_for_status()
    made(client, f"test-executions/{report.execution.id}/rerun", what="evaluators")
    path = f"/api/test-executions/{report.execution.id}"
    for _ in range(200):
        results = client.get(f"{path}/results").json()
        if [score["scored"] for score in results["scores"]] == [5, 5]:
            break
        time.sleep(0.05)
    assert [score["name"] for score in results["scores"]] == ["edit", "groundedness"]
    calls = client.get(f"{path}/call-executions").json()["call_executions"]
    assert [call["run_id"] for call in calls] == runs, "nothing was replayed again"


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("rubric:/etc/passwd", "evaluator_ids"),
        ("my_evals.py:politeness", "replay --run-test"),
        ("nonsense", "known are"),
        ("csat>=", "write >= or <= and a number"),
        ("no_loop: many", ""),
        ("must_call: x\nturn: 2", "every conversation"),
    ],
)
def test_names_that_mean_nothing_or_would_run_or_read_something_here_are_refused(
    client: httpx.Client, name: str, todo: str
) -> None:
    test = with_run_test(client, f"asks {name}")
    answer = client.patch(f"/api/run-tests/{test['id']}", json={"evaluators": ["edit", name]})
    assert answer.status_code == 400 and answer.json()["field"] == "evaluators[1]", answer.text
    assert todo in answer.text


def test_without_a_model_a_judge_is_refused_when_it_is_asked_for(serving) -> None:
    with serving(stocked(open_store("memory:"))) as client:
        body = {"project_id": "shop", "name": "friendly", "rubric": "Friendly."}
        assert "TAKETWO_LLM_MODEL" in client.post("/api/evaluators", json=body).text
        assert client.post("/api/evaluators", json={**body, "rubric": None}).json()["field"] == "expected"
        test = with_run_test(client, "plain", evaluators=["edit"])
        answer = client.patch(f"/api/run-tests/{test['id']}", json={"evaluators": ["csat"]})
        assert answer.status_code == 400 and "needs a language model" in answer.text


def test_code_of_the_user_judges_in_his_process_and_its_scores_outlive_a_second_judging(client: httpx.Client) -> None:
    with_run_test(client, "own code")

    def turns(context: Any) -> float:
        return float(len(context.conversation.turns))

    url = str(client.base_url)
    report = taketwo.simulate("own code", same_agent, server=url, progress=False, evaluators=[turns, "edit"])
    assert scores_of(report)["turns"].mean == 2.0 and scores_of(report)["edit"].mean == 1.0
    made(client, f"test-executions/{report.execution.id}/rerun", what="evaluators")
    path = f"/api/test-executions/{report.execution.id}/results"
    assert {score["name"] for score in client.get(path).json()["scores"]} == {"turns", "edit"}
    with pytest.raises(BadSetting, match="no evaluator"):
        taketwo.simulate("own code", same_agent, server=url, evaluators=[7])


def test_the_command_line_judges_rows_of_a_server_by_what_it_is_told(client: httpx.Client, tmp_path: Path) -> None:
    with_run_test(client, "from CI")
    (tmp_path / "my_agent.py").write_text(AGENT, encoding="utf-8")
    command = [sys.executable, "-m", "taketwo", "replay", "--run-test", "from CI", "--agent", "my_agent:agent"]
    command += ["--server", str(client.base_url), "--evaluator", "my_agent.py:short", "--evaluator", "edit"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "short" in done.stdout
    assert "judge again: taketwo replay --rerun" in done.stdout and "taketwo rescore" not in done.stdout
    test = client.get("/api/run-tests", params={"name": "from CI"}).json()["run_tests"][0]
    execution = client.get(f"/api/run-tests/{test['id']}/executions").json()["test_executions"][0]
    assert execution["verdicts"] == {"fail": 5}
    scores = client.get(f"/api/test-executions/{execution['id']}/results").json()["scores"]
    assert {score["name"]: score["scored"] for score in scores} == {"short": 5, "edit": 5}


def test_a_project_that_has_spent_its_money_has_unscored_judgements_and_no_failures(serving) -> None:
    store = stocked(open_store("memory:"), 2)
    with fake_providers(thinks) as provider:
        settings = ModelSettings(model="openai:gpt-4o-mini", base_url=f"{provider.url}/v1", api_key="k")
        with serving(store, asking=Asking(lambda: open_model(settings))) as client:
            with_run_test(client, "poor", evaluators=["task_completion", "edit"])
            store.set_project("shop", ProjectSettings(model_usd_a_day=0.0))
            report = taketwo.simulate("poor", same_agent, server=str(client.base_url), progress=False)
            assert provider.requests == []
    found = scores_of(report)
    assert (found["task_completion"].unscored, found["edit"].scored) == (2, 2)
    assert report.execution.verdicts == {"inconclusive": 2}

"""Scenarios of what was only described, over API and SDK, and rows in the words of a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_providers import FakeProviders, fake_providers
from made_production import stocked

import taketwo
from taketwo.errors import BadSetting
from taketwo.llm import ModelSettings, open_model
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.server.flow.asking import Asking
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.scenarios import ROWS
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store

LATE: dict[str, Any] = {
    "name": "late refund",
    "says": ["I sent back my shoes and have not got my money."],
    "knows": {"order number": "A-1042"},
    "tools": [{"call": "check_status", "arguments": {"order_id": "A-1042"}, "result": "paid"}],
    "expected": [{"check": "must_call", "tool": "check_status"}],
}
INVENTED = {
    "situations": [
        {
            "name": "lost parcel",
            "says": ["My parcel A-7 never came."],
            "knows": [],
            "tools": [],
            "must_call": [],
            "must_not_call": ["issue_refund"],
            "outcome": "It is looked for first.",
        }
    ]
}


def thinks(text: str) -> Any:
    """Thinks of one situation; retells lines, the one about A-1001 with an invented number."""
    if "Manner:" not in text:
        return INVENTED
    line = text.rpartition("Message: ")[2]
    return line.replace("A-1001", "B-9999") if "A-1001" in line else f"Listen: {line[0].lower()}{line[1:]}"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProviders]:
    with fake_providers(thinks) as running:
        yield running


def asking(provider: FakeProviders, **how: Any) -> Asking:
    settings = ModelSettings(model="openai:gpt-4o-mini", base_url=f"{provider.url}/v1", api_key="k", **how)
    return Asking(lambda: open_model(settings))


@pytest.fixture(scope="module")
def client(serving, provider: FakeProviders) -> Iterator[httpx.Client]:
    with serving(stocked(open_store("memory:")), asking=asking(provider)) as client:
        yield client


def described(client: httpx.Client, **asked: Any) -> httpx.Response:
    body = {"project_id": "shop", "situations": [LATE], **asked}
    return client.post("/api/scenario-descriptions", json=body)


def test_each_situation_is_a_row_for_each_persona(client: httpx.Client) -> None:
    persona = client.post("/api/personas", json={"project_id": "shop", "name": "Kim", "traits": {"manner": "polite"}})
    answer = described(client, name="refunds", personas=["terse", persona.json()["id"]])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["scenario"]["rows"], made["invented"], made["refused"]) == (2, 0, [])
    rows = client.get(f"/api/scenarios/{made['scenario']['id']}/rows").json()["rows"]
    assert [(row["origin"], row["source"], row["persona"]) for row in rows] == [
        ("synthetic", None, "terse"),
        ("synthetic", None, "Kim"),
    ]


def test_a_model_thinks_of_more_and_such_rows_name_it(client: httpx.Client) -> None:
    made = described(client, name="broader", invent=1, description="A shop.").json()
    assert made["invented"] == 1 and made["scenario"]["rows"] == 2
    rows = client.get(f"/api/scenarios/{made['scenario']['id']}/rows").json()["rows"]
    case = client.get(f"/api/rows/{rows[1]['id']}").json()["case"]
    assert case["origin"]["made_by"] == "a description by openai:gpt-4o-mini"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"situations": []}, "situations"),
        ({"personas": ["nobody"]}, "personas[0]"),
        ({"agent_definition_id": "none"}, "agent_definition_id"),
        ({"situations": [{**LATE, "expected": []}]}, "situations[0].expected"),
        ({"situations": [{**LATE, "says": []}]}, "situations[0].says"),
        ({"situations": [{**LATE, "expected": [{"check": "must_say", "text": "/(/"}]}]}, "situations[0].expected"),
        ({"situations": [LATE] * 600, "personas": ["terse", "polite"]}, "situations"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(client: httpx.Client, asked: dict[str, Any], field: str) -> None:
    answer = described(client, **{"name": "wrong", **asked})
    assert answer.status_code == 400 and answer.json()["field"] == field, answer.text


def test_a_name_that_is_taken_is_named_by_its_field(client: httpx.Client) -> None:
    assert described(client, name="taken").status_code == 201
    answer = described(client, name="taken")
    assert answer.status_code == 400 and answer.json()["field"] == "name", answer.text


def test_the_sdk_makes_one_and_a_mistake_is_told_before_anything_is_sent(client: httpx.Client) -> None:
    made = taketwo.describe("by hand", [LATE], project="shop", server=str(client.base_url))
    assert made.scenario.rows == 1
    with pytest.raises(BadSetting, match="says"):
        taketwo.describe("wrong", [{**LATE, "says": []}], project="shop", server=str(client.base_url))


def test_a_server_without_a_model_says_so(serving) -> None:
    with serving(stocked(open_store("memory:"))) as client:
        answer = described(client, name="more", invent=2)
    assert answer.status_code == 400 and "TAKETWO_LLM_MODEL" in answer.json()["detail"]


async def made_rows(store, asked: Asking, **how: Any) -> list[Any]:
    flow = Flow(stocked(store), asking=asked)
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=8, by_model=True, **how))
    done = await asyncio.to_thread(make_scenario, flow, session.id)
    assert done.scenario_id is not None, done.failure
    return list(ROWS.parts(flow, done.scenario_id))


async def test_a_model_words_synthetic_rows_and_a_line_with_another_fact_stays_as_it_was(
    provider: FakeProviders, tmp_path: Path
) -> None:
    answers = str(tmp_path / "answers.jsonl")
    rows = await made_rows(open_store("memory:"), asking(provider, answers_path=answers, answers="record"))
    by_model = [row.case for row in rows if row.case.origin.made_by and "by openai:" in row.case.origin.made_by]
    assert by_model and all(case.origin.made_by == "persona terse, by openai:gpt-4o-mini" for case in by_model[:3])
    said = {case.origin.conversation: case.recorded.turns[0].user.text for case in by_model[:3]}
    assert said["desk-0"] == "Listen: where is my order A-1000?"
    assert said["desk-1"] == "Where is my order A-1001?"
    assert all("B-9999" not in row.case.to_json().decode() for row in rows)

    asked_before = len(provider.requests)
    kept = Asking(lambda: open_model(ModelSettings(model="openai:gpt-4o-mini", answers_path=answers)))
    again = await made_rows(open_store("memory:"), kept)
    assert [row.said for row in again] == [row.said for row in rows]
    assert len(provider.requests) == asked_before, "kept answers need no model"
    assert json.loads(Path(answers).read_text(encoding="utf-8").splitlines()[0])


def test_a_persona_that_only_a_model_could_play_is_refused_where_there_is_none(client: httpx.Client) -> None:
    asked = {"project_id": "shop", "name": "Baroque", "description": "Speaks as Bach wrote."}
    persona = client.post("/api/personas", json=asked).json()
    session = client.post("/api/replay-sessions", json={"project_id": "shop", "ids": ["desk-1"]}).json()
    path = f"/api/replay-sessions/{session['id']}/generate-scenario"
    refused = client.post(path, json={"personas": ["terse", persona["id"]]}).json()
    assert refused["field"] == "personas[1]" and "trait `manner`" in refused["todo"]
    client.patch(f"/api/personas/{persona['id']}", json={"traits": {"manner": "chatty"}}).raise_for_status()
    assert client.post(path, json={"personas": ["terse", persona["id"]]}).status_code == 202


def test_rows_by_a_model_are_refused_where_there_is_none() -> None:
    flow = Flow(stocked(open_store("memory:")))
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    with pytest.raises(BadSetting, match="no language model"):
        generate_scenario(flow, session.id, GenerateScenario(no_of_rows=8, by_model=True))


def test_a_scenario_that_nothing_was_gathered_of_is_deleted_with_its_rows(client: httpx.Client) -> None:
    made = described(client, name="short-lived").json()["scenario"]
    rows = client.get(f"/api/scenarios/{made['id']}/rows").json()["rows"]
    assert client.delete(f"/api/scenarios/{made['id']}").status_code == 204
    assert client.get(f"/api/scenarios/{made['id']}").status_code == 404
    assert client.get(f"/api/rows/{rows[0]['id']}").status_code == 404


def test_selecting_only_what_is_elsewhere_names_it(client: httpx.Client) -> None:
    answer = client.post("/api/replay-sessions", json={"project_id": "shop", "ids": ["nobody-7"]})
    assert answer.status_code == 404 and "nobody-7" in answer.json()["detail"]
    assert answer.json()["field"] == "ids"

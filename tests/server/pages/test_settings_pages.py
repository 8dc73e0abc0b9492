"""What is set up: agents, evaluators, projects, keys, health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from made_shop import desk, posted, run, with_scenario
from made_spans import chat_span, trace_request

from taketwo.demo.desk import PROMPT_V2
from taketwo.demo.model import rules_as_model
from taketwo.store import Store, open_store
from taketwo.store.keys import keys
from taketwo.store.memory import MemoryStore
from taketwo.store.project import ProjectSettings
from taketwo.store.summary import TraceSummary
from taketwo.suite.known_evaluators import known_evaluators

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    store.put_conversation(desk("one"))
    return store


@pytest.fixture
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with rules_as_model() as model, serving(store, access={"llm_base_url": model, "llm_api_key": "none"}) as client:
        client.headers["accept"] = "text/html"
        yield client


def test_an_agent_shows_its_versions_and_what_changed(client: httpx.Client) -> None:
    run(client, with_scenario(client, id="one"), system_prompt=PROMPT_V2)
    (agent,) = client.get("/agents.json").json()["agents"]
    page = client.get(f"/agents/{agent['id']}").text
    assert "v2 is under test" in page and "<ins>" in page and "with what changed since v1" in page
    posted(client, f"/agents/{agent['id']}/versions/1/activate")
    assert "v1 is under test" in client.get(f"/agents/{agent['id']}").text
    assert posted(client, f"/agents/{agent['id']}/versions/1/restore").endswith("version=3")
    assert client.post(f"/agents/{agent['id']}/versions/1/burn").status_code == 400
    assert client.get(f"/agents/{agent['id']}?version=99").status_code == 404


def test_what_changed_between_versions_is_told_in_words(client: httpx.Client) -> None:
    run(client, with_scenario(client, id="one"), system_prompt=PROMPT_V2)
    (agent,) = client.get("/agents.json").json()["agents"]
    page = client.get(f"/agents/{agent['id']}").text
    assert "reached otherwise: your own process → rebuilt from the recording" in page
    assert "prompt: →" not in page and "overrides" not in page


def test_whoever_filled_in_a_form_wrongly_finds_the_way_back_to_it(client: httpx.Client) -> None:
    origin = str(client.base_url).rstrip("/")
    wrong = {"project": "shop", "name": "", "kind": "must_call", "what": "x"}
    page = client.post("/evaluators", data=wrong, headers={"referer": f"{origin}/evaluators?project=shop"})
    assert page.status_code == 400 and '<a class="button" href="/evaluators?project=shop">Back</a>' in page.text
    for elsewhere in ("https://elsewhere.example/evaluators", f"{origin}.elsewhere.example/"):
        page = client.post("/evaluators", data=wrong, headers={"referer": elsewhere})
        assert page.status_code == 400 and "Back</a>" not in page.text


class Faulty(MemoryStore):
    """Has a fault where traces are listed."""

    def traces(self, *, limit: int | None = None, **asked: Any) -> Iterator[TraceSummary]:
        raise ZeroDivisionError("the secret is 4711")


def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_the_inside(serving: Serving) -> None:
    with serving(Faulty()) as client:
        page = client.get("/start", headers={"accept": "text/html"})
        assert page.status_code == 500 and "the log of the server says how" in page.text
        assert "4711" not in page.text and "default-src 'none'" in page.headers["content-security-policy"]
        answer = client.get("/start", headers={"accept": "application/json"})
        assert answer.status_code == 500 and answer.headers["content-type"] == "application/problem+json"


def test_an_evaluator_is_made_chosen_for_a_run_and_judges(client: httpx.Client) -> None:
    made = {"project": "shop", "name": "No refunds", "kind": "must_not_call", "what": "issue_refund"}
    posted(client, "/evaluators", **made)
    assert "must not call issue_refund" in client.get("/evaluators").text
    (evaluator,) = client.get("/evaluators.json").json()["evaluators"]
    replay = with_scenario(client, id="one")
    assert "No refunds" in client.get(f"{replay}?step=agent").text
    done = run(client, replay, evaluator=evaluator["id"])
    assert [score["name"] for score in done["results"]["scores"]] == ["No refunds"]
    assert done["execution"]["verdicts"] == {"fail": 1}
    for wrong in ({"name": ""}, {"what": ""}, {"kind": "must_dance"}):
        assert client.post("/evaluators", data={**made, **wrong}).status_code == 400


def test_a_project_says_how_its_data_is_treated(client: httpx.Client, store: Store) -> None:
    store.set_project("shop", ProjectSettings(spans_per_s=500, score_share=0.1))
    posted(client, "/settings/projects", name="shop", keep_for_days="30", redact="personal")
    said = ProjectSettings(keep_for_days=30, redact="personal", spans_per_s=500, score_share=0.1)
    assert store.project("shop") == said, "what the page does not ask for stays as it is"
    assert 'value="30"' in client.get("/settings").text
    posted(client, "/settings/projects", is_new="1", name="new one")
    assert "new one" in store.projects()
    for wrong in ({"name": ""}, {"keep_for_days": "-1"}, {"redact": "everything"}):
        assert client.post("/settings/projects", data={"name": "shop", **wrong}).status_code == 400
    assert client.post("/settings/projects", data={"is_new": "1", "name": "shop"}).status_code == 409


def test_a_key_is_shown_once_and_revoked(client: httpx.Client, store: Store) -> None:
    answer = client.post("/keys", data={"name": "CI", "role": ["ingest", "read"], "project": "shop"})
    assert "sk-tt-" in answer.text and answer.headers["cache-control"] == "no-store"
    listed = client.get("/keys")
    assert "sk-tt-" not in listed.text and "ingest, read" in listed.text
    (key,) = keys(store.documents)
    assert key.hashed not in listed.text + client.get("/keys.json").text
    posted(client, "/keys/revoke", id=key.id)
    assert "revoked" in client.get("/keys").text
    assert client.post("/keys", data={"name": "CI"}).status_code == 400


def test_health_says_what_the_store_holds_and_what_came_in(client: httpx.Client) -> None:
    found = client.get("/status.json").json()
    assert found["projects"] == 1 and found["waiting"] == found["received"] == 0
    body, kind = trace_request(chat_span(1, 1), chat_span(2, 1)), {"content-type": "application/x-protobuf"}
    client.post("/v1/traces", content=body, headers=kind).raise_for_status()
    found = client.get("/status.json").json()
    assert (found["received"], found["rejected"]) == (2, 0)
    assert sum(found["minutes"]) == 2 and len(found["minutes"]) == 60
    while client.get("/status.json").json()["held"]["spans"] != 2:  # it is not counted at each look
        time.sleep(0.01)
    shown = client.get("/status").text
    assert "not yet read" in shown and "Spans and log records, last hour" in shown and "<rect" in shown


def test_evaluators_are_told_with_their_versions(client: httpx.Client) -> None:
    known = {one["name"]: one for one in client.get("/evaluators.json").json()["known"]}
    assert (known["groundedness"]["kind"], known["groundedness"]["version"]) == ("judge", "groundedness/1")
    assert known["groundedness"]["about"].startswith("Is everything that the agent told")
    assert known["edit"] == {**known["edit"], "kind": "measure", "version": "edit/1", "needs": None}
    page = client.get("/evaluators").text
    assert "csat/1" in page and "Likeness to the recording" in page


def test_files_of_ones_own_are_told_by_their_hash(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('nobody runs this to look at it')")
    specs = ["mine.py:polite", "gone.py:x >= 3", "groundedness", "no_loop: 3"]
    own = [one for one in known_evaluators(specs, tmp_path, has_model=True) if one.kind == "own"]
    assert [one.name for one in own] == ["mine.py:polite", "gone.py:x >= 3"]
    assert str(own[0].version).startswith("mine.py:polite@") and own[1].version is None and own[1].needs

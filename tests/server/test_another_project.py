"""An attacker with a key of one project: no route gives, changes or even knows a thing of another one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from made_production import conversation
from starlette.routing import Route
from test_access import bearer
from test_access import made as made_key
from test_simulate import made, with_run_test

from taketwo.server.app import create_app
from taketwo.store import Store, open_store

ALL = ("admin", "ingest", "read", "replay")
KIND_OF = {
    "audio": "recordings",
    "agents": "agent-definitions",
    "executions": "test-executions",
    "replay-session": "replay-sessions",
    "replays": "replay-sessions",
    "scenario-rows": "rows",
    "tests": "run-tests",
}
"""What pages and scripts of another platform call things by, and the API."""
ELSEWHERE = ("/static/", "/webhooks/", "/simulate/run-tests/get-id-by-name/")
"""What stands there is no id of a thing."""


@dataclass(frozen=True)
class Site:
    """A server with two projects, and one thing of each kind in both."""

    client: httpx.Client
    """Shows a key of the project `shop` that is good for everything."""
    store: Store
    mine: dict[str, str]
    theirs: dict[str, str]
    """Ids by the words for them in addresses."""


def things(client: httpx.Client, project: str, session: str) -> dict[str, str]:
    """One of each kind."""
    test = with_run_test(client, f"of {project}", project)
    execution = made(client, f"run-tests/{test['id']}/executions", runner="sdk")["id"]
    (replay,) = client.get("/api/replay-sessions", params={"project": project}).json()["replay_sessions"]
    check = {"check": "must_not_call", "tool": "issue_refund"}
    return {
        "agent-definitions": test["agent_definition_id"],
        "call-executions": client.get(f"/api/test-executions/{execution}/call-executions").json()["call_executions"][0][
            "id"
        ],
        "evaluators": made(client, "evaluators", project_id=project, name="careful", expected=check)["id"],
        "keys": made(client, "keys", name="CI", roles=["read"], project_id=project)["key"]["id"],
        "personas": made(client, "personas", project_id=project, name=f"Of {project}")["id"],
        "projects": client.get(f"/api/projects/{project}").json()["id"],
        "replay-sessions": replay["id"],
        "rows": client.get(f"/api/scenarios/{test['scenario_ids'][0]}/rows").json()["rows"][0]["id"],
        "run-tests": test["id"],
        "scenarios": test["scenario_ids"][0],
        "sessions": session,
        "test-executions": execution,
    }


@pytest.fixture(scope="module")
def site(serving: Any) -> Iterator[Site]:
    store = open_store("memory:")
    for number in range(3):
        store.put_conversation(conversation(34 + number, project="bank"))
        store.put_conversation(conversation(10 + number))
    with serving(store, keys_required=True) as client:
        client.headers.update(bearer(made_key(store, *ALL)))
        sounds = {name: store.recordings(name).put(f"RIFF sound of {name}".encode()) for name in ("shop", "bank")}
        mine, theirs = things(client, "shop", "desk-10"), things(client, "bank", "desk-35")
        client.headers.update(bearer(made_key(store, *ALL, project="shop")))
        mine["recordings"], theirs["recordings"] = sounds["shop"], sounds["bank"]
        made(client, f"test-executions/{mine['test-executions']}/cancel")
        yield Site(client, store, mine, theirs)
    store.close()


def unknown(id: str) -> str:
    """One that looks the same, and is nobody's."""
    return {"desk-35": "desk-39", "bank": "bunk"}.get(id, re.sub(r"[0-9a-f]", "7", id))


def told(answer: httpx.Response, id: str) -> tuple[int, str, str]:
    """All that an answer says, whichever id it speaks of."""
    return answer.status_code, answer.text.replace(id, "ID"), answer.headers.get("location", "").replace(id, "ID")


def routes(store: Store) -> Iterator[tuple[str, str]]:
    for route in create_app(store).routes:
        assert isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


def example(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The body that the document shows for it, so that nothing is refused for its form."""
    operation = document["paths"].get(path.replace(":path", ""), {}).get(method.lower(), {})
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        body = content["example"]
        is_json = media_type == "application/json"
        return {"content": json.dumps(body) if is_json else body, "headers": {"content-type": media_type}}
    return {"json": {"status": "completed"}} if path.startswith("/simulate/") and method == "PATCH" else {}


def test_no_address_tells_what_is_not_there_from_what_is_anothers(site: Site) -> None:
    document, seen = site.client.get("/api/openapi.json").json(), 0
    for method, path in routes(site.store):
        if "{" not in path or path.startswith(ELSEWHERE):
            continue
        before, _, rest = path.replace("{name}", "{id}").partition("{id")
        word = before.split("/")[-2]
        kind = "call-executions" if before == "/rows/" else KIND_OF.get(word, word)
        body = example(document, method, path)
        answers = []
        for id in (site.theirs[kind], unknown(site.theirs[kind])):
            part = id if "compare" in path else "1"
            at = f"{before}{id}{rest.partition('}')[2]}"
            at = at.replace("{part}", part).replace("{number:int}", "1").replace("{what}", "activate")
            answers.append(told(site.client.request(method, at, **body), id))
        # An address that has moved says so whatever stands in it; who sends a recording has it already.
        expected = {("GET", "/test-executions/{id}"): 303, ("PUT", "/api/recordings/{id}"): 400}.get(
            (method, path), 404
        )
        assert answers[0] == answers[1] and answers[0][0] == expected, (method, path, answers)
        seen += 1
    assert seen > 90


IN_BODIES: list[tuple[str, str, str, Any]] = [
    ("POST", "/api/agent-definitions", "bank", {"project_id": "ID", "name": "x", "version": {"spec": "prompt:"}}),
    ("POST", "/api/evaluators", "bank", {"project_id": "ID", "name": "x", "rubric": "Is it polite?"}),
    ("POST", "/api/keys", "bank", {"project_id": "ID", "name": "x", "roles": ["read"]}),
    ("POST", "/api/kept-conversations", "bank", {"project_id": "ID", "ids": ["desk-35"]}),
    ("POST", "/api/kept-conversations", "sessions", {"project_id": "shop", "ids": ["ID"], "redact": "none"}),
    ("POST", "/api/personas", "bank", {"project_id": "ID", "name": "x"}),
    ("POST", "/api/projects", "bank", {"name": "ID"}),
    ("POST", "/api/replay-sessions", "bank", {"project_id": "ID", "select_all": True}),
    ("POST", "/api/replay-sessions", "projects", {"project_id": "ID", "select_all": True}),
    ("POST", "/api/replay-sessions/{replay-sessions}/generate-scenario", "personas", {"personas": ["ID"]}),
    ("POST", "/api/run-tests", "agent-definitions", {"agent_definition_id": "ID", "scenario_ids": ["{scenarios}"]}),
    ("POST", "/api/run-tests", "evaluators", {"evaluator_ids": ["ID"]}),
    ("POST", "/api/run-tests", "replay-sessions", {"replay_session_id": "ID"}),
    ("POST", "/api/run-tests", "rows", {"row_ids": ["ID"]}),
    ("POST", "/api/run-tests", "scenarios", {"scenario_ids": ["ID"]}),
    ("PATCH", "/api/run-tests/{run-tests}", "evaluators", {"evaluator_ids": ["ID"]}),
    ("PATCH", "/api/run-tests/{run-tests}", "scenarios", {"scenario_ids": ["ID"]}),
    ("POST", "/api/scenarios", "agent-definitions", {"project_id": "shop", "name": "x", "agent_definition_id": "ID"}),
    ("POST", "/api/scenarios", "bank", {"project_id": "ID", "name": "x"}),
    ("POST", "/api/scenarios/{scenarios}/rows", "sessions", {"rows": [{"conversation_id": "ID"}]}),
    ("POST", "/api/test-executions/{test-executions}/rerun", "call-executions", {"call_execution_ids": ["ID"]}),
    ("GET", "/api/test-executions/{test-executions}/compare/ID", "test-executions", None),
    ("GET", "/executions/{test-executions}/compare.json?with=ID", "test-executions", None),
    ("GET", "/api/run-tests?project=ID", "bank", None),
    ("GET", "/api/scenarios?project=ID", "bank", None),
    ("GET", "/api/sessions?project=ID", "bank", None),
    ("GET", "/api/sessions/desk-35?project=ID", "bank", None),
    ("GET", "/api/timeline?project=ID", "bank", None),
    ("GET", "/api/users?project=ID", "bank", None),
    ("GET", "/simulate/run-tests/get-id-by-name/of ID/", "bank", None),
    ("POST", "/tracer/replay-session/", "bank", {"project_id": "ID", "select_all": True}),
    ("POST", "/simulate/run-tests/create/", "agent-definitions", {"agent_definition_id": "ID"}),
    ("POST", "/simulate/run-tests/create/", "scenarios", {"scenario_ids": ["ID"]}),
]
"""Where ids and names of things come in otherwise: a method, an address, what `ID` is, and a body."""


@pytest.mark.parametrize(("method", "path", "kind", "body"), IN_BODIES)
def test_no_body_and_no_query_reaches_what_is_anothers(
    site: Site, method: str, path: str, kind: str, body: dict[str, Any] | None
) -> None:
    if body is not None and "run-tests" in path and method == "POST":
        body = {"name": "x", "agent_definition_id": "{agent-definitions}", "scenario_ids": ["{scenarios}"], **body}
    answers = []
    for id in (site.theirs.get(kind, kind), unknown(site.theirs.get(kind, kind))):
        at, content = path.replace("ID", id), None if body is None else json.dumps(body).replace("ID", id)
        for name, own in site.mine.items():
            at, content = at.replace(f"{{{name}}}", own), content and content.replace(f"{{{name}}}", own)
        answer = site.client.request(method, at, content=content, headers={"content-type": "application/json"})
        answers.append(told(answer, id))
    assert answers[0] == answers[1], answers
    assert answers[0][0] in (400, 403, 404), answers


def test_a_selection_of_anothers_conversations_finds_none_of_them(site: Site) -> None:
    for id in ("desk-35", "desk-39"):
        session = site.client.post("/api/replay-sessions", json={"project_id": "shop", "ids": [id]}).json()
        assert session.get("usable", 0) == 0, session


def test_a_lease_of_anothers_row_is_nobodys(site: Site) -> None:
    body = {"worker": "ci", "call_execution_ids": [site.theirs["call-executions"]]}
    answer = site.client.post(f"/api/test-executions/{site.mine['test-executions']}/renew", json=body)
    assert answer.json() == {"kept": [], "lost": [site.theirs["call-executions"]]}


def test_no_listing_and_no_page_shows_anything_of_another_project(site: Site) -> None:
    seen = 0
    for method, path in routes(site.store):
        if method != "GET" or "{" in path:
            continue
        for accept in ("text/html", "application/json"):
            answer = site.client.get(path, headers={"accept": accept})
            assert answer.status_code < 500, (path, answer.text)
            found = [id for id in ("bank", *site.theirs.values()) if re.search(rf"\b{id}\b", answer.text)]
            assert found == [], (path, answer.text)
            seen += answer.status_code == 200
    assert seen > 60


def test_nothing_of_the_other_project_was_changed_by_all_of_that(site: Site) -> None:
    everything = bearer(made_key(site.store, *ALL))
    for kind, id in site.theirs.items():
        if kind != "keys":  # no address shows one alone
            assert site.client.get(f"/api/{kind}/{id}", headers=everything).status_code == 200, kind
    execution = site.client.get(f"/api/test-executions/{site.theirs['test-executions']}", headers=everything).json()
    assert (execution["status"], execution["done"]) == ("pending", 0), execution

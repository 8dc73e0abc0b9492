"""The API over a real port: what HTTP asks for beside the flow itself."""

from __future__ import annotations

import json
import threading

import fake_endpoint
import httpx
import msgspec
import pytest
from made_production import same_agent, stocked

from taketwo.server.api.documentation import openapi
from taketwo.server.api.door import OPERATIONS
from taketwo.server.api.examples import EXAMPLES
from taketwo.server.api.operation import File, Stream
from taketwo.store import open_store


@pytest.fixture(scope="module")
def client(serving):
    with serving(stocked(open_store("memory:"))) as client:
        yield client


def made(client: httpx.Client, path: str, **body) -> dict:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()


def until(client: httpx.Client, path: str, field: str, *states: str) -> dict:
    """Follow the events of a thing until it has come so far."""
    with client.stream("GET", f"/api/{path}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        data = [line[6:] for line in stream.iter_lines() if line.startswith("data: ")]
    found = json.loads(data[-1])
    assert found[field] in states, found
    return found


def scenario_of(client: httpx.Client) -> dict:
    session = made(client, "replay-sessions", project_id="shop", select_all=True)
    answer = client.post(f"/api/replay-sessions/{session['id']}/generate-scenario", json={"no_of_rows": 3})
    assert answer.status_code == 202 and answer.json()["current_step"] == "generating"
    return until(client, f"replay-sessions/{session['id']}", "current_step", "ready")


def test_the_whole_way_over_http(client: httpx.Client, serving) -> None:
    session = scenario_of(client)
    test = made(
        client,
        "run-tests",
        name="whole way",
        agent_definition_id=session["agent_definition_id"],
        scenario_ids=[session["scenario_id"]],
        replay_session_id=session["id"],
    )
    execution = made(client, f"run-tests/{test['id']}/executions")
    assert (execution["status"], execution["total"], execution["runner"]) == ("pending", 3, "sdk")
    claimed = made(client, f"test-executions/{execution['id']}/claim", worker="w", limit=9)
    assert len(claimed["rows"]) == 3 and claimed["rows"][0]["case"]["recorded"]["id"] == "desk-2"
    for row in claimed["rows"]:
        made(client, f"call-executions/{row['call']['id']}/report", worker="w", error="the agent is gone")
    done = until(client, f"test-executions/{execution['id']}", "status", "completed")
    assert done["counts"] == {"failed": 3}
    listed = client.get(f"/api/test-executions/{execution['id']}/call-executions", params={"limit": 2}).json()
    assert len(listed["call_executions"]) == 2 and listed["next"]
    exported = client.get(f"/api/test-executions/{execution['id']}/export", params={"format": "csv"})
    assert exported.headers["content-type"].startswith("text/csv")
    assert len(exported.text.splitlines()) == 4
    assert client.get(f"/api/replay-sessions/{session['id']}").json()["current_step"] == "completed"


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("replay-sessions", {"project_id": "shop", "ids": [3]}, 400, "ids[0]"),
        ("replay-sessions", {"project_id": "shop", "id": ["x"]}, 400, "id"),
        ("replay-sessions", {}, 400, "project_id"),
        ("replay-sessions", {"project_id": "nowhere", "select_all": True}, 404, "project_id"),
        ("replay-sessions", {"project_id": "shop", "select_all": True, "ids": ["desk-1"]}, 400, "ids"),
        ("replay-sessions", {"project_id": "shop", "select_all": True, "filter": "turns>"}, 400, "filter"),
        ("projects", {"name": "shop"}, 409, "name"),
        ("agent-definitions", {"project_id": "shop", "name": "x", "version": {"spec": "os:x"}}, 400, "spec"),
    ],
)
def test_a_refusal_is_a_problem_that_names_the_field(client, path: str, body: dict, status: int, field: str) -> None:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["field"]) == (status, status, field)


def test_a_word_that_a_field_does_not_know_is_answered_with_those_that_it_does(client: httpx.Client) -> None:
    asked = {"project_id": "shop", "ids": ["x"], "replay_type": "day"}
    assert client.post("/api/replay-sessions", json=asked).json()["todo"] == "one of: session, trace"


def test_all_fields_that_are_missing_are_named_at_once(client: httpx.Client) -> None:
    problem = client.post("/api/run-tests", json={}).json()
    assert problem["field"] == "name"
    assert problem["detail"] == "name: missing, and so are agent_definition_id and scenario_ids"
    graph = {"nodes": [{"id": "a", "kind": "user"}, {"label": "b"}]}
    told = client.post("/api/scenarios", json={"project_id": "shop", "graph": graph}).json()
    assert told["detail"].startswith("name: missing, and so are")
    for place in ("graph.nodes[0].label", "graph.nodes[1].id", "graph.nodes[1].kind", "graph.edges"):
        assert place in told["detail"]


@pytest.mark.parametrize("rest", ["}", '"}', "\x00", " nonsense", "[" * 5_000])
def test_what_lacks_a_field_and_is_no_json_either_is_no_json(client: httpx.Client, rest: str) -> None:
    answer = client.post("/api/run-tests", content='{"description": "x"}' + rest)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")
    assert "no JSON" in answer.json()["detail"]


def test_whoever_comes_back_to_a_stream_is_not_told_again_what_was_told(client: httpx.Client) -> None:
    path = f"/api/replay-sessions/{scenario_of(client)['id']}/events"
    told = client.get(path).text.splitlines()
    assert [line for line in told if line.startswith("event")] == ["event: progress", "event: end"]
    (mark,) = {line.removeprefix("id: ") for line in told if line.startswith("id: ")}
    again = client.get(path, headers={"Last-Event-ID": mark})
    assert (again.status_code, again.content) == (204, b"")
    assert client.get(path, headers={"Last-Event-ID": "another"}).text.splitlines() == told


def test_what_is_no_json_or_no_parameter_is_a_problem_too(client: httpx.Client) -> None:
    assert client.post("/api/projects", content=b"{").json()["field"] == "body"
    assert client.get("/api/scenarios", params={"limit": 0}).json()["field"] == "limit"
    assert client.get("/api/scenarios", params={"sort": "x"}).json()["field"] == "sort"
    nobody = client.get("/api/scenarios/nobody")
    assert (nobody.status_code, nobody.json()["detail"]) == (404, "there is no scenario 'nobody'")
    assert "field" not in nobody.json()
    assert client.get("/api/scenarios", params={"after": "nowhere"}).json()["field"] == "after"
    assert client.put("/api/scenarios").status_code == 405


def test_the_longest_filter_that_an_address_may_have_is_read(client: httpx.Client) -> None:
    longest = '"' + "\U00010400" * 3_998 + '"'  # letters of four bytes
    assert client.get("/api/sessions", params={"filter": longest}).json()["sessions"] == []


def test_a_creation_that_is_sent_again_is_done_once(client: httpx.Client) -> None:
    body = {"project_id": "shop", "name": "In a hurry"}
    first = client.post("/api/personas", json=body, headers={"Idempotency-Key": "k1"})
    again = client.post("/api/personas", json=body, headers={"Idempotency-Key": "k1"})
    assert first.status_code == again.status_code == 201
    assert first.content == again.content and again.headers["idempotency-replayed"] == "true"
    other = client.post("/api/personas", json={**body, "name": "Slow"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 400 and other.json()["field"] == "Idempotency-Key"
    # What was refused may be mended under the same key.
    assert client.post("/api/personas", json=body, headers={"Idempotency-Key": "k2"}).status_code == 409
    assert (
        client.post("/api/personas", json={**body, "name": "Calm"}, headers={"Idempotency-Key": "k2"}).status_code
        == 201
    )


def test_of_many_who_send_the_same_creation_at_once_one_does_it(client: httpx.Client) -> None:
    statuses: list[int] = []

    def send() -> None:
        headers = {"Idempotency-Key": "at once"}
        statuses.append(
            client.post("/api/personas", json={"project_id": "shop", "name": "At once"}, headers=headers).status_code
        )

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409} and 201 in statuses
    names = [persona["name"] for persona in client.get("/api/personas").json()["personas"]]
    assert names.count("At once") == 1


def test_an_etag_spares_reading_and_guards_writing(client: httpx.Client) -> None:
    persona = made(client, "personas", project_id="shop", name="Guarded")
    path = f"/api/personas/{persona['id']}"
    etag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert client.patch(path, json={"description": "one"}, headers={"If-Match": etag}).status_code == 200
    late = client.patch(path, json={"description": "two"}, headers={"If-Match": etag})
    assert late.status_code == 412
    assert client.get(path).json()["description"] == "one"
    assert client.delete(path, headers={"If-Match": etag}).status_code == 412
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404


def test_a_listing_is_read_page_by_page(client: httpx.Client) -> None:
    expected = {"check": "must_not_call", "tool": "issue_refund"}
    for number in range(5):
        made(client, "evaluators", project_id="shop", name=f"e{number}", expected=expected)
    seen: list[str] = []
    after = None
    while True:
        page = client.get("/api/evaluators", params={"limit": 2, **({"after": after} if after else {})}).json()
        seen += [one["name"] for one in page["evaluators"]]
        if (after := page["next"]) is None:
            break
    assert seen == ["e4", "e3", "e2", "e1", "e0"]


def test_rows_are_added_changed_and_taken_out(client: httpx.Client) -> None:
    scenario = made(client, "scenarios", project_id="shop", name="By hand")
    path = f"scenarios/{scenario['id']}"
    wrong = client.post(f"/api/{path}/rows", json={"rows": [{"conversation_id": "nobody"}]})
    assert wrong.json()["field"] == "rows[0].conversation_id"
    (row,) = made(client, f"{path}/rows", rows=[{"conversation_id": "desk-1", "columns": {"tier": "gold"}}])["rows"]
    changed = client.patch(
        f"/api/rows/{row['id']}", json={"expected": [{"check": "must_call", "tool": "check_status"}]}
    )
    assert changed.json()["case"]["expected"][0]["tool"] == "check_status"
    never = client.patch(f"/api/rows/{row['id']}", json={"expected": [{"check": "must_call", "tool": "x", "turn": 9}]})
    assert never.status_code == 400 and never.json()["field"] == "case.expected"
    (other,) = made(client, f"{path}/rows", rows=[{"conversation_id": "desk-2"}])["rows"]
    case = {**client.get(f"/api/rows/{other['id']}").json()["case"], "id": row["case_id"]}
    twice = client.patch(f"/api/rows/{other['id']}", json={"case": case})
    assert (twice.status_code, twice.json()["field"]) == (409, "case.id")
    assert client.delete(f"/api/rows/{other['id']}").status_code == 204
    copy = made(client, f"{path}/duplicate")
    assert client.get(f"/api/scenarios/{copy['id']}/rows").json()["rows"][0]["columns"] == {"tier": "gold"}
    assert client.delete(f"/api/rows/{row['id']}").status_code == 204
    assert client.get(f"/api/{path}").json()["rows"] == 0


def test_a_scenario_goes_into_a_file_and_comes_back_the_same(client: httpx.Client) -> None:
    scenario = made(client, "scenarios", project_id="shop", name="Round trip")
    path = f"/api/scenarios/{scenario['id']}"
    assert client.get(f"{path}/file").status_code == 409  # without rows it makes no file
    made(
        client, f"scenarios/{scenario['id']}/rows", rows=[{"conversation_id": "desk-1"}, {"conversation_id": "desk-2"}]
    )
    first = client.get(f"{path}/file")
    assert first.headers["content-disposition"] == 'attachment; filename="Round-trip.zip"'
    taken = client.post("/api/scenario-files", params={"project": "shop"}, content=first.content)
    assert taken.status_code == 409  # the name is taken
    before = [row["id"] for row in client.get(f"{path}/rows").json()["rows"]]
    assert client.put(f"{path}/file", content=first.content).status_code == 200
    assert [row["id"] for row in client.get(f"{path}/rows").json()["rows"]] == before
    assert client.get(f"{path}/file").content == first.content
    client.patch(path, json={"name": "Another"})
    again = client.post("/api/scenario-files", params={"project": "shop"}, content=first.content).json()
    assert client.get(f"/api/scenarios/{again['id']}/file").content == first.content


@pytest.mark.parametrize("content", [b"", b"name: [", b"PK\x03\x04broken", b"name: x\ncases: 3\n"])
def test_a_file_that_is_none_is_one_line_without_our_folders(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/api/scenario-files", params={"project": "shop"}, content=content)
    assert answer.status_code in (400, 422) and "/tmp" not in answer.text


def test_versions_are_added_activated_and_restored(client: httpx.Client) -> None:
    agent = made(client, "agent-definitions", project_id="shop", name="desk 2", version={"system_prompt": "One."})
    path = f"agent-definitions/{agent['id']}"
    second = made(client, f"{path}/versions", system_prompt="Two.", spec="prompt:")
    assert second["changes"] == ["spec: null → prompt:", "system_prompt: One. → Two."]
    assert client.get(f"/api/{path}").json()["active_version"] == 2
    assert made(client, f"{path}/versions/1/activate")["active_version"] == 1
    assert made(client, f"{path}/versions/2/restore")["restored_from"] == 2
    assert client.get(f"/api/{path}/versions/9").status_code == 404
    assert client.get(f"/api/{path}/versions/nine").status_code == 400
    assert [one["number"] for one in client.get(f"/api/{path}/versions").json()["versions"]] == [3, 2, 1]


def test_every_operation_is_documented_with_examples_that_fit(client: httpx.Client) -> None:
    document = client.get("/api/openapi.json").json()
    assert document == json.loads(msgspec.json.encode(openapi(OPERATIONS, EXAMPLES, document["info"]["version"])))
    for operation in OPERATIONS:
        for kind in (operation.answers, operation.body):
            if kind not in (None, File, Stream):
                example = msgspec.json.encode(EXAMPLES[kind])
                assert msgspec.json.decode(example, type=kind) == EXAMPLES[kind]
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)


def answering(fake, handler, body) -> None:
    """An endpoint of a model that does what was recorded; the test says what it was sent."""
    said = same_agent(body["messages"])
    calls = (
        [{"id": f"c{n}", "type": "function", **call} for n, call in enumerate(said.get("tool_calls", ()))]
        if isinstance(said, dict)
        else []
    )
    message = {"role": "assistant", "content": None, "tool_calls": calls} if calls else said
    fake_endpoint.plain(message)(fake, handler, body)


def run_test_of(client: httpx.Client, name: str, **version) -> dict:
    session = scenario_of(client)
    agent = made(client, "agent-definitions", project_id="shop", name=name, version=version)
    ids = {"agent_definition_id": agent["id"], "scenario_ids": [session["scenario_id"]]}
    return made(client, "run-tests", name=name, **ids)


def test_the_server_replays_against_a_model_and_sends_what_the_version_says(client: httpx.Client) -> None:
    with fake_endpoint.serving(answering) as (url, fake):
        test = run_test_of(client, "behind a url", spec=url, system_prompt="Be brief.", settings={"temperature": 0})
        execution = made(client, f"run-tests/{test['id']}/executions")
        assert execution["runner"] == "server"
        done = until(client, f"test-executions/{execution['id']}", "status", "completed")
    assert done["verdicts"] == {"pass": 3}
    assert fake.requests[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert fake.requests[0]["temperature"] == 0
    results = client.get(f"/api/test-executions/{execution['id']}/results").json()
    assert (results["percentage"], results["recorded"]["output_tokens"]["mean"]) == (100.0, 25.0)


def test_an_agent_that_calls_its_tools_by_itself_finds_the_recorded_ones(client: httpx.Client) -> None:
    asked: list[str] = []

    def desk(fake, handler, body) -> None:
        said = same_agent(body["messages"])
        while isinstance(said, dict):
            (one,) = said["tool_calls"]
            name, arguments = one["function"]["name"], json.loads(one["function"]["arguments"])
            result = httpx.post(f"{body['tools_url']}/tools/{name}", json=arguments).json()["result"]
            asked.append(name)
            body["messages"] += [{"role": "assistant", **said}, {"role": "tool", "content": json.dumps(result)}]
            said = same_agent(body["messages"])
        fake_endpoint.raw(200, json.dumps({"content": said}).encode())(fake, handler, body)

    with fake_endpoint.serving(desk) as (url, _):
        test = run_test_of(client, "tools elsewhere", spec=url.removesuffix("/v1/chat/completions"))
        execution = made(client, f"run-tests/{test['id']}/executions")
        done = until(client, f"test-executions/{execution['id']}", "status", "completed")
    assert done["verdicts"] == {"pass": 3}
    assert len(asked) == 3


def test_an_agent_that_is_not_there_ends_the_execution_with_the_reason(client: httpx.Client) -> None:
    test = run_test_of(client, "not there", spec="http://127.0.0.1:9/v1/chat/completions")
    execution = made(client, f"run-tests/{test['id']}/executions")
    done = until(client, f"test-executions/{execution['id']}", "status", "completed")
    assert done["counts"] == {"failed": 3}
    calls = client.get(f"/api/test-executions/{execution['id']}/call-executions").json()["call_executions"]
    assert "127.0.0.1:9" in calls[0]["ended_reason"]


def test_two_executions_stand_side_by_side_and_in_a_trend(client: httpx.Client) -> None:
    with fake_endpoint.serving(answering) as (url, _), fake_endpoint.serving(fake_endpoint.plain("No.")) as (other, _):
        test = run_test_of(client, "side by side", spec=url)
        ids = []
        for spec in (url, other):
            execution = made(client, f"run-tests/{test['id']}/executions", spec=spec)
            until(client, f"test-executions/{execution['id']}", "status", "completed")
            ids.append(execution["id"])
    compared = client.get(f"/api/test-executions/{ids[0]}/compare/{ids[1]}").json()
    assert (len(compared["worse"]), compared["same"], compared["p_value"]) == (3, 0, 0.25)
    points = client.get(f"/api/run-tests/{test['id']}/trend").json()["points"]
    assert [point["pass_rate"] for point in points] == [0.0, 1.0]
    call = client.get(f"/api/test-executions/{ids[1]}/call-executions").json()["call_executions"][0]
    sides = client.get(f"/api/call-executions/{call['id']}/comparison").json()
    assert sides["recorded"]["turns"][0]["reply"] == "It is on its way."
    assert sides["replayed"]["turns"][0]["reply"] == "No."
    assert sides["comparison"]["changes"]


def test_a_text_of_a_user_is_no_formula_in_a_spreadsheet(client: httpx.Client) -> None:
    scenario = made(client, "scenarios", project_id="shop", name="=HYPERLINK(1)")
    made(client, f"scenarios/{scenario['id']}/rows", rows=[{"conversation_id": "desk-1"}])
    agent = made(client, "agent-definitions", project_id="shop", name="formula")
    test = made(client, "run-tests", name="f", agent_definition_id=agent["id"], scenario_ids=[scenario["id"]])
    execution = made(client, f"run-tests/{test['id']}/executions")
    text = client.get(f"/api/test-executions/{execution['id']}/export", params={"format": "csv"}).text
    assert ",'=HYPERLINK(1)," in text

"""Keys: who may do what, on every route that there is, over HTTP and gRPC, by header and by cookie."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
import pytest
from fake_endpoint import plain
from fake_endpoint import serving as endpoint
from made_production import conversation
from made_spans import PROTOBUF, chat_span, trace_request
from starlette.routing import Route

from taketwo.errors import BadSetting
from taketwo.replay.agents.hosts import read_hosts
from taketwo.server.access import MOST_KNOWN, Keys, Refused, needed_role
from taketwo.server.app import create_app
from taketwo.server.guesses import MOST
from taketwo.server.run import serve
from taketwo.store import Store, open_store
from taketwo.store.keys import Role, create_key, keep_given_key, key_of, keys, revoke_key

NOW = datetime(2026, 11, 17, tzinfo=UTC)
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
Serving = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


@pytest.fixture
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store, keys_required=True) as served:
        yield served


def made(store: Store, *roles: Role, project: str | None = None) -> str:
    return create_key(store.documents, name="a test", roles=roles, project=project, now=NOW)[1]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_every_route_refuses_who_has_no_key(client: httpx.Client, store: Store) -> None:
    # A webhook proves itself by the secret that was arranged with its sender.
    open_to_all = {"/health", "/ready", "/login", "/logout", "/static/{name:path}", "/webhooks/{platform}"}
    seen = 0
    for route in create_app(store).routes:
        assert isinstance(route, Route), "a route that nobody guards"
        for method in route.methods or ():
            answer = client.request(method, re.sub(r"\{[^}]*\}", "x", route.path))
            assert (answer.status_code == 401) == (route.path not in open_to_all), (method, route.path)
            seen += 1
    assert seen > 30


@pytest.mark.parametrize("role", ["ingest", "read", "replay"])
def test_every_route_refuses_a_key_that_is_not_good_for_it(client: httpx.Client, store: Store, role: Role) -> None:
    enough = {"ingest": {"ingest"}, "read": {"read"}, "replay": {"read", "replay"}}[role]
    headers = bearer(made(store, role))
    for route in create_app(store).routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or ()):
            path = re.sub(r"\{[^}]*\}", "x", route.path)
            needed = needed_role(method, path)
            if needed is not None and needed not in enough:
                assert client.request(method, path, headers=headers).status_code == 403, (method, path)


def test_a_key_that_may_only_read_changes_nothing(client: httpx.Client, store: Store) -> None:
    headers, seen = bearer(made(store, "read")), 0
    for route in create_app(store).routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"GET", "HEAD"}:
            if not route.path.startswith(("/login", "/logout", "/webhooks/")):
                answer = client.request(method, re.sub(r"\{[^}]*\}", "x", route.path), headers=headers)
                assert answer.status_code == 403, (method, route.path)
                seen += 1
    assert seen > 70


def test_keys_are_taken_in_every_spelling_of_clients(client: httpx.Client, store: Store) -> None:
    secret = made(store, "read")
    (key,) = keys(store.documents)
    basic = base64.b64encode(f"{key.id}:{secret}".encode()).decode()
    for headers in (
        bearer(secret),
        {"x-api-key": key.id, "x-secret-key": secret},
        {"x-api-key": secret},
        {"authorization": f"Basic {basic}"},
    ):
        assert client.get("/api/sessions", headers=headers).status_code == 200, headers
    for headers in (
        bearer(secret[:-1]),
        {"x-api-key": "pk-tt-other", "x-secret-key": secret},
        {"authorization": "Basic %%%"},
        {"authorization": f"Digest {secret}"},
    ):
        answer = client.get("/api/sessions", headers=headers)
        assert answer.status_code == 401 and "Bearer" in answer.headers["www-authenticate"], headers


def test_a_key_of_one_project_sees_nothing_else(client: httpx.Client, store: Store) -> None:
    send, read = bearer(made(store, "ingest", project="shop")), bearer(made(store, "replay", project="shop"))
    body = trace_request(chat_span(1, 1, session="s"), resource={"taketwo.project": "bank"})
    kind = {"content-type": PROTOBUF}
    assert client.post("/v1/traces", content=body, headers={**send, **kind}).status_code == 200
    refused = client.post("/v1/traces", content=body, headers={**send, **kind, "x-taketwo-project": "bank"})
    assert refused.status_code == 403 and b"not for 'bank'" in refused.content
    everyone = bearer(made(store, "ingest"))
    other = trace_request(chat_span(2, 1, session="t"), resource={"taketwo.project": "bank"})
    assert client.post("/v1/traces", content=other, headers={**everyone, **kind}).status_code == 200
    assert store.projects() == ["bank", "shop"]
    assert [row["id"] for row in client.get("/api/sessions", headers=read).json()["sessions"]] == ["s"]
    assert [row["id"] for row in client.get("/api/sessions?filter=order", headers=read).json()["sessions"]] == ["s"]
    assert client.get("/api/sessions/t", headers=read).status_code == 404
    assert client.get("/api/sessions/t?project=bank", headers=read).status_code == 403
    assert client.get("/api/users?project=bank", headers=read).status_code == 403
    score = {"name": "csat", "value": 1}
    assert client.post("/api/sessions/t/scores", json=score, headers=send).status_code == 404
    assert client.post("/api/sessions/s/scores", json=score, headers=send).status_code == 201


def test_a_revoked_key_is_good_for_nothing(store: Store) -> None:
    secret = made(store, "admin")
    assert key_of(store.documents, secret) is not None
    revoke_key(store.documents, keys(store.documents)[0].id, NOW)
    assert key_of(store.documents, secret) is None
    assert key_of(store.documents, "sk-tt-x") is None


def test_no_secret_is_kept(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    secret = made(store, "read")
    store.close()
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret.rpartition("-")[2].encode() not in held and secret.encode() not in held


def test_a_person_signs_in_and_out(client: httpx.Client, store: Store) -> None:
    page = {"accept": "text/html"}
    asked = client.get("/sessions", headers=page, follow_redirects=False)
    assert asked.status_code == 303 and "/login?to=%2Fsessions" in asked.headers["location"]
    assert "Secret key" in client.get(asked.headers["location"]).text
    wrong = client.post("/login", data={"key": "sk-tt-no-no", "to": "/sessions"})
    assert "no key" in wrong.text and "set-cookie" not in wrong.headers
    entered = client.post("/login", data={"key": made(store, "replay"), "to": "//evil.example"}, follow_redirects=False)
    assert entered.headers["location"] == "/sessions" and "HttpOnly" in entered.headers["set-cookie"]
    assert client.get("/api/sessions").status_code == 200
    own = {"origin": str(client.base_url).rstrip("/")}
    foreign = client.post("/start/arrived", headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert client.post("/api/sessions/x/keep").status_code == 403, "a browser would say where it comes from"
    assert client.post("/logout", headers=own, follow_redirects=False).status_code == 303
    client.cookies.clear()
    assert client.get("/api/sessions").status_code == 401
    token = entered.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert client.get("/api/sessions", headers={"cookie": f"taketwo_signed_in={token}"}).status_code == 401


def test_guessing_does_not_pay_even_when_the_guess_is_right(client: httpx.Client, store: Store) -> None:
    in_use, guessed = made(store, "read"), made(store, "read")
    assert client.get("/api/sessions", headers=bearer(in_use)).status_code == 200
    answers = [client.get("/api/sessions", headers=bearer(f"sk-tt-{n}-x")) for n in range(40)]
    assert answers[0].status_code == 401 and answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "60"
    assert client.get("/api/sessions", headers=bearer(guessed)).status_code == 429
    assert client.post("/login", data={"key": guessed}).status_code == 429
    assert client.get("/api/sessions", headers=bearer(in_use)).status_code == 200, "whoever was in stays in"


def test_a_program_that_shows_the_same_wrong_key_for_ever_locks_nobody_out(client: httpx.Client, store: Store) -> None:
    statuses = [client.get("/api/sessions", headers=bearer("sk-tt-old-x")).status_code for _ in range(40)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert client.get("/api/sessions", headers=bearer(made(store, "read"))).status_code == 200


def test_however_many_wrong_keys_come_they_drive_no_good_one_out(store: Store) -> None:
    known, good = Keys(store, required=True), bearer(made(store, "read"))
    known.admit(good, None, "read", "192.0.2.1")
    addresses = [f"198.51.{number // 250}.{number % 250}" for number in range(MOST_KNOWN + 1)]
    for number, address in enumerate([*addresses, *["192.0.2.1"] * (MOST + 1)]):
        with pytest.raises(Refused):
            known.admit(bearer(f"wrong {number}"), None, "read", address)
    # From an address that guessed too often only keys are looked at that were good before.
    assert known.admit(good, None, "read", "192.0.2.1") is not None


def test_guessing_over_grpc_does_not_pay_with_a_new_connection_for_each_guess(
    serving_both: Callable[..., AbstractContextManager[object]], store: Store
) -> None:
    body, guessed = trace_request(chat_span(1, 1, session="s")), made(store, "ingest")

    def code(at: str, secret: str) -> grpc.StatusCode:
        # A connection is shared by channels of the same options.
        alone = grpc.insecure_channel(at, options=[("grpc.use_local_subchannel_pool", 1)])
        with alone as channel, pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(EXPORT)(body, metadata=[("authorization", f"Bearer {secret}")], timeout=60)
        return raised.value.code()

    with serving_both(store, keys_required=True) as both:
        at = both.grpc  # type: ignore[attr-defined]  # the fixture's own
        codes = [code(at, f"sk-tt-{n}-x") for n in range(32)]
        assert codes[0] == grpc.StatusCode.UNAUTHENTICATED and codes[-1] == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert code(at, guessed) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_on_this_machine_no_key_is_needed_and_a_wrong_one_does_no_harm(serving: Serving, store: Store) -> None:
    with serving(store) as client:
        assert client.get("/api/sessions", headers=bearer("made-up")).status_code == 200
        assert client.get("/api/sessions").status_code == 200


def test_grpc_is_guarded_too(serving_both: Callable[..., AbstractContextManager[object]], store: Store) -> None:
    body = trace_request(chat_span(1, 1, session="s"))
    secret = made(store, "ingest", project="shop")
    reader = made(store, "read")
    with serving_both(store, keys_required=True) as both, grpc.insecure_channel(both.grpc) as channel:  # type: ignore[attr-defined]  # the fixture's own
        export = channel.unary_unary(EXPORT)
        for metadata, code in (
            ((), grpc.StatusCode.UNAUTHENTICATED),
            ((("authorization", "Bearer nothing"),), grpc.StatusCode.UNAUTHENTICATED),
            ((("authorization", f"Bearer {reader}"),), grpc.StatusCode.PERMISSION_DENIED),
            ((("x-secret-key", secret), ("x-project-name", "bank")), grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                export(body, metadata=metadata, timeout=60)
            assert refused.value.code() == code
        export(body, metadata=(("x-secret-key", secret),), timeout=60)
    assert store.projects() == ["shop"]


def test_a_server_that_others_reach_does_not_start_without_keys(store: Store) -> None:
    for asked in ({"host": "0.0.0.0"}, {"host": "127.0.0.1", "require_keys": True}):
        with pytest.raises(BadSetting, match="taketwo keys create"):
            serve(store, port=0, **asked)  # type: ignore[arg-type]  # one of the two


def test_a_key_can_be_given_beforehand_and_another_one_takes_its_place(store: Store) -> None:
    first, second = (f"sk-tt-0123456789abcde{n}-{'x' * 40}" for n in range(2))
    for _ in range(2):
        keep_given_key(store.documents, first, NOW)
        found = key_of(store.documents, first)
        assert found is not None and found.may("admin") and found.project is None
    mine = made(store, "read")
    keep_given_key(store.documents, second, NOW)
    assert key_of(store.documents, first) is None and key_of(store.documents, mine) is not None
    assert key_of(store.documents, second) is not None and len(keys(store.documents)) == 3
    for wrong in ("admin", "sk-tt-short-x", f"{first} "):
        with pytest.raises(BadSetting, match="form of a key") as refused:
            keep_given_key(store.documents, wrong, NOW)
        assert wrong not in str(refused.value)


def test_with_keys_nobody_has_the_server_ask_an_address_of_its_network_that_is_not_named(serving: Serving) -> None:
    with endpoint(plain("It is on its way.")) as (url, fake):
        host = url.split("/")[2]
        for needs_keys, named, arrives in ((True, "", False), (True, host, True), (False, "", True)):
            store = open_store("memory:")
            store.put_conversation(conversation(1))
            secret = made(store, "replay", "read")
            fake.requests.clear()
            with serving(store, keys_required=needs_keys, agent_hosts=read_hosts(named)) as client:
                client.headers.update(bearer(secret))
                call = replayed_once(client, url)
            assert (call["status"], bool(fake.requests)) == (("completed", True) if arrives else ("failed", False))
            assert arrives or "allow it with TAKETWO_AGENT_HOSTS" in call["ended_reason"]


def replayed_once(client: httpx.Client, spec: str) -> dict[str, str]:
    """The only row of an execution against that agent, once it has ended."""

    def asked(path: str, **body: object) -> dict[str, str]:
        return dict(client.post(f"/api/{path}", json=body).raise_for_status().json())

    def until(path: str, is_so: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        while not is_so(found := dict(client.get(f"/api/{path}").raise_for_status().json())):
            time.sleep(0.05)
        return found

    session = asked("replay-sessions", project_id="shop", select_all=True)["id"]
    until(f"replay-sessions/{session}", lambda one: one["suggestions"] is not None)
    asked(f"replay-sessions/{session}/generate-scenario", no_of_rows=1)
    ready = until(f"replay-sessions/{session}", lambda one: one["current_step"] == "ready")
    test = asked(
        "run-tests",
        name="one",
        agent_definition_id=ready["agent_definition_id"],
        scenario_ids=[ready["scenario_id"]],
    )
    execution = asked(f"run-tests/{test['id']}/executions", spec=spec)["id"]
    until(f"test-executions/{execution}", lambda one: one["status"] not in ("pending", "running"))
    calls = client.get(f"/api/test-executions/{execution}/call-executions").raise_for_status().json()
    return dict(calls["call_executions"][0])

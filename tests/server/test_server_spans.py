"""The server's own spans arrive at another receiver, and never at itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from made_production import stocked
from made_spans import PROTOBUF, chat_span, trace_request
from test_flow_killed import until

from taketwo.capture.otlp import decode_span
from taketwo.errors import BadSetting
from taketwo.server.own_spans import own_spans
from taketwo.span import Span
from taketwo.store import Store, open_store

Serving = Callable[..., AbstractContextManager[httpx.Client]]


def spans_of(store: Store) -> list[Span]:
    return [decode_span(raw) for trace in store.traces() for raw in store.raw_spans(trace.id)]


@pytest.mark.slow
def test_requests_and_what_outlives_them_arrive_at_another_receiver(serving: Serving, tmp_path: Path) -> None:
    receiver = open_store("memory:")
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    stocked(open_store(url)).close()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with serving(receiver) as there:
        endpoint = str(there.base_url).rstrip("/")
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--store", url]
        environment = {**os.environ, "HOME": str(tmp_path), "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with subprocess.Popen(
            [*command, "--traces-to", endpoint], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            with httpx.Client(base_url=process.stdout.readline().split()[2], timeout=120) as client:
                body = trace_request(chat_span(1, 1, session="s"))
                assert client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
                assert client.get("/api/sessions/s", headers={"traceparent": parent}).status_code == 200
                assert client.get("/api/sessions/nobody-of-this-name").status_code == 404
                made = client.post("/api/replay-sessions", json={"project_id": "shop", "select_all": True}).json()
                client.post(f"/api/replay-sessions/{made['id']}/generate-scenario", json={"no_of_rows": 3})
                until(client, f"replay-sessions/{made['id']}", "current_step", "ready")
                client.get("/health")
            process.terminate()
            assert process.wait(120) == 0
    found = {span.name: span for span in spans_of(receiver)}
    route = "GET /api/sessions/{id:path}"
    assert route in found and not any("/v1/" in name or "health" in name for name in found), set(found)
    told = [span for span in spans_of(receiver) if span.name == route]
    assert {span.attributes["http.response.status_code"] for span in told} == {200, 404}
    assert "0af7651916cd43dd8448eb211c80319c" in {span.trace_id for span in told}, "the caller's trace goes on"
    assert "nobody-of-this-name" not in str(told), "an address names conversations"
    assert found["generate_scenario"].attributes["taketwo.id"] == made["id"]
    kept = open_store(url)
    assert sum(trace.spans for trace in kept.traces()) == 1, "nothing of its own"
    kept.close()
    receiver.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_a_server_never_sends_to_itself(name: str) -> None:
    with pytest.raises(BadSetting, match="to itself"):
        own_spans(f"http://{name}:4318", {}, host="127.0.0.1", port=4318)
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{name}:4318"}
    with own_spans(None, named, host="127.0.0.1", port=4318).span("x") as attributes:
        assert attributes == {}
    assert not own_spans(None, named, host="127.0.0.1", port=4318).are_made
    other = own_spans(None, named, host="127.0.0.1", port=4319)
    assert other.are_made
    other.close()


@pytest.mark.parametrize("address", ["collector:4318", "ftp://collector", "http://"])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(BadSetting, match="no address of a collector"):
        own_spans(address, {}, host="127.0.0.1", port=4318)

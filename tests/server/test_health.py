"""Whether the server says truly how it is: to probes, and to Prometheus."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
import pytest
from made_spans import PROTOBUF, chat_span, trace_request
from prometheus_client.parser import text_string_to_metric_families

from taketwo.server.limits import Limits
from taketwo.store import Store, open_store
from taketwo.store.keys import create_key

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
Serving = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


def figures(client: httpx.Client, **headers: str) -> dict[str, float]:
    """Every sample, by its name and labels."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return {
        " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_server_that_can_do_its_work_is_ready(serving: Serving, store: Store) -> None:
    with serving(store, keys_required=True) as client:
        assert client.get("/health").json() == {"status": "ok"}
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
        assert answer.headers["cache-control"] == "no-store"


def test_a_server_whose_disk_is_nearly_full_is_not_ready_and_still_takes_spans(
    serving: Serving, tmp_path: Path
) -> None:
    kept = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    with serving(kept, Limits(free_bytes=2**60)) as client:
        answer = client.get("/ready")
        assert answer.status_code == 503 and "the disk is nearly full" in answer.json()["reasons"][0]
        assert str(tmp_path) not in answer.text, "who may not look into the server need not know where it keeps things"
        body = trace_request(chat_span(1, 1, session="s"))
        assert client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
    kept.close()


def test_what_came_in_and_what_was_answered_is_counted(serving_both: Callable[..., object], store: Store) -> None:
    good = trace_request(chat_span(1, 1, session="s"), chat_span(1, 2, session="s"))
    broken = trace_request(chat_span(2, 1, session="s"), chat_span(0, 1, session="s"))  # no trace has the id 0
    with serving_both(store) as both, grpc.insecure_channel(both.grpc) as channel:  # type: ignore[attr-defined]  # the fixture's own
        client = both.http
        for body in (good, broken, b"nonsense"):
            client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
        channel.unary_unary(EXPORT)(good, timeout=5)
        client.get("/api/sessions/none-of-this-name")
        client.get("/such/a/place/is/not")
        client.request("PROPFIND", "/health")
        found = figures(client)
    assert found["taketwo_ingest_requests_total traces 200 http"] == 2
    assert found["taketwo_ingest_requests_total traces 400 http"] == 1
    assert found["taketwo_ingest_requests_total traces 200 grpc"] == 1
    assert found["taketwo_ingest_records_total traces"] == 5
    assert found["taketwo_ingest_rejected_records_total traces"] == 1
    assert found["taketwo_ingest_seconds_count traces"] == 3
    assert found["taketwo_http_seconds_count GET /api/sessions/{id:path} 4xx"] == 1
    assert found["taketwo_http_seconds_count GET none 4xx"] == 1
    assert found["taketwo_http_seconds_count other /health 4xx"] == 1
    assert found["taketwo_in_flight_requests"] == 0
    assert found["taketwo_recent_sessions"] == 0 and found["taketwo_store_up"] == 1
    assert found["taketwo_executions completed"] == found["taketwo_leases"] == 0
    assert found["process_resident_memory_bytes"] > 0


def test_figures_name_nobody(serving: Serving, store: Store) -> None:
    with serving(store) as client:
        for number in range(30):
            body = trace_request(chat_span(1, 1, session=f"s-{number}"), resource={"taketwo.project": f"p-{number}"})
            client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
            client.get(f"/api/sessions/s-{number}")
        text = client.get("/metrics").text
    assert "p-1" not in text and "s-1" not in text


def test_figures_are_for_who_may_see_every_project(serving: Serving, store: Store) -> None:
    def made(project: str | None) -> dict[str, str]:
        now = datetime(2026, 11, 17, tzinfo=UTC)
        _, secret = create_key(store.documents, name="", roles=("read",), project=project, now=now)
        return {"authorization": f"Bearer {secret}"}

    with serving(store, keys_required=True) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=made("shop")).status_code == 403
        assert figures(client, **made(None))["taketwo_store_up"] == 1


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_says_so_before_it_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--drain", "600"]
    with subprocess.Popen(
        [*command, "--store", f"sqlite:///{tmp_path}/store.sqlite3"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        assert httpx.get(f"{address}/ready", timeout=120).status_code == 200
        process.terminate()
        while (answer := httpx.get(f"{address}/ready", timeout=120)).status_code == 200:
            assert process.poll() is None
        assert answer.json()["reasons"] == ["it was told to stop"]
        body = trace_request(chat_span(1, 1, session="s"))
        sent = httpx.post(f"{address}/v1/traces", content=body, headers={"content-type": PROTOBUF}, timeout=120)
        assert sent.status_code == 200, "as long as others still send here"
        process.terminate()  # who is in a hurry says it again
        assert process.wait(120) == 0

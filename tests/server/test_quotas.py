"""Quotas of projects: what each may send, keep, replay and spend; and that a flood of one keeps no other out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from flow.test_whole_flow import run_test_of
from made_production import conversation, stocked
from made_spans import PROTOBUF, chat_span, trace_request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from taketwo.capture.otlp import read_spans
from taketwo.errors import TooFast
from taketwo.sdk.api.executions import ClaimRows, ExecuteRunTest, ReportRow
from taketwo.server.flow.allowances import book, insist_on_money, spent_today
from taketwo.server.flow.executions import execute
from taketwo.server.flow.hand_outs import LEASE_S, claim_rows, report_row
from taketwo.server.flow.shelf import Flow
from taketwo.server.limits import Limits
from taketwo.server.quotas import MEASURED_FOR_S, Quotas
from taketwo.server.scoring import Scorer
from taketwo.store import Store, open_store
from taketwo.store.keys import create_key
from taketwo.store.project import ProjectSettings

Serving = Callable[..., AbstractContextManager[httpx.Client]]
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SENT = {"content-type": PROTOBUF}


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.sqlite3")
    yield opened
    opened.close()


def spans_of(project: str, first: int, count: int = 1, padding: str = "") -> bytes:
    """A request of so many traces of a project."""
    made = (chat_span(number, 1, padding=padding) for number in range(first, first + count))
    return trace_request(*made, resource={"taketwo.project": project})


def together(*bodies: bytes) -> bytes:
    """As a collector sends what several sent to it."""
    whole = ExportTraceServiceRequest()
    for body in bodies:
        whole.MergeFromString(body)
    return whole.SerializeToString()


def test_a_project_may_send_its_quota_in_the_long_run_and_some_seconds_of_it_at_once() -> None:
    clock, store = Clock(), open_store("memory:")
    store.set_project("shop", ProjectSettings(spans_per_s=10))
    quotas = Quotas(store, clock)
    assert quotas.refusals({"shop": 90, "bank": 10_000}) == {}
    refused = quotas.refusals({"shop": 1, "bank": 1})
    assert set(refused) == {"shop"} and refused["shop"].after_s == 4 and "10 spans a second" in str(refused["shop"])
    clock.now += 4
    assert quotas.refusals({"shop": 1}) == {}
    taken = 0
    for _ in range(100):
        clock.now += 1
        taken += 0 if quotas.refusals({"shop": 20}) else 20
    assert 950 <= taken <= 1_050


def test_a_sender_over_its_quota_is_told_when_to_come_back(serving: Serving) -> None:
    store = open_store("memory:")
    store.set_project("default", ProjectSettings(spans_per_s=1))
    with serving(store) as client:
        bodies = [trace_request(*(chat_span(trace, span) for span in range(1, 9))) for trace in range(1, 4)]
        answers = [client.post("/v1/traces", content=body, headers=SENT) for body in bodies]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert int(answers[1].headers["retry-after"]) >= 2 and b"taketwo project set" in answers[1].content
    assert [trace.spans for trace in store.traces()] == [8]


def test_of_a_request_of_several_projects_those_within_their_quotas_are_kept(
    serving_both: Callable[..., AbstractContextManager[object]],
) -> None:
    store = open_store("memory:")
    store.set_project("shop", ProjectSettings(spans_per_s=1))
    with serving_both(store) as both, grpc.insecure_channel(both.grpc) as channel:  # type: ignore[attr-defined]  # the fixture's own
        assert both.http.post("/v1/traces", content=spans_of("shop", 1, 8), headers=SENT).status_code == 200  # type: ignore[attr-defined]  # the same
        mixed = together(spans_of("shop", 20, 3), spans_of("bank", 30, 2))
        over_http = both.http.post("/v1/traces", content=mixed, headers=SENT)  # type: ignore[attr-defined]  # the same
        over_grpc = channel.unary_unary(EXPORT)(together(spans_of("shop", 40, 3), spans_of("bank", 50, 2)), timeout=60)
    assert over_http.status_code == 200
    for body in (over_http.content, over_grpc):
        told = ExportTraceServiceResponse.FromString(body).partial_success
        assert told.rejected_spans == 3 and "'shop' may send 1 spans a second" in told.error_message
    assert len(list(store.traces("bank"))) == 4 and len(list(store.traces("shop"))) == 8


def test_a_project_keeps_no_more_than_it_may(store: Store) -> None:
    clock = Clock()
    quotas = Quotas(store, clock)
    store.set_project("shop", ProjectSettings(stored_bytes=20_000))
    assert store.stored_bytes("shop") == store.stored_bytes("never heard of") == 0
    assert quotas.refusals({"shop": 1}) == {}
    store.add_spans("shop", read_spans(spans_of("shop", 1, 200, padding="x" * 400), PROTOBUF).spans)
    assert store.stored_bytes("shop") > 20_000 and store.stored_bytes("bank") == 0
    assert quotas.refusals({"shop": 1}) == {}, "measured a moment ago"
    clock.now += MEASURED_FOR_S
    (refusal,) = quotas.refusals({"shop": 1, "bank": 1}).values()
    assert "'shop' may keep 20,000 bytes" in str(refusal) and refusal.after_s >= 10
    store.set_project("shop", ProjectSettings())
    clock.now += 2
    assert quotas.refusals({"shop": 1}) == {}


def test_a_flood_of_one_project_keeps_no_other_out(serving: Serving) -> None:
    store = open_store("memory:")
    now = datetime(2026, 11, 17, tzinfo=UTC)
    flood, small = (
        {**SENT, "authorization": f"Bearer {secret}"}
        for project in ("flood", "small")
        for _, secret in [create_key(store.documents, name="", roles=("ingest",), project=project, now=now)]
    )
    stop = threading.Event()
    body = trace_request(*(chat_span(number, 1, padding="x" * 2_000) for number in range(1, 100)))
    answers: list[int] = []

    def send(url: str) -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not stop.is_set():
                answers.append(client.post("/v1/traces", content=body, headers=flood).status_code)

    with serving(store, Limits(requests_in_flight=4, bytes_in_flight=2**20), keys_required=True) as client:
        threads = [threading.Thread(target=send, args=(str(client.base_url),)) for _ in range(12)]
        for thread in threads:
            thread.start()
        while len(answers) < 20:
            time.sleep(0.01)
        told = []
        for number in range(20):
            content = trace_request(chat_span(10_000 + number, 1))
            told.append(client.post("/v1/traces", content=content, headers=small).status_code)
        stop.set()
        for thread in threads:
            thread.join()
    assert told == [200] * 20
    assert len(list(store.traces("small"))) == 20
    assert set(answers) <= {200, 429, 503} and answers.count(200) > 0


def test_no_more_rows_are_handed_out_than_a_project_may_replay_at_a_time(store: Store) -> None:
    at = [datetime(2026, 11, 17, 12, tzinfo=UTC)]
    flow = Flow(stocked(store), now=lambda: at[0])
    execution = execute(flow, run_test_of(flow).id, ExecuteRunTest(runner="sdk"))
    store.set_project("shop", ProjectSettings(replays=2))
    first = claim_rows(flow, execution.id, ClaimRows(worker="a", limit=10))
    assert len(first.rows) == 2 and first.held_back is None
    second = claim_rows(flow, execution.id, ClaimRows(worker="b", limit=10))
    assert second.rows == () and not second.is_over and "2 replays at a time" in (second.held_back or "")
    report_row(flow, first.rows[0].call.id, ReportRow(worker="a", error="it broke"))
    assert len(claim_rows(flow, execution.id, ClaimRows(worker="b", limit=10)).rows) == 1
    at[0] += timedelta(seconds=LEASE_S + 1)
    again = claim_rows(flow, execution.id, ClaimRows(worker="c", limit=10))
    assert len(again.rows) == 2, "what nobody was heard of is in nobody's hands"


def test_a_project_spends_no_more_on_models_in_a_day_than_it_may(store: Store) -> None:
    at = [datetime(2026, 11, 17, 23, tzinfo=UTC)]
    flow = Flow(store, now=lambda: at[0])
    store.set_project("shop", ProjectSettings(model_usd_a_day=1.0))
    for usd in (0.0, 0.6, 0.3):
        book(flow, "shop", usd)
    insist_on_money(flow, "shop")
    book(flow, "shop", 0.2)
    book(flow, "bank", 100.0)
    insist_on_money(flow, "bank")
    with pytest.raises(TooFast, match="may spend 1 US dollars a day on models, and has spent 1") as refused:
        insist_on_money(flow, "shop")
    assert refused.value.after_s == 3600
    at[0] += timedelta(hours=1)
    insist_on_money(flow, "shop")
    assert spent_today(flow, "shop") == 0.0


def test_a_project_without_money_begins_no_replay_and_hears_when_it_may(serving: Serving) -> None:
    store = stocked(open_store("memory:"))
    flow = Flow(store)
    test = run_test_of(flow)
    store.set_project("shop", ProjectSettings(model_usd_a_day=0.5))
    book(flow, "shop", 0.5)
    with serving(store) as client:
        answer = client.post(
            f"/api/run-tests/{test.id}/executions", json={"spec": "http://127.0.0.1:9/v1/chat/completions"}
        )
        assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 86_400
        assert "US dollars a day" in answer.json()["detail"] and "midnight" in answer.json()["todo"]
        own = client.post(f"/api/run-tests/{test.id}/executions", json={"runner": "sdk"})
        assert own.status_code == 201, "who replays in a process of their own pays themselves"


def test_judging_what_is_captured_ends_with_the_money_of_the_day(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.set_project("shop", ProjectSettings(score_share=1.0, model_usd_a_day=1.0))
    at = datetime.now(UTC) - timedelta(seconds=90)
    for number in range(5):
        store.put_conversation(conversation(number).but(started_at=at, ended_at=at))
    costs = [0.0]

    class Costly:
        name = "costly"
        version = "costly/1"

        def evaluate(self, context: object) -> bool:
            costs[0] += 0.4
            return True

    with Scorer(store, lambda: [Costly()], spent=lambda: costs[0], every_s=0.05, quiet_s=1):
        until = time.monotonic() + 120
        while costs[0] < 1.2 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
    assert costs[0] == pytest.approx(1.2) and spent_today(Flow(store), "shop") == pytest.approx(1.2)
    store.close()

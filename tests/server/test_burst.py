"""Where more comes than can be stored: acknowledged when it is on disk, and stored as soon as that can be done."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import pytest
from made_spans import PROTOBUF, chat_span, log_request, trace_request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from taketwo.errors import StoreUnavailable
from taketwo.server.burst import PAUSE_S, STORED_AT_ONCE, Burst
from taketwo.server.intake import Delivery, take
from taketwo.server.limits import Limits
from taketwo.server.quotas import Quotas
from taketwo.span import RawSpan
from taketwo.store import open_store
from taketwo.store.journal import Entry, Journal
from taketwo.store.memory import MemoryStore
from taketwo.store.project import ProjectSettings
from taketwo.store.requests import TOGETHER_BYTES
from taketwo.store.tables import TableStore

SENT = {"content-type": PROTOBUF}


def test_few_requests_are_stored_by_those_who_brought_them_and_more_wait(tmp_path: Path) -> None:
    store, stored = open_store("memory:"), Event()
    burst = Burst(store, Journal(tmp_path), on_stored=stored.set)
    with ExitStack() as held:
        assert [held.enter_context(burst.storing()) for _ in range(STORED_AT_ONCE + 1)] == [True, True, False]
        burst.append(Entry("shop", trace_request(chat_span(1, 1))))
    until = time.monotonic() + 120
    while not list(store.traces()) and time.monotonic() < until:
        assert stored.wait(120)
    assert [trace.project for trace in store.traces()] == ["shop"]
    with burst.storing() as alone:
        assert alone
    burst.close()


def test_nobody_is_told_that_something_was_stored_while_nothing_comes(tmp_path: Path) -> None:
    told: list[None] = []
    burst = Burst(open_store("memory:"), Journal(tmp_path), on_stored=lambda: told.append(None))
    time.sleep(3 * PAUSE_S)
    burst.close()
    assert len(told) == 1  # what may have been left by another process


def test_what_waits_when_the_server_ends_is_stored_first(tmp_path: Path) -> None:
    store = open_store("memory:")
    burst = Burst(store, Journal(tmp_path))
    for trace in range(1, 50):
        burst.append(Entry(None, trace_request(chat_span(trace, 1))))
    burst.close()
    assert len(list(store.traces())) == 49
    assert list(tmp_path.iterdir()) == []


class Refusing(MemoryStore):
    """Refuses some of what it is given."""

    def __init__(self, refused: Iterable[int]) -> None:
        super().__init__()
        self.refused = set(refused)
        self.given = count(1)

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        if next(self.given) in self.refused:
            raise StoreUnavailable("the disk is full")
        return super().add_spans(project, spans)


@pytest.mark.parametrize("refused", [{1, 2}, {4, 6}])
def test_what_cannot_be_stored_just_now_is_stored_later_and_nothing_twice(tmp_path: Path, refused: set[int]) -> None:
    journal = Journal(tmp_path)
    long = "word " * (TOGETHER_BYTES // 5)  # so that each request is stored by itself
    for trace in range(1, 6):
        journal.append(Entry(None, trace_request(chat_span(trace, 1, said=(long,)))))
    store = Refusing(refused)
    burst = Burst(store, journal)
    until = time.monotonic() + 30
    while journal.waiting_bytes:
        assert time.monotonic() < until
        time.sleep(0.01)
    burst.close()
    assert sorted(trace.spans for trace in store.traces()) == [1] * 5
    assert list(tmp_path.iterdir()) == []


def test_log_records_wait_as_spans_do_and_their_sender_is_told_the_same(tmp_path: Path) -> None:
    body = log_request((1, 1, "first"), (2, 1, "second"), (0, 1, "of no trace"), session="desk-1")
    at_once, waited = open_store("memory:"), open_store("memory:")
    burst = Burst(waited, Journal(tmp_path))
    delivery = Delivery(signal="logs", content_type=PROTOBUF, project="shop")
    with ExitStack() as held:
        for _ in range(STORED_AT_ONCE):
            held.enter_context(burst.storing())
        told = take(waited, delivery, body, Limits(), Quotas(waited), burst)
    assert told == take(at_once, delivery, body, Limits(), Quotas(at_once))
    burst.close()
    kept = [sorted(store.raw_logs("desk-1", "shop"), key=repr) for store in (waited, at_once)]
    assert kept[0] == kept[1] != []


def json_span(number: int, **changes: object) -> dict[str, object]:
    """A span as OTLP/JSON has it."""
    attributes = [
        {"key": key, "value": {"stringValue": text}} for key, text in (("session.id", "desk-1"), ("é", "\ud83d"))
    ]
    attributes.append({"key": "count", "value": {"intValue": str(number)}})
    span = {"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat", "startTimeUnixNano": str(10**18)}
    return {**span, "endTimeUnixNano": str(10**18 + number), "attributes": attributes, **changes}


def test_json_waits_too_and_its_sender_is_told_which_span_broke_which_rule(tmp_path: Path) -> None:
    spans = [json_span(1), json_span(2, startTimeUnixNano="soon"), json_span(3, traceId="ab"), json_span(4)]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    at_once, waited = open_store("memory:"), open_store("memory:")
    burst = Burst(waited, Journal(tmp_path))
    delivery = Delivery(signal="traces", content_type="application/json", project="shop")
    with ExitStack() as held:
        for _ in range(STORED_AT_ONCE):
            held.enter_context(burst.storing())
        told = take(waited, delivery, body, Limits(), Quotas(waited), burst)
        assert list(tmp_path.iterdir())
    assert told == take(at_once, delivery, body, Limits(), Quotas(at_once))
    partial = json.loads(told.body)["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 2
    assert "start_time_unix_nano cannot be 'soon'" in partial["errorMessage"]
    assert "the trace id has 1 bytes, not 16" in partial["errorMessage"]
    burst.close()
    kept = [sorted(store.raw_spans("desk-1", "shop"), key=repr) for store in (waited, at_once)]
    assert kept[0] == kept[1]
    assert [span.span_id for span in kept[0]] == [f"{number:016x}" for number in (1, 4)]


@pytest.mark.parametrize("mark", ["simulator.call_execution_id", "simulator\\u002ecall_execution_id"])
def test_spans_of_a_replay_never_wait_however_json_spells_their_mark(tmp_path: Path, mark: str) -> None:
    span = json.dumps(json_span(1, attributes=[{"key": "MARK", "value": {"stringValue": "row-1"}}]))
    body = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span.replace("MARK", mark)}]}}]}}]}}'.encode()
    store = open_store("memory:")
    burst = Burst(store, Journal(tmp_path))
    delivery = Delivery(signal="traces", content_type="application/json", project="shop")
    with ExitStack() as held:
        for _ in range(STORED_AT_ONCE):
            held.enter_context(burst.storing())
        assert take(store, delivery, body, Limits(), Quotas(store), burst).status == 200
        assert list(tmp_path.iterdir()) == []
    burst.close()


def test_what_is_to_be_redacted_is_never_on_disk_as_it_came(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.set_project("private", ProjectSettings(redact="secrets"))
    assert isinstance(store, TableStore) and store.arrivals is not None
    burst = Burst(store, Journal(store.arrivals), may_wait=store.may_lie_as_it_came)
    taken = Delivery(signal="traces", content_type=PROTOBUF, project="private")
    body = trace_request(chat_span(1, 1, said=("sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD",)))
    with ExitStack() as held:
        for _ in range(STORED_AT_ONCE):
            held.enter_context(burst.storing())
        assert take(store, taken, body, Limits(), Quotas(store), burst).status == 200
        assert not store.arrivals.exists()
        assert len(list(store.traces("private"))) == 1
        assert take(store, taken.but(project="open"), body, Limits(), Quotas(store), burst).status == 200
        assert store.arrivals.exists()
    burst.close()
    assert len(list(store.traces("open"))) == 1
    store.close()


def test_more_than_may_wait_is_sent_away_until_there_is_room(tmp_path: Path) -> None:
    store = open_store("memory:")
    burst = Burst(store, Journal(tmp_path, most_bytes=2_000))
    taken = Delivery(signal="traces", content_type=PROTOBUF)
    answers = []
    with ExitStack() as held:
        for _ in range(STORED_AT_ONCE):
            held.enter_context(burst.storing())
        for trace in range(1, 30):
            body = trace_request(chat_span(trace, 1))
            answers.append(take(store, taken, body, Limits(retry_after_s=3), Quotas(store), burst))
    assert {(answer.status, answer.retry_after_s) for answer in answers} == {(200, None), (503, 3)}
    burst.close()
    assert len(list(store.traces())) == sum(answer.status == 200 for answer in answers)


@pytest.mark.slow
def test_what_is_acknowledged_while_nothing_can_be_stored_outlives_a_kill(server_process, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    server = server_process(f"sqlite:///{path}")

    def send(trace: int) -> httpx.Response:
        body = trace_request(chat_span(trace, 1), chat_span(0, 2))
        return httpx.post(f"{server.address}/v1/traces", content=body, headers=SENT, timeout=120)

    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(4) as threads:
        other.execute("BEGIN IMMEDIATE")
        # The first ones find nobody before them, and wait for the store in vain.
        answers = dict(zip(range(1, 41), threads.map(send, range(1, 41)), strict=True))
        server.kill()
        other.execute("ROLLBACK")
    acknowledged = {f"{trace:032x}": answer for trace, answer in answers.items() if answer.status_code == 200}
    assert len(acknowledged) > 30
    # What can never be kept is said at once, and not when it is found out again.
    said = [ExportTraceServiceResponse.FromString(one.content).partial_success for one in acknowledged.values()]
    assert {one.error_message for one in said} == {"span 0000000000000002: the trace id is all zero"}
    store = open_store(f"sqlite:///{path}")
    until = time.monotonic() + 120
    # The process that received ends by itself, and stores what it can; what it does not is taken over.
    while acknowledged.keys() - {trace.id for trace in store.traces()} and time.monotonic() < until:
        store.flush()
    assert acknowledged.keys() <= {trace.id for trace in store.traces()}
    store.close()

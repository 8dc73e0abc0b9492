"""Servers as processes of their own on one PostgreSQL: several at once, and when the database goes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest
from made_spans import PROTOBUF, chat_span, trace_request
from postgres_cluster import Cluster

from taketwo.store import open_store

pytestmark = pytest.mark.slow
HEADERS = {"content-type": PROTOBUF}


def bodies(number: int) -> list[bytes]:
    """Requests of two traces of three spans: each trace comes in two requests, and each session in all of them."""
    return [
        trace_request(
            *(
                chat_span(trace, span, session=f"desk-{trace % 5}", padding="x" * 300)
                for trace in (position // 2 * 2 + 1, position // 2 * 2 + 2)
                for span in (1 + position % 2, 3 + position % 2)
            )
        )
        for position in range(number)
    ]


def sent(client: httpx.Client, body: bytes, was_refused: Event | None = None) -> int:
    """Send until it is taken, as exporters do; gives how often it was refused."""
    for refused in range(600):
        answer = client.post("/v1/traces", content=body, headers=HEADERS)
        if answer.status_code == 200:
            return refused
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1, answer.text
        if was_refused is not None:
            was_refused.set()
        time.sleep(0.2)
    raise AssertionError("it was never taken")


def becoming(client: httpx.Client, status: int) -> str:
    """What a server says of its readiness as soon as it is so; it remembers that for a moment."""
    for _ in range(600):
        if (answer := client.get("/ready")).status_code == status:
            return answer.text
        time.sleep(0.1)
    raise AssertionError(answer.text)


@pytest.fixture
def clients(server_process, postgresql_url: str) -> Iterator[list[httpx.Client]]:
    servers = [server_process(postgresql_url) for _ in range(2)]
    made = [httpx.Client(base_url=server.address, timeout=120) for server in servers]
    yield made
    for client in made:
        client.close()
    assert [server.end() for server in servers] == [0, 0]


def test_two_servers_take_and_show_at_once_and_nothing_is_lost_or_doubled(
    clients: list[httpx.Client], postgresql_url: str
) -> None:
    every = bodies(60)
    with ThreadPoolExecutor(8) as threads:
        # Each body goes to both at about the same moment, as from a sender that gave up waiting for the first.
        takings = [threads.submit(sent, client, body) for body in every for client in clients]
        shown = [threads.submit(clients[number % 2].get, "/sessions") for number in range(20)]
        assert {page.result().status_code for page in shown} == {200}
        for taking in takings:
            taking.result()
    store = open_store(postgresql_url)
    assert [trace.spans for trace in store.traces()] == [4] * 60
    assert sorted(one.id for one in store.conversations()) == [f"desk-{number}" for number in range(5)]
    for number in range(5):
        ids = [(span.trace_id, span.span_id) for span in store.raw_spans(f"desk-{number}")]
        assert len(ids) == len(set(ids)) == 48
    store.close()


def test_where_one_machine_receives_a_burst_is_acknowledged_out_of_a_journal(
    server_process, postgresql_url: str, tmp_path: Path
) -> None:
    url = f"{postgresql_url}&journal={tmp_path}/arrivals"
    server, every = server_process(url), bodies(80)
    with ThreadPoolExecutor(16) as threads, httpx.Client(base_url=server.address, timeout=120) as client:
        assert sum(threads.map(lambda body: sent(client, body), every)) == 0
    assert list((tmp_path / "arrivals").iterdir())
    store = open_store(url)
    store.flush()
    assert [trace.spans for trace in store.traces()] == [4] * 80
    store.close()
    assert server.end() == 0


def test_a_database_that_goes_away_is_waited_for_and_nothing_acknowledged_is_lost(
    clients: list[httpx.Client], cluster: Cluster, postgresql_url: str
) -> None:
    client, every = clients[0], bodies(12)
    taken = [sent(client, body) for body in every[:4]]
    cluster.stop("fast")
    try:
        away = client.post("/v1/traces", content=every[4], headers=HEADERS)
        assert away.status_code == 503 and int(away.headers["retry-after"]) >= 1
        assert b"see that PostgreSQL runs" in away.content
        assert client.get("/health").status_code == 200
        assert "the store cannot be written" in becoming(client, 503)
        with ThreadPoolExecutor(4) as threads:
            was_refused = Event()
            takings = [threads.submit(sent, client, body, was_refused) for body in every[4:]]
            assert was_refused.wait(120)
            cluster.start()
            taken += [taking.result() for taking in takings]
    finally:
        cluster.start()
    assert taken[:4] == [0] * 4 and max(taken) >= 1
    store = open_store(postgresql_url)
    assert sum(trace.spans for trace in store.traces()) == 12 * 4
    store.close()
    becoming(client, 200)

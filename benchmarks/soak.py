"""Long use: `python benchmarks/soak.py [--minutes N] [--spans-per-s N]`.

A server of its own takes spans at half of what it was found to take on this machine at the beginning, replays without
end with twenty rows at a time, and draws ten pages a second. Its memory, with the process beside it, is measured all
along, and how long requests and pages take. In the end every acknowledged span must be stored, every execution must
be completed, memory must be within 10 % of what it was after the first fifth, and no answer may be a 500. Ends with 1
otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import httpx
import psutil
from ingest import SPANS_A_REQUEST, build_request
from kill import RECORDED, SENT, Agent, Server, recorded
from machine import describe, percentile, tree_memory_mib
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taketwo.store import open_store

SENDERS = 2
PAGES_A_SECOND = 10
CALIBRATED_FOR_S = 10.0
MEASURED_EVERY_S = 2.0
WARM_AFTER = 0.2
MEMORY_WITHIN = 0.10
ROWS = 20
PAGES = ("/sessions", "/sessions?filter=order", "/traces", "/tests", "/status", "/sessions.json", "/users")
STORED_WITHIN_S = 120
FRESH = 6
"""So many bytes of a trace's id also stand in the name of its session."""
BODIES = 50
"""Requests that are sent again and again with other ids, so that the sender costs little."""


class Soak:
    """What is done, and what was seen."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.stop = threading.Event()
        self.acknowledged: set[bytes] = set()
        self.answers: Counter[int] = Counter()
        self.sent_s: list[tuple[float, float]] = []
        self.pages_s: list[tuple[float, float]] = []
        self.memory: list[tuple[float, float]] = []
        self.by_page: defaultdict[str, list[float]] = defaultdict(list)
        self.executions: list[str] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()
        dice = random.Random(seed)
        bodies = [build_request(dice, SPANS_A_REQUEST) for _ in range(BODIES)]
        self._bodies = [(trace_ids(body), body) for body in bodies]
        self._fresh = random.Random(seed + 1)

    def at(self) -> float:
        return time.monotonic() - self._began

    def send(self, spans_per_s: float) -> None:
        """At a fixed rate, or as fast as it goes where that is 0."""
        planned = time.monotonic()
        with httpx.Client(base_url=self.server.address, timeout=60) as client:
            while not self.stop.is_set():
                traces, body = self._body()
                begin = time.monotonic()
                status = client.post("/v1/traces", content=body, headers=SENT).status_code
                with self._lock:
                    self.answers[status] += 1
                    if status == 200:
                        self.acknowledged |= traces
                        self.sent_s.append((self.at(), time.monotonic() - begin))
                if spans_per_s:
                    planned += SPANS_A_REQUEST / spans_per_s
                    self.stop.wait(max(0.0, planned - time.monotonic()))

    def _body(self) -> tuple[set[bytes], bytes]:
        """A request with traces and sessions that nobody has had: both begin with the same six bytes."""
        with self._lock:
            old, body = self._fresh.choice(self._bodies)
            renamed = {trace: self._fresh.randbytes(FRESH) + trace[FRESH:] for trace in old}
        for trace, new in renamed.items():
            body = body.replace(trace, new).replace(trace[:FRESH].hex().encode(), new[:FRESH].hex().encode())
        return set(renamed.values()), body

    def look(self) -> None:
        """Pages at a fixed rate, whether or not those before have come."""
        planned, number = time.monotonic(), 0
        with httpx.Client(base_url=self.server.address, timeout=60, headers={"accept": "text/html"}) as client:
            while not self.stop.is_set():
                begin = time.monotonic()
                path = PAGES[number % len(PAGES)]
                status = client.get(path).status_code
                with self._lock:
                    self.answers[status] += 1
                    self.pages_s.append((self.at(), time.monotonic() - begin))
                    self.by_page[path].append(1000 * (time.monotonic() - begin))
                number += 1
                planned = max(planned + 1 / PAGES_A_SECOND, time.monotonic() - 1)
                self.stop.wait(max(0.0, planned - time.monotonic()))

    def replay(self, test: str) -> None:
        """One execution after the other; the server replays ten rows of each at a time, and two go on."""
        with httpx.Client(base_url=self.server.address, timeout=60) as client:
            while not self.stop.is_set():
                made = client.post(f"/api/run-tests/{test}/executions", json={}).raise_for_status().json()["id"]
                with self._lock:
                    self.executions.append(made)
                while client.get(f"/api/test-executions/{made}").json()["status"] in ("pending", "running"):
                    time.sleep(0.25)

    def measure(self) -> None:
        while not self.stop.wait(MEASURED_EVERY_S):
            self.memory.append((self.at(), tree_memory_mib(self.server.process.pid)))


def trace_ids(body: bytes) -> set[bytes]:
    """The traces of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return {span.trace_id for span in request.resource_spans[0].scope_spans[0].spans}


def prepared(url: str, model: str) -> str:
    """A store with a run test; gives its id."""
    store = open_store(url)
    for number in range(RECORDED):
        store.put_conversation(recorded(number))
    store.close()
    server = Server(url)
    ask = server.client
    made = ask.post("/api/replay-sessions", json={"project_id": "shop", "select_all": True}).raise_for_status().json()
    while ask.get(f"/api/replay-sessions/{made['id']}").json()["suggestions"] is None:
        time.sleep(0.05)
    ask.post(f"/api/replay-sessions/{made['id']}/generate-scenario", json={"no_of_rows": ROWS}).raise_for_status()
    while (there := ask.get(f"/api/replay-sessions/{made['id']}").json())["current_step"] != "ready":
        time.sleep(0.05)
    agent = there["agent_definition_id"]
    ask.post(f"/api/agent-definitions/{agent}/versions", json={"spec": model}).raise_for_status()
    asked = {"name": "soak", "agent_definition_id": agent, "scenario_ids": [there["scenario_id"]]}
    test = str(ask.post("/api/run-tests", json=asked).raise_for_status().json()["id"])
    server.end()
    return test


def together(soak: Soak, for_s: float, *work: Callable[[], None]) -> None:
    """All of it at the same time, for so long."""
    soak.stop.clear()
    threads = [threading.Thread(target=do) for do in work]
    for thread in threads:
        thread.start()
    time.sleep(for_s)
    soak.stop.set()
    for thread in threads:
        thread.join()


def told(name: str, took: list[tuple[float, float]], begin: float, took_s: float) -> None:
    """The figures of each quarter of the time."""
    for quarter in range(4):
        since, until = (begin + took_s * part / 4 for part in (quarter, quarter + 1))
        figures = [1000 * one_s for at, one_s in took if since <= at < until]
        if figures:
            p50, p99 = percentile(figures, 0.5), percentile(figures, 0.99)
            print(f"{name}, quarter {quarter + 1}: {len(figures):,}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def processor_s(server: Server) -> tuple[float, float]:
    """Processor seconds so far: of the process that answers, and of the one that reads and stores."""
    process = psutil.Process(server.process.pid)
    own, beside = process.cpu_times(), [child.cpu_times() for child in process.children(recursive=True)]
    return own.user + own.system, sum(times.user + times.system for times in beside)


def main() -> int:
    """Do it, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--spans-per-s", type=float, default=0, help="the limit, where it is known already")
    given = parser.parse_args()
    print(describe())
    agent = Agent()
    with tempfile.TemporaryDirectory() as folder, agent.served() as model:
        path = Path(folder) / "store.sqlite3"
        test = prepared(f"sqlite:///{path}", model)
        server = Server(f"sqlite:///{path}")
        soak = Soak(server, seed=1)
        limit = given.spans_per_s
        if not limit:
            together(soak, CALIBRATED_FOR_S, *[lambda: soak.send(0)] * SENDERS)
            limit = len(soak.sent_s) * SPANS_A_REQUEST / CALIBRATED_FOR_S
        begin = soak.at()
        print(f"it takes {limit:,.0f} spans a second alone; half of that from now on", flush=True)
        senders = [lambda: soak.send(limit / 2 / SENDERS)] * SENDERS
        before = processor_s(server)
        together(soak, 60 * given.minutes, *senders, soak.look, soak.measure, *[lambda: soak.replay(test)] * 2)
        answering, storing = (now - then for now, then in zip(processor_s(server), before, strict=True))
        took_s = 60 * given.minutes
        print(f"processor: {answering / took_s:.0%} of one answers, {storing / took_s:.0%} reads and stores")
        print(f"load {os.getloadavg()[0]:.1f}", flush=True)
        wrong = found_wrong(soak, path, begin, 60 * given.minutes)
    return 1 if wrong else 0


def left(soak: Soak, path: Path) -> tuple[int, str]:
    """How many acknowledged traces are not in the store once what waits beside it is stored, and how the file is."""
    until = time.monotonic() + STORED_WITHIN_S
    while True:
        store = open_store(f"sqlite:///{path}")
        store.flush()
        store.close()
        with closing(sqlite3.connect(path)) as file:
            there = {trace for (trace,) in file.execute("SELECT trace_id FROM trace")}
            (sound,) = file.execute("PRAGMA integrity_check").fetchone()
        lost = len(soak.acknowledged - there)
        if not lost or time.monotonic() > until:
            return lost, sound
        time.sleep(0.5)


def found_wrong(soak: Soak, path: Path, begin: float, took_s: float) -> int:
    """Print what was seen, and give how much of it is wrong."""
    sent = sum(at >= begin for at, _ in soak.sent_s)
    print(
        f"sent {sent * SPANS_A_REQUEST / took_s:,.0f} spans a second for {took_s:.0f} s; answers {dict(soak.answers)}"
    )
    told("requests of senders", soak.sent_s, begin, took_s)
    told("pages", soak.pages_s, begin, took_s)
    for page, figures in soak.by_page.items():
        print(f"  {page}: p50 {percentile(figures, 0.5):.0f} ms, p99 {percentile(figures, 0.99):.0f} ms")
    warm = [mib for at, mib in soak.memory if at >= begin + WARM_AFTER * took_s]
    after, last = median(warm[: len(warm) // 4]), median(warm[-(len(warm) // 4) :])
    print(f"memory after the first fifth {after:.0f} MiB, at the end {last:.0f} MiB ({last / after - 1:+.1%})")
    ask = soak.server.client
    states = Counter(ask.get(f"/api/test-executions/{id}").json()["status"] for id in soak.executions)
    soak.server.end()
    lost, sound = left(soak, path)
    print(f"{len(soak.acknowledged):,} traces acknowledged, {lost} lost; the file is {sound}")
    print(f"{len(soak.executions)} executions of {ROWS} rows: {dict(states)}")
    wrong = [
        lost > 0,
        sound != "ok",
        set(states) - {"completed"},
        soak.answers.get(500, 0),
        abs(last / after - 1) > MEMORY_WITHIN,
    ]
    return sum(map(bool, wrong))


if __name__ == "__main__":
    sys.exit(main())

"""Nonsense at every door: `python benchmarks/fuzz.py [--requests N] [--files N] [--seed N] [--processes N]`.

Requests go to every route of servers of its own, over loopback: valid ones of the API's own examples and recorded
traces, with parts of them replaced, cut, nested, misspelled or of another type; ids that exist and ids that cannot.
Files go to every import format: real samples with bytes changed. Wrong is a 500, a 503 that does not say when to come
back, a request without an answer, a process that ends or writes a traceback, a store that is not sound afterwards, and
an importer that raises anything but one of our own errors. Ends with 1 where anything of that happened.

It goes in rounds, each with a server and a store of its own, as the ids and sizes of a store that takes in nonsense for
hours would make every page slow; several connections and processes ask at the same time, and over each connection some
requests are sent before the answers of the first are read. The seeds of rounds follow one another.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import re
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from flow import conversation
from google.protobuf.message import Message
from kill import RECORDED, Server
from machine import describe
from nonsense import Asked, Nonsense, Target, targets
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taketwo.capture.imports import FORMATS, read_file
from taketwo.errors import TakeTwoError
from taketwo.store import open_store

TESTS = Path(__file__).resolve().parents[1] / "tests" / "data"
CONNECTIONS = 4
"""Of each process."""
TOGETHER = 8
"""Requests that are sent before the first of their answers is read."""
SMALL = 4_000
"""Bytes of a body that may go with others: else both ends could wait for the other one to read."""
ROUND = 25_000
FILES_OF_A_ROUND = 5_000
WITHIN_S = 60
SHOWN = 20
MOST_IDS = 400
FEW_DELETED = 0.1
"""Of what may delete so much is sent: else nothing would be left to ask for."""
DEAR = {"/metrics": 0.02, "/api/openapi.json": 0.02, "/demo": 0.02}
"""Takes the time of a hundred others."""
SILENT = {"HEAD": 0.3}
"""Runs the same code as GET."""
ANSWERS = (501, 503)
"""Says that an extra is not installed, and that the store is busy."""
MEMORY = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)
"""Where files are written: most of the time would be the disk's."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ID = re.compile(r'"id":"([\w-]{8,40})"')
ENDED = re.compile(r"the process that writes to the store ended|Traceback \(most recent call last\)")


class Answered(NamedTuple):
    """One answer."""

    status: int
    head: bytes
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection behind it."""
        return b"\r\nconnection: close" in self.head.lower()


class Line:
    """One connection, as fast as sockets are: a client that knows all of HTTP takes longer than the server does."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.is_used = False
        name, _, port = host.partition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=WITHIN_S)
        self._coming = self._socket.makefile("rb", buffering=65_536)

    def send(self, asked: Sequence[Asked]) -> None:
        self._socket.sendall(b"".join(one.as_sent(self._host) for one in asked))

    def answer(self, method: str) -> Answered:
        """The next one. Raises OSError, also where the connection ended before it."""
        lines = [line := self._line()]
        while line != b"\r\n":
            lines.append(line := self._line())
        self.is_used = True
        head = b"".join(lines)
        status = int(head[9:12])
        if method == "HEAD" or status in (204, 304):
            return Answered(status, head, b"")
        if length := LENGTH.search(head):
            return Answered(status, head, self._exactly(int(length[1])))
        return Answered(status, head, b"".join(self._pieces()))

    def close(self) -> None:
        self._coming.close()
        self._socket.close()

    def _line(self) -> bytes:
        line: bytes = self._coming.readline()
        if not line:
            raise ConnectionError("the connection ended without an answer")
        return line

    def _exactly(self, length: int) -> bytes:
        body: bytes = self._coming.read(length)
        if len(body) < length:
            raise ConnectionError("the connection ended within an answer")
        return body

    def _pieces(self) -> Iterator[bytes]:
        while length := int(self._line(), 16):
            yield self._exactly(length)
            self._line()
        self._line()


class Found(NamedTuple):
    """What came of a round."""

    number: int
    statuses: Counter[str]
    wrong: dict[str, str]
    """One of each kind."""
    wrong_number: int
    took_s: float


class Asking:
    """Asks a server, and counts what comes back."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        self.statuses: Counter[str] = Counter()
        self.wrong: dict[str, str] = {}
        self.wrong_number = 0
        self._lock = threading.Lock()

    def ask(self, nonsense: Nonsense, target_list: Sequence[Target], requests: int) -> None:
        """So many requests over one connection, which is made anew where it ends."""
        line, batch = Line(self._host), self._batch(nonsense, target_list, min(TOGETHER, requests))
        while requests > 0:
            answered, was_used = 0, line.is_used
            try:
                line.send([asked for _, asked in batch])
                for target, asked in batch:
                    answer = line.answer(asked.method)
                    answered += 1
                    self._counted(target, asked, answer)
                    if answer.status < 300 and len(nonsense.ids) < MOST_IDS:
                        nonsense.ids += ID.findall(answer.body[:4_000].decode(errors="replace"))
                    if answer.is_last:
                        raise EOFError  # those behind it never got there
            except EOFError:
                line = self._again(line)
            except (OSError, ValueError) as error:
                if was_used and not answered and isinstance(error, ConnectionError):
                    line = self._again(line)  # closed for want of use just then: any client sends that again
                    continue
                self._found(*batch[answered], type(error).__name__, repr(error).encode())
                answered += 1
                line = self._again(line)
            requests -= answered
            batch = self._batch(nonsense, target_list, min(TOGETHER, requests))
        line.close()

    def _again(self, line: Line) -> Line:
        line.close()
        return Line(self._host)

    def _batch(self, nonsense: Nonsense, target_list: Sequence[Target], most: int) -> list[tuple[Target, Asked]]:
        batch: list[tuple[Target, Asked]] = []
        while len(batch) < most:
            target = nonsense.dice.choice(target_list)
            share = FEW_DELETED if target.method == "DELETE" else SILENT.get(target.method, 1.0)
            if nonsense.dice.random() > share * DEAR.get(target.path, 1.0):
                continue
            batch.append((target, nonsense.request(target)))
            if len(batch[-1][1].body) > SMALL:
                return batch[-1:] if len(batch) == 1 else batch[:-1]
        return batch

    def _counted(self, target: Target, asked: Asked, answer: Answered) -> None:
        with self._lock:
            self.statuses[str(answer.status)] += 1
        is_told_when = b"\r\nretry-after:" in answer.head.lower() or target.path == "/ready"
        if answer.status >= 500 and not (answer.status in ANSWERS and (answer.status != 503 or is_told_when)):
            self._found(target, asked, str(answer.status), answer.body)

    def _found(self, target: Target, asked: Asked, what: str, told: bytes) -> None:
        with self._lock:
            self.wrong_number += 1
            place = f"{what} {target.method} {target.path}"
            if place not in self.wrong:
                sent = f"{asked.method} {asked.target[:300]} {asked.headers} {asked.body[:400]!r}"
                self.wrong[place] = f"{sent} -> {told[:300]!r}"
                print(f"WRONG {place}: {self.wrong[place]}", flush=True)


def prepared(url: str) -> list[str]:
    """A store with something of each kind, and the ids of it."""
    store = open_store(url)
    for number in range(RECORDED):
        store.put_conversation(conversation(number))
    store.close()
    server = Server(url)
    ask = server.client
    made = ask.post("/api/replay-sessions", json={"project_id": "shop", "select_all": True}).raise_for_status().json()
    while ask.get(f"/api/replay-sessions/{made['id']}").json()["suggestions"] is None:
        time.sleep(0.05)
    ask.post(f"/api/replay-sessions/{made['id']}/generate-scenario", json={"no_of_rows": 5}).raise_for_status()
    while (there := ask.get(f"/api/replay-sessions/{made['id']}").json())["current_step"] != "ready":
        time.sleep(0.05)
    agent, scenario = there["agent_definition_id"], there["scenario_id"]
    asked = {"name": "fuzz", "agent_definition_id": agent, "scenario_ids": [scenario]}
    test = ask.post("/api/run-tests", json=asked).raise_for_status().json()
    begun = ask.post(f"/api/run-tests/{test['id']}/executions", json={"runner": "sdk"}).raise_for_status().json()
    calls = ask.get(f"/api/test-executions/{begun['id']}/call-executions").json()["call_executions"]
    rows = ask.get(f"/api/scenarios/{scenario}/rows").json()["rows"]
    server.end()
    return [
        *(made["id"], test["id"], begun["id"], agent, scenario, "1", "shop", "default"),
        *(one["id"] for one in (*calls, *rows)),
        *(f"session-{number}" for number in range(10)),
    ]


def samples() -> Mapping[str, Sequence[Message]]:
    """What real instrumentations sent, by signal."""
    kinds: dict[str, type[Message]] = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}
    found: dict[str, list[Message]] = {signal: [] for signal in kinds}
    for signal, kind in kinds.items():
        for file in sorted((TESTS / "traces").glob(f"*.{signal}.pb.gz")):
            body = gzip.decompress(file.read_bytes())
            if len(body) < 40_000:
                found[signal].append(kind.FromString(body))
    return found


def fuzz_server(requests: int, seed: int) -> Found:
    """One round."""
    with tempfile.TemporaryDirectory() as folder:
        url, log = f"sqlite:///{folder}/store.sqlite3", Path(folder) / "log"
        ids, sent, all_targets = prepared(url), samples(), targets()
        with log.open("w", encoding="utf-8") as errors:
            server = Server(url, errors)
        asking = Asking(server.address)
        each = -(-requests // CONNECTIONS)
        began = time.monotonic()
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            several = (Nonsense(seed * CONNECTIONS + number, list(ids), sent) for number in range(CONNECTIONS))
            for done in [threads.submit(asking.ask, nonsense, all_targets, each) for nonsense in several]:
                done.result()
        took_s = time.monotonic() - began
        broken = afterwards(server, url, log)
    for place, told in broken.items():
        print(f"WRONG {place}: {told}", flush=True)
    wrong = asking.wrong | broken
    return Found(sum(asking.statuses.values()), asking.statuses, wrong, asking.wrong_number + len(broken), took_s)


def afterwards(server: Server, url: str, log: Path) -> dict[str, str]:
    """End the server; gives what is wrong with it, with its log and with the store that it leaves."""
    wrong: dict[str, str] = {}
    is_up = server.process.poll() is None
    if not is_up or server.client.get("/health").status_code != 200:
        wrong["the server is gone"] = f"exit code {server.process.poll()}"
    with suppress(OSError):
        server.end()
    told = log.read_text(encoding="utf-8", errors="replace")
    if ended := ENDED.search(told):
        wrong["the log tells of a crash"] = told[max(0, ended.start() - 300) : ended.start() + 3_000]
    store = open_store(url)
    store.settle()
    store.close()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        (sound,) = file.execute("PRAGMA integrity_check").fetchone()
    if sound != "ok":
        wrong["the store is not sound"] = str(sound)
    return wrong


def fuzz_importers(files: int, seed: int) -> Found:
    """One round of files."""
    nonsense = Nonsense(seed, ["x"], {})
    real = [file for file in sorted((TESTS / "imports").iterdir()) if file.is_file() and file.stat().st_size < 200_000]
    contents = [file.read_bytes() for file in real]
    wrong: dict[str, str] = {}
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        for number in range(files):
            sample, content = real[number % len(real)], contents[number % len(real)]
            if sample.suffix == ".json" and nonsense.dice.random() < 0.5:
                content = json.dumps(nonsense.mutated(json.loads(content))).encode()
            path = Path(folder) / sample.name
            path.write_bytes(nonsense.broken(content))
            asked = None if nonsense.dice.random() < 0.7 else nonsense.dice.choice(sorted(FORMATS))
            try:
                for _ in islice(read_file(path, asked), 1_000):
                    pass
                outcomes["read"] += 1
            except TakeTwoError:
                outcomes["refused"] += 1
            except Exception as error:  # whatever it is, it is what is looked for
                outcomes["wrong"] += 1
                kept = Path(tempfile.gettempdir()) / f"fuzz-{sample.name}"
                kept.write_bytes(path.read_bytes())
                place = f"{sample.name} {type(error).__name__}"
                if place not in wrong:
                    wrong[place] = f"{error!r} (format {asked}), kept in {kept}"
                    print(f"WRONG {place}: {wrong[place][:600]}", flush=True)
    return Found(files, outcomes, wrong, outcomes["wrong"], time.monotonic() - began)


def rounds(what: str, total: int, size: int, seed: int, processes: int) -> int:
    """All rounds of requests or files, several at a time, telling after each how many there were; gives the wrong."""
    do = fuzz_server if what == "requests" else fuzz_importers
    began, number, wrong, statuses = time.monotonic(), 0, 0, Counter[str]()
    sizes = [min(size, total - at) for at in range(0, total, size)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(do, size, seed + at) for at, size in enumerate(sizes)]):
            found = done.result()
            number, wrong, statuses = number + found.number, wrong + found.wrong_number, statuses + found.statuses
            took_s = time.monotonic() - began
            print(
                f"{time.strftime('%H:%M:%S')} {number:,} {what} in {took_s:.0f} s, {number / took_s:.0f} a second "
                f"(1,000,000 take {1e6 / (number / took_s) / 60:.0f} min): "
                f"{', '.join(f'{name}: {count:,}' for name, count in sorted(statuses.items()))}; {wrong} wrong",
                flush=True,
            )
    return wrong


def main() -> int:
    """Do it, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="each with a server of its own")
    given = parser.parse_args()
    print(describe(), flush=True)
    print(f"{len(targets())} routes and methods, {len(FORMATS)} formats", flush=True)
    wrong = rounds("files", given.files, FILES_OF_A_ROUND, given.seed, given.processes)
    wrong += rounds("requests", given.requests, ROUND, given.seed, given.processes)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

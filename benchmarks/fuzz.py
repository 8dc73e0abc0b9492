"""Nonsense at every door: `python benchmarks/fuzz.py [--requests N] [--files N] [--seed N]`.

Requests go to every route of a server of its own, over loopback: valid ones of the API's own examples and recorded
traces, with parts of them replaced, cut, nested, misspelled or of another type; ids that exist and ids that cannot.
Files go to every import format: real samples with bytes changed. Wrong is a 500, a request without an answer, a process
that ends, and an importer that raises anything but one of our own errors. Ends with 1 where anything of that happened.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import http.client
import json
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from flow import conversation
from kill import RECORDED, Server
from machine import describe

import taketwo
from taketwo.capture.imports import FORMATS, read_file
from taketwo.errors import TakeTwoError
from taketwo.server.api.door import OPERATIONS
from taketwo.server.api.examples import EXAMPLES
from taketwo.server.app import create_app
from taketwo.store import open_store

TESTS = Path(__file__).resolve().parents[1] / "tests" / "data"
THREADS = 4
WITHIN_S = 60
SHOWN = 20
MOST_IDS = 400
WATCHED = re.compile(r"/events$|/watch$")
"""What is watched ends when something else happens; here it would only wait."""

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.1, -0.0, 1e308),
    *("", " ", "\x00", "\ud800", "\u202e", "é" * 300, "x" * 70_000, "'", '" OR 1=1 --', "%", "%00", "../../etc/passwd"),
    *("{{7*7}}", "<script>", "=cmd()", "null", "1e999", "NaN", "-1", "0", "١٢", "2026-11-17", "9999-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00+14:00", "2026-02-30T25:61:61Z", "turns>", "(((((", 'said:"', "not not not", "a" * 64),
    *(
        "http://127.0.0.1:9/",
        "http://[::1",
        "file:///etc/passwd",
        "shop",
        "default",
        "text",
        "voice",
        "*",
        "[",
        "\n\r\t",
    ),
    *([], {}, [[]], [None], {"": None}, [1, "2", {"three": 3}]),
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"accept": "text/html"},
    {"accept": "application/json"},
    {"hx-request": "true"},
    {"idempotency-key": "x"},
    {"range": "bytes=5-1"},
    {"accept-encoding": "gzip"},
    {"x-taketwo-project": "\u00e9"},
    {"traceparent": "00-zz-zz-zz"},
    {"content-encoding": "gzip"},
    {"content-encoding": "zstd"},
    {"cookie": "taketwo_signed_in=x"},
    {"authorization": "Basic %%%"},
)


class Target(NamedTuple):
    """A route and what it takes, as far as it says."""

    method: str
    path: str
    example: Any
    """A body that is right; None where nothing says one."""
    names: tuple[str, ...]
    """Names of parameters."""


class Asked(NamedTuple):
    """One request."""

    method: str
    target: str
    body: bytes | None
    headers: dict[str, str]


def targets() -> list[Target]:
    """Every route with each of its methods."""
    store = open_store("memory:")
    routes = create_app(store).routes
    store.close()
    described = {(one.method, one.path): one for one in OPERATIONS}
    # Pages take what their code asks for: it is nowhere else.
    code = "".join(file.read_text(encoding="utf-8") for file in Path(taketwo.__file__).parent.glob("server/**/*.py"))
    known = tuple(sorted(set(re.findall(r'(?:get|texts?_of|query_params\[)\(?(?:form, )?"(\w+)"', code))))
    found = []
    for route in routes:
        for method in route.methods or ():  # type: ignore[attr-defined]  # all of them are Routes
            path = re.sub(r":\w+}", "}", route.path)  # type: ignore[attr-defined]  # the same
            if WATCHED.search(path):
                continue
            operation = described.get((method, path))
            example = EXAMPLES.get(operation.body) if operation is not None and operation.body is not None else None
            asked = getattr(operation.query, "__struct_fields__", ()) if operation is not None else ()
            found.append(
                Target(method, path, None if example is None else msgspec.to_builtins(example), asked or known)
            )
    return found


class Nonsense:
    """Makes requests."""

    def __init__(self, seed: int, ids: list[str], samples: Sequence[bytes]) -> None:
        self.dice = random.Random(seed)
        self.ids = ids
        self._samples = samples

    def request(self, target: Target) -> Asked:
        """One request to a route, of which something may be wrong."""
        path = re.sub(
            r"\{\w+\}", lambda _: quote(self._id(), safe="" if self.dice.random() < 0.9 else "/"), target.path
        )
        if self.dice.random() < (0.6 if target.method == "GET" else 0.15):
            pairs = [(self._name(target.names), self._text()) for _ in range(self.dice.randrange(1, 4))]
            path += "?" + urlencode(pairs, errors="replace")
        headers = dict(self.dice.choice(HEADERS))
        body: bytes | None = None
        if target.method not in ("GET", "HEAD"):
            kind, body = self._body(target)
            headers["content-type"] = kind
        return Asked(target.method, path, body, headers)

    def _id(self) -> str:
        return self.dice.choice(self.ids) if self.dice.random() < 0.75 else self._text()

    def _name(self, names: Sequence[str]) -> str:
        return self.dice.choice(names) if names and self.dice.random() < 0.95 else self._text()[:50]

    def _text(self) -> str:
        value = self.dice.choice(NASTY)
        if self.dice.random() < 0.3:
            value = self.dice.choice(self.ids)
        text = value if isinstance(value, str) else json.dumps(value)
        return text[:3_000].encode(errors="replace").decode()

    def _body(self, target: Target) -> tuple[str, bytes]:
        if "/v1" in target.path:
            kind = self.dice.choice(["application/x-protobuf"] * 4 + ["application/json", "text/plain", ""])
            return kind, self.broken(self.dice.choice(self._samples))
        choice = self.dice.random()
        if target.example is not None and choice < 0.85:
            value = self._with_ids(copy.deepcopy(target.example))
            value = self.mutated(value) if choice < 0.5 else value
            body = json.dumps(value).encode()
            return "application/json", self.broken(body) if self.dice.random() < 0.1 else body
        if choice < 0.9 and target.example is None:
            form = [(self._name(target.names), self._text()) for _ in range(self.dice.randrange(6))]
            return "application/x-www-form-urlencoded", urlencode(form, errors="replace").encode()
        if choice < 0.95:
            return "multipart/form-data; boundary=x", self.broken(
                b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.json"\r\n\r\n{}\r\n--x--\r\n'
            )
        return self.dice.choice(["application/json", "application/yaml", ""]), self.dice.choice(
            [b"", b"{", b"[" * 5_000, b"\xff\xfe", b"null", b"a: &a [*a, *a]", self.dice.randbytes(200)]
        )

    def _with_ids(self, value: Any, name: str = "") -> Any:
        """Where it names things, such as there are: else nothing comes of it."""
        match value:
            case dict():
                return {key: self._with_ids(inner, key) for key, inner in value.items()}
            case list():
                return [self._with_ids(inner, name) for inner in value]
            case str() if re.search(r"ids?$", name) and self.dice.random() < 0.8:
                return "shop" if name == "project_id" else self.dice.choice(self.ids)
            case _:
                return value

    def mutated(self, value: Any, depth: int = 0) -> Any:
        """The value with one or two parts of it otherwise."""
        if depth > 6 or self.dice.random() < 0.15:
            return self.dice.choice([*NASTY, self.dice.choice(self.ids)])
        if isinstance(value, dict) and value:
            name = self.dice.choice(list(value))
            match self.dice.randrange(8):
                case 0:
                    del value[name]
                case 1:
                    value[str(self.dice.choice(NASTY))[:100]] = value[name]
                case _:
                    value[name] = self.mutated(value[name], depth + 1)
            if self.dice.random() < 0.3:
                return self.mutated(value, depth + 1)
            return value
        if isinstance(value, list) and value:
            place = self.dice.randrange(len(value))
            value[place] = self.mutated(value[place], depth + 1)
            return value * self.dice.choice([1, 1, 1, 2, 50])
        if isinstance(value, str) and value and self.dice.random() < 0.3:
            return value[: self.dice.randrange(len(value))] + str(self.dice.choice(NASTY))[:200]
        return self.dice.choice([*NASTY, self.dice.choice(self.ids)])

    def broken(self, body: bytes) -> bytes:
        """The bytes with some of them otherwise."""
        changed = bytearray(body)
        for _ in range(self.dice.choice([0, 1, 1, 2, 8])):
            if not changed:
                break
            place = self.dice.randrange(len(changed))
            match self.dice.randrange(5):
                case 0:
                    changed[place] = self.dice.randrange(256)
                case 1:
                    del changed[place : place + self.dice.randrange(1, 40)]
                case 2:
                    changed[place:place] = changed[place : place + 30] * self.dice.randrange(1, 5)
                case 3:
                    del changed[place:]
                case _:
                    changed[place:place] = self.dice.choice([b"null", b'"', b"{", b"]", b"1e999", b"\x00", b"\xff\xff"])
        return bytes(changed)


class Asking:
    """Asks a server, and counts what comes back."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address).netloc
        self.statuses: Counter[int | str] = Counter()
        self.wrong: dict[str, str] = {}
        self.wrong_number = 0
        self._lock = threading.Lock()

    def ask(self, nonsense: Nonsense, target_list: Sequence[Target], requests: int) -> None:
        """So many requests over one connection."""
        connection = http.client.HTTPConnection(self._address, timeout=WITHIN_S)
        for _ in range(requests):
            target = nonsense.dice.choice(target_list)
            if target.method == "DELETE" and nonsense.dice.random() < 0.9:
                continue  # else nothing would be left to ask for
            asked = nonsense.request(target)
            try:
                connection.request(asked.method, asked.target, asked.body, self._headers(asked))
                answer = connection.getresponse()
                body = answer.read()
                self._counted(target, asked, answer.status, body)
                if answer.status < 300 and len(nonsense.ids) < MOST_IDS:
                    nonsense.ids += re.findall(r'"id":"([\w-]{8,40})"', body[:4_000].decode(errors="replace"))
            except (http.client.HTTPException, OSError) as error:
                self._counted(target, asked, type(error).__name__, repr(error).encode())
                connection.close()
                connection = http.client.HTTPConnection(self._address, timeout=WITHIN_S)
        connection.close()

    def _headers(self, asked: Asked) -> dict[str, bytes]:
        return {name: value.encode("utf-8") for name, value in asked.headers.items()}

    def _counted(self, target: Target, asked: Asked, status: int | str, body: bytes) -> None:
        with self._lock:
            self.statuses[status] += 1
            # 501 says that an extra is not installed, and 503 that the store is busy: both are answers.
            if isinstance(status, str) or (status >= 500 and status not in (501, 503)):
                self.wrong_number += 1
                sent = f"{asked.method} {asked.target[:300]} {asked.headers} {(asked.body or b'')[:400]!r}"
                told = f"{sent} -> {body[:300]!r}"
                self.wrong.setdefault(f"{status} {target.method} {target.path}", told)


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
    asked = {
        "name": "fuzz",
        "agent_definition_id": there["agent_definition_id"],
        "scenario_ids": [there["scenario_id"]],
    }
    test = ask.post("/api/run-tests", json=asked).raise_for_status().json()
    begun = ask.post(f"/api/run-tests/{test['id']}/executions", json={"runner": "sdk"}).raise_for_status().json()
    calls = ask.get(f"/api/test-executions/{begun['id']}/call-executions").json()["call_executions"]
    rows = ask.get(f"/api/scenarios/{there['scenario_id']}/rows").json()["rows"]
    server.end()
    return [
        *(
            made["id"],
            test["id"],
            begun["id"],
            there["agent_definition_id"],
            there["scenario_id"],
            "1",
            "shop",
            "default",
        ),
        *(one["id"] for one in (*calls, *rows)),
        *(f"session-{number}" for number in range(10)),
    ]


def fuzz_server(requests: int, seed: int) -> int:
    """Gives how much was wrong."""
    samples = [gzip.decompress(file.read_bytes()) for file in sorted((TESTS / "traces").glob("*.pb.gz"))[:40]]
    samples = [sample for sample in samples if len(sample) < 200_000]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.sqlite3"
        ids = prepared(url)
        server = Server(url)
        asking, all_targets = Asking(server.address), targets()
        began = time.monotonic()
        threads = [
            threading.Thread(
                target=asking.ask, args=(Nonsense(seed + n, list(ids), samples), all_targets, requests // THREADS)
            )
            for n in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        is_up = server.process.poll() is None and server.client.get("/health").status_code == 200
        with suppress(OSError):
            server.end()
        sound = open_store(url)
        sound.settle()
        sound.close()
    number = sum(asking.statuses.values())
    for place, told in list(asking.wrong.items())[:SHOWN]:
        print(f"WRONG {place}: {told}")
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(asking.statuses.items(), key=str))
    print(
        f"{number:,} requests to {len(all_targets)} routes and methods in {took:.0f} s, {number / took:.0f} a second "
        f"(1,000,000 would take {1e6 / (number / took) / 3600:.1f} h): {statuses}; {asking.wrong_number} wrong; "
        f"{'the server is up' if is_up else 'THE SERVER IS GONE'}"
    )
    return asking.wrong_number + (not is_up)


def fuzz_importers(files: int, seed: int) -> int:
    """Gives how much was wrong."""
    nonsense = Nonsense(seed, ["x"], [])
    real = [file for file in sorted((TESTS / "imports").iterdir()) if file.is_file() and file.stat().st_size < 200_000]
    wrong: dict[str, str] = {}
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            sample = real[number % len(real)]
            content = sample.read_bytes()
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
                wrong.setdefault(f"{sample.name} {type(error).__name__}", f"{error!r} (format {asked}), kept in {kept}")
    for place, told in list(wrong.items())[:SHOWN]:
        print(f"WRONG {place}: {told[:600]}")
    took = time.monotonic() - began
    print(f"{files:,} files in {took:.0f} s, {files / took:.0f} a second: {dict(outcomes)}")
    return outcomes["wrong"]


def main() -> int:
    """Do it, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(describe())
    socket.setdefaulttimeout(WITHIN_S)
    wrong = fuzz_importers(given.files, given.seed) if given.files else 0
    wrong += fuzz_server(given.requests, given.seed) if given.requests else 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

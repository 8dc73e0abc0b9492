"""kill -9 at random moments, and what is left: `python benchmarks/kill.py [--moments N] [--seed N]`.

One store lives through all of it. Each time a server is started on it, given work, and killed in the middle: as a
whole, or the process that answers, or the one beside it that writes. In turn: while spans come in, while they are read
into conversations, while a scenario is made, while rows are replayed, while a store of an older version is brought to
today's form, and while all of it is moved to another store. Each time the file must be sound afterwards and hold every
span that was acknowledged; in the end every replay session and execution that was acknowledged must be done; and no row
may have begun more often than it was handed out, as the agent itself counts. Ends with 1 where anything of that is not
so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

import httpx
import psutil
from flow import conversation
from ingest import SPANS_A_TRACE, build_request
from machine import describe
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taketwo.conversation import Conversation, ToolDefinition
from taketwo.store import open_store
from taketwo.store.migrate import NEWEST, migrate

SENT = {"content-type": "application/x-protobuf"}
SENDERS = 4
SPANS_A_REQUEST = 5 * SPANS_A_TRACE
RECORDED = 60
ROWS = 20
SLOW_S = 0.1
BEGINS_WITHIN_S = 30
ENDS_WITHIN_S = 300
OLD = 3
"""A version without the tables that finding needs: those are filled on the way."""


class Agent:
    """A fake model on a real port: slow, and it counts which row of which execution begins."""

    def __init__(self) -> None:
        self.begun: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def answer(self, messages: list[dict[str, Any]]) -> str:
        said = [message["content"] for message in messages]
        if [message["role"] for message in messages] == ["system", "user"]:
            with self._lock:
                self.begun[said[0], said[1]] += 1
        time.sleep(SLOW_S)
        return "It is on its way."

    @contextmanager
    def served(self) -> Iterator[str]:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = {"role": "assistant", "content": agent.answer(asked["messages"])}
                body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
                with suppress(ConnectionError):  # who asked may have been killed
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def handle(self) -> None:
                with suppress(ConnectionError, ValueError):  # killed in the middle of asking
                    super().handle()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
        server.shutdown()
        server.server_close()


class Server:
    """A `taketwo serve` of its own, with the process beside it."""

    def __init__(self, url: str, log: TextIO | None = None) -> None:
        """log: where it tells about itself; on our own standard error when there is none."""
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--store", url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[2]
        self.client = httpx.Client(base_url=self.address, timeout=60)

    def kill(self, whom: str) -> None:
        """As a power cut ends both, or as whoever frees memory ends one."""
        if whom == "writer":
            for child in psutil.Process(self.process.pid).children():
                child.kill()
            time.sleep(0.2)
        if whom == "server":
            self.process.kill()
            self.process.wait()
            time.sleep(0.2)  # the writer sees the end of its pipe
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.client.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Trial:
    """One store through all moments, with what was acknowledged and what was found wrong."""

    def __init__(self, folder: Path, seed: int, model: str, agent: Agent) -> None:
        self.path = folder / "store.sqlite3"
        self.url = f"sqlite:///{self.path}"
        self.dice = random.Random(seed)
        self.agent = agent
        self.acknowledged: dict[bytes, int] = {}
        self.selected: dict[str, bool] = {}
        self.executions: list[str] = []
        self.wrong: list[str] = []
        self._folder = folder
        self._lock = threading.Lock()
        self._prepare(model)

    def _prepare(self, model: str) -> None:
        store = open_store(self.url)
        for number in range(RECORDED):
            store.put_conversation(recorded(number))
        store.close()
        server = Server(self.url)
        session = self._generated(server)
        self._until(server, f"replay-sessions/{session}", "current_step", "ready")
        there = server.client.get(f"/api/replay-sessions/{session}").json()
        agent = there["agent_definition_id"]
        server.client.post(f"/api/agent-definitions/{agent}/versions", json={"spec": model}).raise_for_status()
        asked = {"name": "kill", "agent_definition_id": agent, "scenario_ids": [there["scenario_id"]]}
        self.test = server.client.post("/api/run-tests", json=asked).raise_for_status().json()["id"]
        server.end()

    def _generated(self, server: Server) -> str:
        body = {"project_id": "shop", "ids": [f"session-{number}" for number in range(RECORDED)]}
        made = server.client.post("/api/replay-sessions", json=body).raise_for_status().json()["id"]
        self.selected[made] = False
        while server.client.get(f"/api/replay-sessions/{made}").json()["suggestions"] is None:
            time.sleep(0.02)
        asked = server.client.post(f"/api/replay-sessions/{made}/generate-scenario", json={"no_of_rows": ROWS})
        asked.raise_for_status()
        self.selected[made] = True
        return str(made)

    # What goes on while somebody pulls the plug.

    def ingest(self, server: Server) -> None:
        before = len(self.acknowledged)
        self._meanwhile(
            server,
            self.dice.uniform(0.0, 1.5),
            *[self._send] * SENDERS,
            begun=lambda: len(self.acknowledged) > before,
        )

    def reconstruction(self, server: Server) -> None:
        self._send(server, threading.Event(), requests=20)
        self._meanwhile(server, self.dice.uniform(0.0, 3.0), self._search)

    def generation(self, server: Server) -> None:
        self._meanwhile(server, self.dice.uniform(0.0, 1.5), lambda to, stop: self._generated(to))

    def replay(self, server: Server) -> None:
        before = len(self.executions)
        self._meanwhile(server, self.dice.uniform(0.0, 2.5), self._execute, begun=lambda: len(self.executions) > before)

    def migration(self) -> None:
        """A copy of the store as an older version would have left it, opened by one that is killed on the way."""
        old = self._folder / "old.sqlite3"
        for gone in self._folder.glob("old.sqlite3*"):
            gone.unlink()
        traces = aged(self.path, old)
        command = [sys.executable, "-m", "taketwo", "sessions", "--limit", "1", "--store", f"sqlite:///{old}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(self.dice.uniform(0.2, 1.2))
        process.kill()
        process.wait()
        open_store(f"sqlite:///{old}").close()
        with closing(sqlite3.connect(old)) as file:
            self._expect(file.execute("PRAGMA user_version").fetchone() == (NEWEST,), "a store kept an old form")
            self._expect(file.execute("SELECT count(*) FROM trace").fetchone() == (traces,), "a migration lost traces")
        self._look(old)

    def moving(self) -> None:
        """All of the store into another one, killed on the way and begun again; it compares the two itself."""
        new = self._folder / "new.sqlite3"
        for gone in self._folder.glob("new.sqlite3*"):
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        command = [sys.executable, "-m", "taketwo", "store", "migrate", self.url, f"sqlite:///{new}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(self.dice.uniform(0.5, 4.0))
        process.kill()
        if process.wait():
            again = subprocess.run(command, capture_output=True, text=True, check=False)
            # Killed after its last step, it had moved everything; what is looked at below says whether it had.
            went_on = again.returncode == 0 or "holds something already" in again.stderr
            self._expect(went_on, f"moving did not go on: {again.stderr[-300:]}")
        with closing(sqlite3.connect(new)) as file:
            there = dict(file.execute("SELECT trace_id, spans FROM trace"))
        self._expect(all(there.get(trace) == spans for trace, spans in self.acknowledged.items()), "moving lost spans")
        self._look(new)

    def _meanwhile(
        self,
        server: Server,
        after_s: float,
        *work: Callable[[Server, threading.Event], object],
        begun: Callable[[], bool] = lambda: True,
    ) -> None:
        """Kill the server so many seconds after the work has begun."""
        stop = threading.Event()

        def quietly(do: Callable[[Server, threading.Event], object]) -> None:
            with suppress(httpx.HTTPError, KeyError, ValueError):  # the server is killed under it
                do(server, stop)

        threads = [threading.Thread(target=quietly, args=(do,)) for do in work]
        for thread in threads:
            thread.start()
        until = time.monotonic() + BEGINS_WITHIN_S
        while not begun() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(after_s)
        server.kill(self.dice.choice(["both", "both", "server", "writer"]))
        stop.set()
        for thread in threads:
            thread.join()

    def _send(self, server: Server, stop: threading.Event, requests: int = 10_000) -> None:
        dice = random.Random(self.dice.random())
        with httpx.Client(base_url=server.address, timeout=30) as client:
            for _ in range(requests):
                if stop.is_set():
                    return
                body = build_request(dice, SPANS_A_REQUEST)
                if client.post("/v1/traces", content=body, headers=SENT).status_code == 200:
                    spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
                    with self._lock:
                        self.acknowledged.update(Counter(span.trace_id for span in spans))

    def _search(self, server: Server, stop: threading.Event) -> None:
        while not stop.is_set():
            server.client.get("/api/sessions", params={"filter": "turns>0", "limit": "5"}).raise_for_status()

    def _execute(self, server: Server, stop: threading.Event) -> None:
        asked = {"overrides": {"system_prompt": f"Execution {len(self.executions)} of {self.dice.random()}."}}
        made = server.client.post(f"/api/run-tests/{self.test}/executions", json=asked).raise_for_status().json()
        self.executions.append(made["id"])

    # What is left.

    def after_a_kill(self) -> None:
        """The file opens, is sound, and holds every span that was acknowledged."""
        store = open_store(self.url)
        store.flush()  # with what was acknowledged and waits in a file beside it
        store.close()
        self._look(self.path)
        with closing(sqlite3.connect(self.path)) as file:
            there = dict(file.execute("SELECT trace_id, spans FROM trace"))
        lost = {trace: spans for trace, spans in self.acknowledged.items() if there.get(trace, 0) < spans}
        self._expect(not lost, f"{sum(lost.values())} acknowledged spans were lost")

    def at_the_end(self) -> None:
        """Everything that was acknowledged comes to its end, and every session can be read."""
        server = Server(self.url)
        for id, asked in self.selected.items():
            if asked:
                self._until(server, f"replay-sessions/{id}", "current_step", "ready", "completed")
        for id in self.executions:
            self._until(server, f"test-executions/{id}", "status", "completed")
            self._rows(server, id)
        server.end()
        store = open_store(self.url)
        store.settle()
        read = sum(1 for _ in store.summaries("default"))
        store.close()
        self._expect(read >= len(self.acknowledged), f"of {len(self.acknowledged)} sessions {read} are read")

    def _rows(self, server: Server, id: str) -> None:
        execution = server.client.get(f"/api/test-executions/{id}").json()
        prompt = execution["overrides"]["system_prompt"]
        path = f"/api/test-executions/{id}/call-executions"
        rows = server.client.get(path, params={"limit": 100}).json()["call_executions"]
        self._expect(len(rows) == ROWS, f"execution {id} has {len(rows)} rows")
        handed_out = sum(len(row["handed_out"]) for row in rows)
        begun = sum(times for (said, _), times in self.agent.begun.items() if said == prompt)
        self._expect(begun <= handed_out, f"execution {id}: {begun} rows began, {handed_out} were handed out")
        for row in rows:
            self._expect(row["status"] in ("completed", "failed"), f"row {row['id']} is {row['status']}")
        self.rows = Counter(getattr(self, "rows", Counter())) + Counter(row["status"] for row in rows)
        self.again = getattr(self, "again", 0) + sum(len(row["handed_out"]) > 1 for row in rows)

    def _until(self, server: Server, path: str, field: str, *states: str) -> None:
        until = time.monotonic() + ENDS_WITHIN_S
        while (found := server.client.get(f"/api/{path}").json()).get(field) not in states:
            if time.monotonic() > until:
                self._expect(False, f"{path} stays {found.get(field)}")
                return
            time.sleep(0.1)

    def _look(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as file:
            (sound,) = file.execute("PRAGMA integrity_check").fetchone()
        self._expect(sound == "ok", f"{path.name}: {sound}")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)
            print(f"WRONG: {otherwise}", flush=True)


def recorded(number: int) -> Conversation:
    """A conversation with an agent whose tools are defined, so that a model can be asked in its place."""
    made = conversation(number)
    tools = tuple(ToolDefinition(name=f"tool_{kind}", description="What is known of an order.") for kind in range(7))
    return made.but(agent=made.agent.but(tools=tools))


def aged(newest: Path, old: Path) -> int:
    """Write what a store holds in the form of an older version; gives how many traces there are."""
    with closing(sqlite3.connect(old, isolation_level=None)) as file:
        migrate(file, to=OLD)
        file.execute("ATTACH ? AS newest", (str(newest),))
        file.execute("BEGIN")
        tables = file.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            there, here = (
                [row[1] for row in file.execute(f"PRAGMA {schema}.table_info({table})")]
                for schema in ("newest", "main")
            )
            columns = ", ".join(f'"{name}"' for name in here if name in there)
            file.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}")
        file.execute("COMMIT")
        return int(file.execute("SELECT count(*) FROM main.trace").fetchone()[0])


def main() -> int:
    """Do it, and say what was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(describe())
    agent = Agent()
    with tempfile.TemporaryDirectory() as folder, agent.served() as model:
        trial = Trial(Path(folder), given.seed, model, agent)
        served = (trial.ingest, trial.reconstruction, trial.generation, trial.replay)
        alone = (trial.migration, trial.moving)
        began = time.monotonic()
        for moment in range(given.moments):
            number = moment % (len(served) + len(alone))
            if number < len(served):
                served[number](Server(trial.url))
                trial.after_a_kill()
            else:
                alone[number - len(served)]()
        trial.at_the_end()
        print(
            f"{given.moments} kills in {time.monotonic() - began:.0f} s: {sum(trial.acknowledged.values()):,} spans "
            f"acknowledged, {len(trial.selected)} replay sessions, {len(trial.executions)} executions of {ROWS} rows "
            f"({dict(getattr(trial, 'rows', {}))}, {getattr(trial, 'again', 0)} handed out again); "
            f"{len(trial.wrong)} things wrong"
        )
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

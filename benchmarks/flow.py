"""From production to a judged test: `python benchmarks/flow.py [--sessions N] [--selected N] [--rows N] [--calls N]`.

Fills a store with sessions of two turns and a tool call, in a file. Then: a replay session over some of them, made in a
process of its own whose memory is measured; a scenario made of it without a model; reads over HTTP at a fixed rate; and
call executions by `taketwo.simulate` from another process, with an agent that takes no time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from machine import describe, percentile

from taketwo.conversation import Agent, Call, Conversation, Say, Tokens, Turn, UserLine
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.simulate import simulate_async
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import SESSIONS, create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.shelf import Flow
from taketwo.store import open_store

AT = datetime(2026, 11, 1, tzinfo=UTC)
WANTS = ("Where is my order", "I want my money back for", "Please change the address of", "Cancel", "Was I charged for")
READS_A_SECOND = 100
READ_FOR_S = 10
CONNECTIONS = 50


def conversation(number: int) -> Conversation:
    """Two turns about one order; one of five wants, one of seven tools."""
    at = AT + timedelta(seconds=number)
    tool, order = f"tool_{number % 7}", f"A-{number}"
    call = Call(call_id="c1", tool=tool, arguments={"order_id": order}, result={"status": "shipped", "order": order})
    line = UserLine(text=f"{WANTS[number % 5]} {order}?", at=at)
    said = f"Order {order} is on its way and will be there on Tuesday."
    turns = (
        Turn(index=0, user=line, steps=(call, Say(text=said)), reply=said, latency_ms=810, tokens=Tokens(output=16)),
        Turn(index=1, user=UserLine(text="Thanks!", at=at), reply="You are welcome.", latency_ms=400),
    )
    return Conversation(
        id=f"session-{number}",
        project="shop",
        session_id=f"session-{number}",
        user_id=f"u-{number % 500}",
        started_at=at,
        ended_at=at + timedelta(minutes=1),
        agent=Agent(name="desk", model="gpt-5", system_prompt="You help customers of a shop."),
        turns=turns,
    )


def timed(what: str, do: Callable[[], object]) -> None:
    """Do it and say how long it took, and the most memory that this process has had."""
    began = time.perf_counter()
    do()
    took = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {took:.1f} s, at most {memory:.0f} MiB")


def prepare(url: str, selected: int, rows: int) -> None:
    """In a process of its own: the replay session, the scenario, and the run test."""
    store = open_store(url)
    flow = Flow(store)
    ids = tuple(f"session-{number}" for number in range(selected))
    found: list[str] = []

    def create() -> None:
        found.append(create_replay_session(flow, CreateReplaySession(project_id="shop", ids=ids)).id)

    def generate() -> None:
        generate_scenario(flow, found[0], GenerateScenario(no_of_rows=rows))
        make_scenario(flow, found[0])

    timed(f"replay session over {selected:,} sessions", create)
    timed(f"scenario of {rows:,} rows, chosen from {selected:,}", generate)
    session = SESSIONS.get(flow, found[0])
    assert session.current_step == "ready", session.failure
    agent, scenario = session.agent_definition_id or "", session.scenario_id or ""
    create_run_test(flow, CreateRunTest(name="bench", agent_definition_id=agent, scenario_ids=(scenario,)))
    store.close()


def read(server: subprocess.Popen[str], address: str, sessions: int) -> None:
    """Ask at a fixed rate, whether or not the answers before have come.

    By a client that is hardly more than sockets: one of threads takes several times as much of a processor as the
    server does, and then measures how long it waits for itself.
    """
    dice = random.Random(7)
    with httpx.Client(base_url=address, timeout=30) as client:
        test = client.get("/api/run-tests", params={"name": "bench"}).json()["run_tests"][0]
    paths: list[Callable[[], str]] = [
        lambda: f"/api/sessions/session-{dice.randrange(sessions)}?project=shop",
        lambda: "/api/sessions?project=shop&limit=50",
        lambda: f"/api/scenarios/{test['scenario_ids'][0]}/rows?limit=20",
        lambda: "/api/replay-sessions?limit=20",
        lambda: f"/api/run-tests/{test['id']}",
    ]
    asked = [paths[number % len(paths)]() for number in range(READS_A_SECOND * READ_FOR_S)]
    asyncio.run(_asked(address, asked[: len(paths)]))
    before = _processor_s(server.pid)
    took = asyncio.run(_asked(address, asked))
    spent = 1000 * (_processor_s(server.pid) - before) / len(asked)
    print(
        f"{READS_A_SECOND} reads/s over HTTP, {sessions:,} sessions: p50 {percentile(took, 0.5):.1f} ms, "
        f"p99 {percentile(took, 0.99):.1f} ms; {spent:.1f} ms of a processor each; load {os.getloadavg()[0]:.1f}"
    )


async def _asked(address: str, paths: list[str]) -> list[float]:
    """Milliseconds from when each was to be asked until its answer was there."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, port))
    took: list[float] = []

    async def ask(path: str, planned: float) -> None:
        reader, writer = await free.get()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        took.append(1000 * (time.perf_counter() - planned))
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as tasks:
        began = time.perf_counter()
        for number, path in enumerate(paths):
            planned = began + number / READS_A_SECOND
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            tasks.create_task(ask(path, planned))
    while not free.empty():
        free.get_nowait()[1].close()
    return took


def _processor_s(pid: int) -> float:
    """Seconds of a processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def simulate(address: str, concurrency: int) -> None:
    """Every row through the SDK, against an agent that takes no time."""

    async def agent(messages: list[dict[str, object]]) -> str:
        return "Your order is on its way."

    began = time.perf_counter()
    report = await simulate_async("bench", agent, server=address, concurrency=concurrency, progress=False)
    took = time.perf_counter() - began
    print(f"{report.execution.total:,} call executions at concurrency {concurrency}: {took:.1f} s")
    assert report.execution.counts == {"completed": report.execution.total}


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--selected", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--prepare", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare(given.prepare, given.selected, given.rows)
        return
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/store.sqlite3"
        store = open_store(url)
        with ThreadPoolExecutor(64) as threads:  # those that wait together share one write to the disk
            list(threads.map(lambda number: store.put_conversation(conversation(number)), range(given.sessions)))
        store.close()
        mine = [
            sys.executable,
            __file__,
            "--prepare",
            url,
            "--selected",
            str(given.selected),
            "--rows",
            str(given.rows),
        ]
        subprocess.run(mine, check=True)
        command = [sys.executable, "-m", "taketwo", "serve", "--port", "0", "--grpc-port", "0", "--store", url]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().split()[2]
        try:
            read(server, address, given.sessions)
            asyncio.run(simulate(address, 50))
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()

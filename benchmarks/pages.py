"""How long the server takes for each page: `python benchmarks/pages.py [--sessions N] [--store PATH]`.

Fills a store with sessions of 10 spans, replays some of them, and asks a real `taketwo serve` for every kind of page,
one after the other, with ids that change. Then a browser, where one is installed, opens the row of a conversation of
200 turns. A store that is named is kept, and filled only once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from ingest import by_http, running_server, send
from machine import cpu_seconds, describe, percentile
from million import Sender

from taketwo.conversation import Call, Conversation, Say, Turn, UserLine
from taketwo.replay.agents.callable import CallableAgent
from taketwo.sdk.api.executions import ExecuteRunTest
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.run_tests import CreateRunTest
from taketwo.sdk.working import Worker, work
from taketwo.server.assets import assets
from taketwo.server.flow.embedded import FlowRows
from taketwo.server.flow.executions import CALLS, execute
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.replay_sessions import create_replay_session, generate_scenario
from taketwo.server.flow.run_tests import create_run_test
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store, open_store

TIMES = 60
"""How often each page is asked for."""
REPLAYED = 50
LONG_TURNS = 200
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]


def fill(url: str, sessions: int) -> None:
    """Send sessions of one trace of 10 spans, and wait until all are read."""
    sender = Sender(1)
    with running_server(url) as (_, address, _):
        for _ in range(0, sessions, 10_000):
            some = min(sessions, 10_000)
            send(sender.bodies(some, traces_a_body=50, traces_a_session=1), 4, partial(by_http, address))
    store = open_store(url)
    store.settle()
    store.put_conversation(long_conversation())
    store.close()


def long_conversation() -> Conversation:
    """200 turns with two calls each."""
    turns = []
    for number in range(LONG_TURNS):
        calls = tuple(
            Call(
                call_id=tool, tool=tool, arguments={"order_id": f"A-{number}"}, result=f'{{"state": "{tool} {number}"}}'
            )
            for tool in ("find_order", "check_status")
        )
        reply = f"Order A-{number} has left the house on day {number} and will arrive in three days."
        turns.append(
            Turn(
                index=number, user=UserLine(text=f"Where is A-{number}?"), steps=(*calls, Say(text=reply)), reply=reply
            )
        )
    return Conversation(
        id="long-talk", project="long", started_at=datetime(2026, 11, 17, tzinfo=UTC), turns=tuple(turns)
    )


async def another_agent(messages: list[dict[str, str]]) -> str:
    """Says something else in every turn, and calls nothing."""
    return f"I would rather not say where that is ({len(messages)})."


def replayed(store: Store, project: str, ids: list[str]) -> dict[str, str]:
    """Replay conversations; gives the addresses of the pages that come of it."""
    flow = Flow(store)
    session = create_replay_session(flow, CreateReplaySession(project_id=project, ids=tuple(ids)))
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=len(ids), scenario_name=f"{project} {time.time()}"))
    session = make_scenario(flow, session.id)
    assert session.agent_definition_id is not None and session.scenario_id is not None
    test = create_run_test(
        flow,
        CreateRunTest(
            name=f"{project} {time.time()}",
            agent_definition_id=session.agent_definition_id,
            scenario_ids=(session.scenario_id,),
            replay_session_id=session.id,
        ),
    )
    execution = execute(flow, test.id, ExecuteRunTest(runner="sdk"))
    asyncio.run(work(FlowRows(flow, execution.id, "me"), Worker("me", CallableAgent(another_agent), 5)))
    row = next(CALLS.parts(flow, execution.id))
    return {
        "selection": f"/replays/{session.id}?step=selection",
        "scenario step": f"/replays/{session.id}?step=scenario",
        "agent step": f"/replays/{session.id}?step=agent",
        "scenario and its graph": f"/scenarios/{session.scenario_id}",
        "test and its trend": f"/tests/{test.id}",
        "execution": f"/executions/{execution.id}",
        "row": f"/rows/{row.id}",
    }


def pages(names: list[str], numbers: random.Random) -> Iterator[tuple[str, list[str]]]:
    """Each kind of page with its addresses."""
    some = [numbers.choice(names) for _ in range(TIMES)]
    same = {
        "sessions": "/sessions",
        "sessions of a project": "/sessions?project=default",
        "filtered by a frequent word": "/sessions?project=default&filter=refund",
        "filtered by tool and turns": "/sessions?project=default&filter=tool:check_status+turns>=1",
        "filtered by four conditions": "/sessions?project=default&filter="
        "tool:check_status+tool:find_order+latency>10+turns>=1",
        "filtered, nothing found": "/sessions?project=default&filter=zzabsentzz",
        "the slowest first": "/sessions?project=default&sort=-latency",
        "charts of a month": "/charts?project=default&over=month",
        "charts of a week above a list": "/charts?project=default",
        "what is new": "/news?project=default&newest=default/none",
        "suggestions": "/api/filters/suggestions?project=default&text=tool:",
        "traces": "/traces?project=default",
        "calls": "/calls?project=default",
        "users": "/users?project=default",
        "replays": "/replays",
        "scenarios": "/scenarios",
        "tests": "/tests",
        "what no test covers": "/tests/uncovered?project=default",
        "schedules": "/schedules",
        "agents": "/agents",
        "evaluators": "/evaluators",
        "projects": "/settings",
        "keys": "/keys",
        "health": "/status",
        "start": "/start",
    }
    yield from ((name, [path] * TIMES) for name, path in same.items())
    yield "one user's sessions", [f"/sessions?project=default&filter=user:user-{n:04}" for n in range(TIMES)]
    yield "conversation", [f"/sessions/{name}?project=default" for name in some]
    yield "its spans", [f"/sessions/{name}?project=default&view=spans" for name in some]
    yield "its feedback", [f"/sessions/{name}?project=default&view=feedback" for name in some]
    yield "keep", [f"/keep?id={name}&project=default" for name in some]
    yield "preview of the kept file", [f"/keep/preview?id={name}&project=default" for name in some]


def measure(client: httpx.Client, name: str, addresses: list[str], pid: int) -> None:
    """Print what a page takes on the server, its sending included, and what it costs: a busy machine takes longer."""
    client.get(addresses[0]).raise_for_status()
    times = []
    busy = cpu_seconds(pid)
    for address in addresses:
        begin = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - begin) * 1e3)
        answer.raise_for_status()
    size, busy = len(answer.content) / 1024, (cpu_seconds(pid) - busy) / len(addresses) * 1e3
    print(
        f"{name:32} p50 {percentile(times, 0.5):6.1f} ms   p99 {percentile(times, 0.99):6.1f} ms   "
        f"processor {busy:6.1f} ms   {size:6.0f} KiB",
        flush=True,
    )


def first_paint(address: str) -> None:
    """Print when a browser shows a page, from the click on."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        chromium = None
    if chromium is None:
        print("first paint: not measured, for want of chromium or playwright")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        times = []
        for _ in range(6):
            page.goto(address)
            page.wait_for_timeout(300)
            times.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        middle = percentile(times, 0.5)
        print(f"first paint, {LONG_TURNS} turns: {min(times):.0f} to {max(times):.0f} ms, median {middle:.0f}")
        browser.close()


def main() -> None:
    """Fill, replay, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--store")
    arguments = parser.parse_args()
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory(prefix="taketwo-pages-") as folder:
        path = Path(arguments.store or f"{folder}/store.sqlite3").absolute()
        url = f"sqlite:///{path}"
        if not path.exists():
            fill(url, arguments.sessions)
        store = open_store(url)
        names = [f"session-{number:06}" for number in range(arguments.sessions)]
        numbers = random.Random(7)
        made = replayed(store, store.conversation(names[0]).project, numbers.sample(names, REPLAYED))
        long = replayed(store, "long", ["long-talk"])
        store.close()
        with running_server(url) as (pid, address, _):
            with httpx.Client(base_url=f"http://{address}", headers={"accept": "text/html"}, timeout=60) as client:
                for name, addresses in pages(names, numbers):
                    measure(client, name, addresses, pid)
                for name, path_of_page in made.items():
                    measure(client, name, [path_of_page] * TIMES, pid)
                measure(client, f"row of {LONG_TURNS} turns", [long["row"]] * 20, pid)
            first_paint(f"http://{address}{long['row']}")
    packed = {name: len(asset.packed) for name, asset in assets().items()}
    print(f"script and style, compressed: {sum(packed.values()) / 1024:.1f} KiB ({', '.join(packed)})")


if __name__ == "__main__":
    main()

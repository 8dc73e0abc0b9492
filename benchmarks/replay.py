"""How many conversations a second can be replayed, and how near slow agents come to the time they take themselves.

    python benchmarks/replay.py              every measurement, each in a process of its own
    python benchmarks/replay.py suite-fast   one of them
    python benchmarks/replay.py suite-1000 --conversations 20000
    python benchmarks/replay.py profile      where the time of suite-fast goes

Conversations have 5 turns with 2 tool calls each; the agent is an async function that uses `@taketwo.tool`. `ideal` is
the time that the agent would take at that concurrency if nothing else took any; beside it stands what the agent alone
takes, with its tools and the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any

from machine import describe

import taketwo
from taketwo.conversation import Agent, Call, Conversation, Say, ToolDefinition, Turn, UserLine
from taketwo.events import CaseErrored, CaseFinished, Event
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case, MustCall
from taketwo.store import Store, open_store
from taketwo.suite.jobs import Share, Teller, run_in_jobs
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase

TURNS = 5
LATENCY_S = 0.2
FAST_CONVERSATIONS = 1_000
FAST_AT_A_TIME = 20
NUMBERS = {"suite-1000": 5_000, "jobs-1000": 5_000}
"""How many conversations, where they are more."""
AT_A_TIME = {"suite-100": 100, "suite-1000": 1_000, "jobs-1000": 1_000}
"""How many replays, where the agent takes its time."""
MEASUREMENTS = {
    "replay-fast": "replayed only, an agent without latency",
    "suite-fast": "replayed, compared, checked and stored, an agent without latency",
    "suite-100": f"the same, an agent that takes {LATENCY_S * 1000:.0f} ms a turn, 100 at a time",
    "suite-1000": f"the same, an agent that takes {LATENCY_S * 1000:.0f} ms a turn, 1,000 at a time",
    "jobs-fast": "as suite-fast, in 2 processes",
    "jobs-1000": "as suite-1000, in 2 processes",
}
JOBS = 2


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", nargs="?", choices=[*MEASUREMENTS, "profile", "job"])
    parser.add_argument("latency", nargs="?", default=LATENCY_S, help="of a job's agent, in seconds")
    parser.add_argument("--conversations", type=int, help="how many in each measurement, if not its own number")
    given = parser.parse_args()
    match given.measurement:
        case None:
            print(describe())
            for name in MEASUREMENTS:
                subprocess.run([sys.executable, __file__, name, *sys.argv[1:]], check=True)
        case "profile":
            with cProfile.Profile() as profile:
                asyncio.run(suite(FAST_CONVERSATIONS, concurrency=20, latency_s=0))
            pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
        case "job":
            asyncio.run(job(float(given.latency), given.conversations))
        case chosen:
            measure(chosen, given.conversations)


def measure(name: str, conversations: int | None) -> None:
    """One measurement, told in a line. conversations: how many; None for its own number."""
    # Whatever is imported when first needed is imported before the clock runs.
    asyncio.run(suite(1, concurrency=1, latency_s=0))
    began, used = time.perf_counter(), time.process_time()
    count = conversations or NUMBERS.get(name, FAST_CONVERSATIONS)
    at_a_time = AT_A_TIME.get(name)
    ideal_s = None if at_a_time is None else count / at_a_time * TURNS * LATENCY_S
    how: dict[str, Any] = {
        "concurrency": at_a_time or FAST_AT_A_TIME,
        "latency_s": 0 if at_a_time is None else LATENCY_S,
    }
    match name:
        case "replay-fast":
            counts = asyncio.run(replays(count, concurrency=FAST_AT_A_TIME))
        case "suite-fast" | "suite-100" | "suite-1000":
            counts = asyncio.run(suite(count, **how))
        case _:
            counts = asyncio.run(in_jobs(count, **how))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    of_ideal = ""
    if ideal_s is not None and at_a_time is not None:
        alone_s = asyncio.run(alone(count, concurrency=at_a_time))
        of_ideal = (
            f", {ideal_s / took_s:.1%} of the ideal {ideal_s:.1f} s"
            f" ({alone_s / took_s:.1%} of the {alone_s:.2f} s of the agent alone)"
        )
    memory_mib = _most_mib(resource.RUSAGE_SELF)
    beside = resource.getrusage(resource.RUSAGE_CHILDREN)
    beside_s = beside.ru_utime + beside.ru_stime
    print(
        f"{name:<12} {count:,} conversations in {took_s:.2f} s: {count / took_s:,.0f}/s{of_ideal}; "
        f"processor {cpu_s:.2f} s and beside it {beside_s:.2f} s, peak memory {memory_mib:.0f} MiB and in the largest"
        f" process beside it {_most_mib(resource.RUSAGE_CHILDREN):.0f} MiB; {dict(counts)}   ({MEASUREMENTS[name]})",
        flush=True,
    )


def _most_mib(whose: int) -> float:
    return resource.getrusage(whose).ru_maxrss / 1024


async def replays(count: int, *, concurrency: int) -> Counter[str]:
    """Replay only; counts the endings."""
    agent = CallableAgent(Desk(0))
    cases = iter(Cases(count))
    endings: Counter[str] = Counter()

    async def work() -> None:
        for suite_case in cases:
            run: Run = await replay(suite_case.case, agent)
            assert not run.divergences
            endings[run.ending.reason] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return endings


async def suite(count: int, *, concurrency: int, latency_s: float) -> Counter[str]:
    """The whole road from a case to a stored result; counts the verdicts."""
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        store: Store = open_store(f"sqlite:///{Path(folder) / 'results.sqlite3'}")
        agent = CallableAgent(Desk(latency_s))
        events = run_suite(Cases(count), agent, concurrency=concurrency, store=store, suite_id="benchmark")
        await _count(events, verdicts)
        assert sum(1 for suite in store.suites()) == 1
        store.close()
    return verdicts


async def alone(count: int, *, concurrency: int) -> float:
    """What the agent takes for as many conversations, where nobody replays it and its tools really run; in seconds."""
    conversations = iter(range(count))
    desk = Desk(LATENCY_S)

    async def work() -> None:
        for number in conversations:
            messages: list[dict[str, Any]] = []
            for position in range(TURNS):
                messages.append({"role": "user", "content": f"How does it stand, number A-{number:05}-{position}"})
                messages.append({"role": "assistant", "content": await desk(messages)})

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return time.perf_counter() - began


async def in_jobs(count: int, *, concurrency: int, latency_s: float) -> Counter[str]:
    """The same in two processes, from their start to their end."""
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        store: Store = open_store(f"sqlite:///{Path(folder) / 'results.sqlite3'}")
        command = [sys.executable, __file__, "job", str(latency_s), "--conversations", str(count)]
        how: dict[str, Any] = {"agent": "desk", "concurrency": concurrency, "store": store, "suite_id": "benchmark"}
        await _count(run_in_jobs(list(Cases(count)), command, JOBS, **how), verdicts)
        store.close()
    return verdicts


async def job(latency_s: float, count: int) -> None:
    """What one of the processes does."""
    results = Teller()
    share = Share.from_json(sys.stdin.readline())
    # Each has all cases before it, as it would have read the same files.
    cases = share.of(Cases(count))
    agent = CallableAgent(Desk(latency_s))
    async for event in run_suite(cases, agent, concurrency=share.concurrency, among=share.among):
        results.write(event)


async def _count(events: AsyncIterator[Event], verdicts: Counter[str]) -> None:
    async for event in events:
        match event:
            case CaseFinished(result=result):
                verdicts[result.verdict.kind] += 1
            case CaseErrored(error=error):
                raise SystemExit(error)
            case _:
                pass


@taketwo.tool
async def find_order(order_id: str) -> dict[str, Any]:
    """What was bought."""
    return {"order_id": order_id, "item": "copper kettle", "total": 39.9}


@taketwo.tool
async def check_status(order_id: str, carrier: str) -> str:
    """Where the parcel is."""
    return f"Order {order_id} is on its way with {carrier} and arrives on 2026-11-18."


class Desk:
    """An agent that looks an order up and tells how it stands."""

    def __init__(self, latency_s: float) -> None:
        """latency_s: what its model takes for a turn, in seconds."""
        self._latency_s = latency_s

    async def __call__(self, messages: list[dict[str, Any]]) -> str:
        """The reply."""
        order_id = messages[-1]["content"].rpartition(" ")[2]
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        order = await find_order(order_id=order_id)
        status = await check_status(order_id=order_id, carrier="DHL")
        return f"Your {order['item']} for ${order['total']}: {status}"


class Cases(Collection[SuiteCase]):
    """Recorded conversations, made when they are asked for."""

    def __init__(self, count: int) -> None:
        """count: how many."""
        self._count = count

    def __len__(self) -> int:
        """How many."""
        return self._count

    def __contains__(self, item: object) -> bool:
        """Nobody asks."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[SuiteCase]:
        """One after the other."""
        for number in range(self._count):
            yield SuiteCase(conversation_case(number), scenario="benchmark")


def conversation_case(number: int) -> Case:
    """One of them as a case."""
    recorded = Conversation(
        id=f"recorded-{number}", agent=AGENT, turns=tuple(_turn(number, position) for position in range(TURNS))
    )
    expected = (MustCall(tool="check_status", turn=TURNS), MustCall(tool="find_order", times=TURNS))
    return Case(id=f"case-{number}", recorded=recorded, expected=expected)


AGENT = Agent(name="desk", tools=(ToolDefinition(name="find_order"), ToolDefinition(name="check_status")))


def _turn(number: int, position: int) -> Turn:
    """What the desk does with its real tools."""
    order_id = f"A-{number:05}-{position}"
    status = f"Order {order_id} is on its way with DHL and arrives on 2026-11-18."
    reply = f"Your copper kettle for $39.9: {status}"
    found = f'{{"order_id": "{order_id}", "item": "copper kettle", "total": 39.9}}'
    arguments = {"order_id": order_id}
    return Turn(
        index=position,
        user=UserLine(text=f"Hello, I would like to know how my order stands, it is number {order_id}"),
        steps=(
            Call(call_id=None, tool="find_order", arguments=arguments, result=found, message=0),
            Call(
                call_id=None, tool="check_status", arguments={**arguments, "carrier": "DHL"}, result=status, message=1
            ),
            Say(text=reply, message=2),
        ),
        reply=reply,
    )


if __name__ == "__main__":
    main()

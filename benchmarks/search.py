"""How fast conversations are found: `python benchmarks/search.py [--sessions N]`.

Fills a store with conversations of five turns, each of words of its own and some that all share, then asks what a
person would: rare words, absent ones, common ones, fields, other orders, counts over time.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from machine import describe, percentile

from taketwo.conversation import Agent, Call, Conversation, Gap, Outcome, Say, Tokens, Turn, UserLine
from taketwo.select.filters import parse
from taketwo.store import Store, open_store
from taketwo.store.search import Order

WORDS = 50_000
UNTIL = datetime(2026, 11, 18, tzinfo=UTC)
QUESTIONS = (
    "zzabsentzz",
    '"refund order zzabsent"',
    "refund",
    "failed:issue_refund latency>4900",
    "user:user-42",
    "-refund",
    "turns>5",
    "said:refund -tool:issue_refund unanswered:yes",
)
FIELDS = (
    *("said:refund", "replied:zzabsentzz", "argument:4242", "result:shipped", "argument.order_id:A-4242"),
    *("argument.amount>99.9", "tool:issue_refund", "tool:check_*", "failed:issue_refund", "score:csat", "score.csat<2"),
    *("score.mood:cross", "tag:beta", "tag:v*", "user:user-42", "user:user-4*", "session:session-0042*"),
    *("id:session-000042", "project:def*", "agent:desk", "model:gpt-*", "channel:text", "ended:hangup"),
    *("error:yes", "error:no", "gap:yes", "gap:no", "unanswered:yes", "turns:5", "calls>=20", "errors>2", "gaps>1"),
    *("latency>4990", "tokens>18000", "cost>1", "started:2026-11-17", "started<2026-10-20"),
)
"""Each field that filters know, at least once."""


def conversation(number: int, numbers: random.Random, words: list[str]) -> Conversation:
    """A talk of five turns with four calls each, as 50 spans would tell it."""
    at = UNTIL - timedelta(seconds=numbers.randrange(30 * 86_400))
    return Conversation(
        id=f"session-{number:06}",
        session_id=f"session-{number:06}",
        user_id=f"user-{numbers.randrange(2_000)}",
        started_at=at,
        agent=Agent(name="desk", model="gpt-4o"),
        outcome=Outcome(
            ended_reason="hangup" if numbers.random() < 0.01 else None,
            scores={"csat": numbers.randrange(1, 6), "mood": "cross" if numbers.random() < 0.05 else "calm"},
        ),
        gaps=(Gap(where="turns[0]", why="cut off"),) * (numbers.random() < 0.05),
        metadata={"tags": ["beta"] if numbers.random() < 0.02 else [f"v{numbers.randrange(40)}"]},
        turns=tuple(_turn(index, at, numbers, words) for index in range(5)),
    )


def _turn(index: int, at: datetime, numbers: random.Random, words: list[str]) -> Turn:
    reply = " ".join(numbers.choices(words, k=20))
    calls = [
        Call(
            call_id=None,
            tool="issue_refund" if numbers.random() < 0.02 else "check_status",
            arguments={"order_id": f"A-{numbers.randrange(100_000)}", "amount": numbers.randrange(10_000) / 100},
            result="shipped yesterday",
            error="card expired" if numbers.random() < 0.01 else None,
        )
        for _ in range(4)
    ]
    return Turn(
        index=index,
        user=UserLine(text=" ".join(["my refund order", *numbers.choices(words, k=20)]), at=at),
        steps=(*calls, Say(text=reply)),
        reply=reply if numbers.random() < 0.98 else None,
        latency_ms=numbers.randrange(5_000),
        tokens=Tokens(input=numbers.randrange(4_000), output=numbers.randrange(400)),
    )


def ask(what: str, questions: Sequence[Callable[[], object]]) -> None:
    """Print how long answers take."""
    times = []
    for question in questions:
        begin = time.perf_counter()
        question()
        times.append((time.perf_counter() - begin) * 1e3)
    print(f"{what}: p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms", flush=True)


def ask_store(store: Store) -> None:
    """What a person would ask."""

    def found(text: str, order: Order = Order()) -> Callable[[], object]:  # noqa: B008  # a value
        return lambda: list(store.search.conversations(parse(text), "default", order=order, limit=50))

    for text in FIELDS:
        ask(f"50 sessions with {text}", [found(text)] * 11)
    for text in QUESTIONS:
        ask(f"50 sessions with {text}", [found(text)] * 20)
    ask("the 50 slowest sessions", [found("", Order(by="latency"))] * 20)
    ask("50 sessions with argument.order_id:A-4242", [found("argument.order_id:A-4242")] * 20)
    ask("50 sessions with argument.amount:12", [found("argument.amount:12")] * 20)
    ask("50 sessions with argument.amount>99.9", [found("argument.amount>99.9")] * 5)
    since = UNTIL - timedelta(days=30)
    timeline = partial(store.search.timeline, parse(""), "default", since=since, until=UNTIL, step_s=43_200)
    ask("a timeline of 30 days", [timeline] * 10)
    ask("50 users", [partial(store.search.users, "default", limit=50)] * 10)


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20_000)
    arguments = parser.parse_args()
    print(describe(), flush=True)
    numbers = random.Random(1)
    words = ["".join(numbers.choices("abcdefghijklmnoprstuvw", k=7)) for _ in range(WORDS)]
    with tempfile.TemporaryDirectory(prefix="taketwo-search-") as folder:
        store = open_store(f"sqlite:///{folder}/store.sqlite3")
        begin, busy = time.perf_counter(), time.process_time()
        for number in range(arguments.sessions):
            store.put_conversation(conversation(number, numbers, words))
        took, busy = time.perf_counter() - begin, time.process_time() - busy
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / arguments.sessions
        print(f"{arguments.sessions:,} sessions kept and indexed in {took:.0f} s")
        print(
            f"each: {busy / arguments.sessions * 1e3:.1f} ms of processor, {size:,.0f} B on disk with its words",
            flush=True,
        )
        ask_store(store)
        store.close()


if __name__ == "__main__":
    main()

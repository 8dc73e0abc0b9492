"""What a turn costs that comes to a session of so many turns: `python benchmarks/turns.py [--turns N]`.

Each turn is a trace of ten spans, of model calls that repeat the whole history. After each turn the session is read out
of its spans and indexed. `--pieces N` lets the spans of a turn come in so many requests, each read when it has come;
`--nameless` leaves the id of the session out, so that only the history tells what belongs together. Each figure is of
several sessions that grow at the same time, and of several such rounds.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from statistics import fmean, median
from typing import NamedTuple

import read
from machine import describe

from taketwo.capture.otlp import read_spans
from taketwo.server.worker import GARBAGE_THRESHOLDS
from taketwo.store import Store, open_store

SESSIONS = 5
ROUNDS = 3
SHOWN = (2, 5, 10, 20, 40, 80)


class Cost(NamedTuple):
    """What a turn of one session cost."""

    kib: float
    processor_ms: float
    wall_ms: float


def main() -> None:
    """Send turn by turn, print some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--pieces", type=int, default=1)
    parser.add_argument("--nameless", action="store_true")
    given = parser.parse_args()
    read.TRACES_A_SESSION = given.turns
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    print(describe())
    costs: dict[int, list[Cost]] = {}
    for number in range(ROUNDS):
        grow(range(number * SESSIONS, (number + 1) * SESSIONS), given.pieces, given.nameless, costs)
    shown = [turn for turn in SHOWN if turn in costs]
    for turn in shown:
        kib = median(cost.kib for cost in costs[turn])
        each = [cost.processor_ms for cost in costs[turn]]
        wall = median(cost.wall_ms for cost in costs[turn])
        print(
            f"turn {turn}: {median(each):.1f} ms of processor for {kib:.0f} KiB ({min(each):.1f} to {max(each):.1f}, "
            f"mean {fmean(each):.1f}), {wall:.1f} ms by the clock, {median(each) / kib:.2f} ms a KiB"
        )
    first, last = costs[shown[0]], costs[shown[-1]]
    times = median(cost.processor_ms for cost in last) / median(cost.processor_ms for cost in first)
    means = fmean(cost.processor_ms for cost in last) / fmean(cost.processor_ms for cost in first)
    walls = median(cost.wall_ms for cost in last) / median(cost.wall_ms for cost in first)
    print(
        f"turn {shown[-1]} costs {times:.2f} times turn {shown[0]} (median of {len(last)} sessions; "
        f"of means {means:.2f}, by the clock {walls:.2f})"
    )


def grow(numbers: Iterable[int], pieces: int, nameless: bool, costs: dict[int, list[Cost]]) -> None:
    """Let some sessions grow at the same time in a store of their own, and add what each turn of each cost."""
    talks = [read.session(f"s-{number}", 10**18, random.Random(number)) for number in numbers]
    for span in (span for talk in talks for span in talk if nameless):
        del span.attributes[-1]
    with tempfile.TemporaryDirectory(prefix="taketwo-turns-") as folder:
        store = open_store(f"sqlite:///{folder}/store.sqlite3")
        for turn in range(read.TRACES_A_SESSION):
            for talk in talks:
                spans = talk[turn * read.SPANS_A_TRACE : (turn + 1) * read.SPANS_A_TRACE]
                bodies = [read.request(spans[piece::pieces]) for piece in range(pieces)]
                costs.setdefault(turn + 1, []).append(cost_of(store, bodies))
        store.close()


def cost_of(store: Store, bodies: Sequence[bytes]) -> Cost:
    """Send requests one after the other, each read when it has come; what reading them cost."""
    processor = wall = 0.0
    for body in bodies:
        store.add_spans("benchmark", read_spans(body, "application/x-protobuf").spans)
        begin, begin_wall = time.process_time(), time.perf_counter()
        while store.settle():
            pass
        processor += time.process_time() - begin
        wall += time.perf_counter() - begin_wall
    return Cost(sum(map(len, bodies)) / 1024, processor * 1e3, wall * 1e3)


if __name__ == "__main__":
    main()

"""What a turn costs that comes to a session of so many turns: `python benchmarks/turns.py [--turns N]`.

Each turn is a trace of ten spans, of model calls that repeat the whole history. After each turn the session is read out
of its spans and indexed. `--pieces N` lets the spans of a turn come in so many requests, each read when it has come;
`--nameless` leaves the id of the session out, so that only the history tells what belongs together.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time

import read
from machine import describe

from taketwo.capture.otlp import read_spans
from taketwo.server.worker import GARBAGE_THRESHOLDS
from taketwo.store import open_store

SESSIONS = 3
SHOWN = (2, 5, 10, 20, 40, 80)


def main() -> None:
    """Send turn by turn, print some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--pieces", type=int, default=1)
    parser.add_argument("--nameless", action="store_true")
    given = parser.parse_args()
    turns = read.TRACES_A_SESSION = given.turns
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    print(describe())
    talks = [read.session(f"s-{number}", 10**18, random.Random(number)) for number in range(SESSIONS)]
    for span in (span for talk in talks for span in talk if given.nameless):
        del span.attributes[-1]
    with tempfile.TemporaryDirectory(prefix="taketwo-turns-") as folder:
        store = open_store(f"sqlite:///{folder}/store.sqlite3")
        for turn in range(turns):
            spent, size = 0.0, 0
            for talk in talks:
                spans = talk[turn * read.SPANS_A_TRACE : (turn + 1) * read.SPANS_A_TRACE]
                for piece in range(given.pieces):
                    body = read.request(spans[piece :: given.pieces])
                    size += len(body)
                    store.add_spans("benchmark", read_spans(body, "application/x-protobuf").spans)
                    begin = time.process_time()
                    while store.settle():
                        pass
                    spent += time.process_time() - begin
            if turn + 1 in SHOWN:
                each, kib = spent / SESSIONS * 1e3, size / SESSIONS / 1024
                print(f"turn {turn + 1}: {each:.1f} ms of processor for {kib:.0f} KiB, {each / kib:.2f} ms a KiB")
        store.close()


if __name__ == "__main__":
    main()

"""What a store of a million spans is like: `python benchmarks/million.py [--spans N]`.

Sends sessions of 50 spans, of words that differ, to a real `taketwo serve`: in rounds, to see whether it gets slower,
then a burst, then requests of 10 spans. Then some sessions are read, and a new server is started. The sender runs on
the same machine and takes part of it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import httpx
from ingest import by_http, running_server, send
from machine import cpu_seconds, describe, percentile, tree_memory_mib
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from read import SPANS_A_SESSION, SPANS_A_TRACE, session

from taketwo.errors import NotFound
from taketwo.span import RawSpan
from taketwo.store import Store, open_store
from taketwo.store.journal import waiting

TEMPLATES = 20
WORDS = 50_000
WORD_LETTERS = 7
PLACEHOLDER = re.compile(rb"qz\d{5}")
SESSIONS_A_REQUEST = 10
LATEST_S = 1_795_000_000


class Sender:
    """Makes sessions out of a few templates: other ids, other words, other times."""

    def __init__(self, seed: int) -> None:
        """Build the templates."""
        self._numbers = random.Random(seed)
        letters = "abcdefghijklmnoprstuvw"
        self._words = ["".join(self._numbers.choices(letters, k=WORD_LETTERS)).encode() for _ in range(WORDS)]
        self._templates = [self._template(number) for number in range(TEMPLATES)]
        self.names: list[str] = []

    def bodies(
        self, sessions: int, traces_a_body: int = 5 * SESSIONS_A_REQUEST, traces_a_session: int = 5
    ) -> list[bytes]:
        """Requests of so many traces each, in which the traces of several sessions are mixed."""
        traces = [trace for _ in range(sessions) for trace in islice(self._session(), traces_a_session)]
        self._numbers.shuffle(traces)
        return [b"".join(traces[at : at + traces_a_body]) for at in range(0, len(traces), traces_a_body)]

    def _template(self, number: int) -> tuple[list[bytes], list[bytes]]:
        """The traces of a session as bodies, and their ids, which are to be replaced."""
        numbers = random.Random(number)
        start_ns = (LATEST_S - number * 86_400) * 10**9
        spans = session("session-000000", start_ns, numbers, said=said_by_users)
        bodies = [_body(spans[at : at + SPANS_A_TRACE]) for at in range(0, len(spans), SPANS_A_TRACE)]
        return bodies, [spans[at].trace_id for at in range(0, len(spans), SPANS_A_TRACE)]

    def _session(self) -> Iterator[bytes]:
        bodies, ids = self._templates[len(self.names) % TEMPLATES]
        name, user = f"session-{len(self.names):06}", b"user-%04d" % self._numbers.randrange(2_000)
        self.names.append(name)
        chosen: dict[bytes, bytes] = {}

        def word(found: re.Match[bytes]) -> bytes:
            return chosen.setdefault(found[0], self._numbers.choice(self._words))

        for body, id in zip(bodies, ids, strict=True):
            made = body.replace(id, self._numbers.randbytes(16)).replace(b"session-000000", name.encode())
            yield PLACEHOLDER.sub(word, made.replace(b"user-0000", user))


def _body(spans: Sequence[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    around = request.resource_spans.add()
    around.resource.attributes.add(key="service.name").value.string_value = "desk"
    around.scope_spans.add().spans.extend(spans)
    for span in around.scope_spans[0].spans:
        span.attributes.add(key="user.id").value.string_value = "user-0000"
    return request.SerializeToString()


def said_by_users(turn: int, numbers: random.Random) -> str:
    """Thirty words, a few of which every user says; the others are placeholders."""
    words = [f"qz{turn * 100 + place:05}" for place in range(22)]
    return " ".join([*words, "refund", "order", "A-1042", "please", "my", "parcel", str(numbers.randrange(10**6))])


@contextmanager
def timed(what: str, *, number: int, unit: str, pid: int, rates: list[float] | None = None) -> Iterator[None]:
    """Print how many a second, and what it cost: on a busy machine only the processor time says something."""
    busy, begin = cpu_seconds(pid), time.perf_counter()
    yield
    took, busy = time.perf_counter() - begin, cpu_seconds(pid) - busy
    if rates is not None:
        rates.append(number / took)
    cost = f"{busy / number * 1e6:,.0f} µs of processor each, load {os.getloadavg()[0]:.1f}"
    print(f"{what}: {number:,} {unit} in {took:.1f} s = {number / took:,.0f}/s; {cost}", flush=True)


def ask(what: str, questions: Sequence[Callable[[], object]]) -> None:
    """Print how long answers take."""
    times = []
    for question in questions:
        begin = time.perf_counter()
        question()
        times.append((time.perf_counter() - begin) * 1e3)
    print(f"{what}: p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms", flush=True)


def wait_until_readable(store: str, session: str) -> None:
    """Wait until all that was acknowledged is stored, and a session that was sent last is there as a whole."""
    arrivals = Path(f"{store.removeprefix('sqlite:///')}.arrivals")
    with closing(open_store(store)) as opened:
        until = time.monotonic() + 120
        while waiting(arrivals) or len(_spans_of(opened, session)) < SPANS_A_SESSION:
            if time.monotonic() > until:
                sys.exit(f"{session} was acknowledged and is not there")
            time.sleep(0.05)


def _spans_of(opened: Store, session: str) -> list[RawSpan]:
    try:
        return opened.raw_spans(session, "default")
    except NotFound:
        return []


def started(store: str) -> float:
    """Seconds until a new server answers."""
    begin = time.perf_counter()
    with running_server(store) as (_, address, _):
        httpx.get(f"http://{address}/health").raise_for_status()
        return time.perf_counter() - begin


def main() -> None:
    """Send, read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--burst", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    print(describe(), flush=True)
    sender = Sender(1)
    with tempfile.TemporaryDirectory(prefix="taketwo-million-") as folder:
        store = f"sqlite:///{folder}/store.sqlite3"
        sent = 0
        with running_server(store) as (pid, address, _):
            rates: list[float] = []
            for number in range(arguments.rounds):
                bodies = sender.bodies((arguments.spans - arguments.burst) // SPANS_A_SESSION // arguments.rounds)
                sent += sum(map(len, bodies))
                many = len(bodies) * SPANS_A_SESSION * SESSIONS_A_REQUEST
                what = f"round {number + 1}, until they can be read"
                with timed(what, number=many, unit="spans", pid=pid, rates=rates):
                    send(bodies, 4, partial(by_http, address))
                    wait_until_readable(store, sender.names[-1])
            mean = len(rates) / sum(1 / rate for rate in rates)
            least, most = min(rates) / mean - 1, max(rates) / mean - 1
            print(f"all rounds: {mean:,.0f} spans/s, the slowest {least:+.0%}, the fastest {most:+.0%}", flush=True)
            bodies = sender.bodies(arguments.burst // SPANS_A_SESSION)
            sent += sum(map(len, bodies))
            with timed("burst, until acknowledged", number=arguments.burst, unit="spans", pid=pid):
                send(bodies, 8, partial(by_http, address))
            bodies = sender.bodies(200, traces_a_body=1)
            sent += sum(map(len, bodies))
            with timed("requests of 10 spans", number=len(bodies) * SPANS_A_TRACE, unit="spans", pid=pid):
                send(bodies, 16, partial(by_http, address))
            print(f"memory of the server: {tree_memory_mib(pid):.0f} MiB", flush=True)
        spans = len(sender.names) * SPANS_A_SESSION
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"disk: {size / spans:.0f} B a span of {sent / spans:.0f} B, {spans:,} spans", flush=True)
        opened = open_store(store)
        numbers = random.Random(3)
        some = [partial(opened.conversation, name, "default") for name in numbers.sample(sender.names, 200)]
        ask("a session of 50 spans, read out of them", some)
        opened.flush()
        ask("the same once more", some)
        with timed("read and indexed", number=300, unit="conversations", pid=os.getpid()):
            opened.settle(300)
        opened.close()
        print(f"a new server answers after {started(store):.2f} s")


if __name__ == "__main__":
    main()

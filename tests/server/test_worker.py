"""The process beside the server: what came is read also where it is never quiet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest
from made_spans import PROTOBUF, chat_span, raw_spans, trace_request

from taketwo.server.answers import Answer
from taketwo.server.frames import BEGIN, END, HEAD, PIECE, frame
from taketwo.server.intake import Delivery
from taketwo.server.limits import Limits
from taketwo.server.worker import THREADS, settle_when_quiet, work
from taketwo.span import RawSpan
from taketwo.store import open_store
from taketwo.store.memory import MemoryStore


def test_what_came_is_read_also_where_requests_never_cease(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    arrived, ended = Event(), Event()
    times = {"quiet_s": 0.2, "longest_s": 0.4}
    settling = Thread(target=settle_when_quiet, args=(store, arrived, ended), kwargs=times, daemon=True)
    settling.start()
    until = time.monotonic() + 120
    number = 0
    while number - store.search.unread() < 8:  # on a busy machine they come faster than a share of the time reads them
        assert time.monotonic() < until
        number += 1
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}")))
        arrived.set()
        time.sleep(0.05)
    while store.search.unread() and time.monotonic() < until:
        time.sleep(0.05)
    assert store.search.unread() == 0
    ended.set()
    arrived.set()
    settling.join()
    store.close()


class Held(MemoryStore):
    """Keeps nothing before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []
        self.may_keep = Event()

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        self.waiting.append(project)
        self.may_keep.wait()
        return super().add_spans(project, spans)


def test_what_waited_too_long_to_be_worked_on_is_sent_away_and_not_kept() -> None:
    store, limits, answers = Held(), Limits(waiting_s=2, retry_after_s=7), BytesIO()
    reading, writing = os.pipe()
    arriving = os.fdopen(reading, "rb")
    working = Thread(target=work, args=(store, limits, arriving, answers, Event(), None))
    working.start()
    delivery = Delivery(signal="traces", content_type=PROTOBUF).to_json()
    with os.fdopen(writing, "wb", buffering=0) as requests:

        def send(number: int) -> None:
            body = trace_request(chat_span(number, 1))
            requests.write(frame(number, BEGIN, delivery) + frame(number, PIECE, body) + frame(number, END))

        for number in range(1, THREADS + 1):
            send(number)
        while len(store.waiting) < THREADS:
            time.sleep(0.01)
        for number in range(THREADS + 1, THREADS + 3):
            send(number)
        time.sleep(limits.waiting_s + 0.5)  # they are read in a moment, and wait from then on
        store.may_keep.set()
    working.join()
    arriving.close()
    answers.seek(0)
    told = {}
    while head := answers.read(HEAD.size):
        number, _, length = HEAD.unpack(head)
        told[number] = answers.read(length)
    ready = told.pop(0)
    found = {number: msgspec.msgpack.decode(content, type=Answer) for number, content in told.items()}
    assert ready == b"" and len(found) == THREADS + 2
    late = {number for number, answer in found.items() if answer.status == 503}
    assert late == {THREADS + 1, THREADS + 2} and {found[number].retry_after_s for number in late} == {7}
    assert len(list(store.traces())) == THREADS


def test_a_talk_that_goes_on_keeps_no_other_waiting(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    for number in range(1, 7):
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}")))
    for number in range(2, 9):
        store.settle(1)
        store.add_spans("p", raw_spans(chat_span(1, number, session="s-1")))
    assert store.search.unread() == 1
    store.close()


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("taketwo.server.worker", {"httpx", "jsonschema", "jinja2", "taketwo.suite", "taketwo.replay", "grpc"}),
        ("taketwo.server.run", {"httpx", "jsonschema", "openai", "numpy"}),
    ],
)
def test_a_process_loads_no_more_than_it_needs_to_begin(module: str, unwanted: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert unwanted & set(loaded.split()) == set()

"""The process beside the server: what came is read also where it is never quiet."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from made_spans import chat_span, raw_spans

from taketwo.server.worker import settle_when_quiet
from taketwo.store import open_store


def test_what_came_is_read_also_where_requests_never_cease(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    arrived, ended = Event(), Event()
    times = {"quiet_s": 0.2, "longest_s": 0.4}
    settling = Thread(target=settle_when_quiet, args=(store, arrived, ended), kwargs=times, daemon=True)
    settling.start()
    until = time.monotonic() + 30
    number = 0
    while time.monotonic() < until and (number < 8 or store.search.unread() > 2):
        number += 1
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}")))
        arrived.set()
        time.sleep(0.05)
    assert number > 7 and time.monotonic() < until
    while store.search.unread() and time.monotonic() < until:
        time.sleep(0.05)
    assert store.search.unread() == 0
    ended.set()
    arrived.set()
    settling.join()
    store.close()


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

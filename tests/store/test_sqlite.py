"""What only a store in a file has to bear: other processes, full disks, kills."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from made_spans import chat_span, raw_spans

from taketwo.errors import StoreBusy, StoreUnavailable
from taketwo.store import open_store
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.tables import TableStore
from taketwo.verdict import CaseResult, Verdict

TESTS = Path(__file__).parent.parent

SENDER = """
import sys
sys.path.insert(0, sys.argv[2])
from made_spans import chat_span, raw_spans
from taketwo.store import open_store
store = open_store(sys.argv[1])
first = int(sys.argv[3])
for number in range(first, first + int(sys.argv[4])):
    store.add_spans("shop", raw_spans(chat_span(number, 1, session=f"desk-{number}", padding="x" * 2_000)))
    print(number, flush=True)
store.close()
"""


def sender(url: str, first: int, count: int, limit: str = "") -> subprocess.Popen[str]:
    """A process that adds sessions one by one and prints the number of each that the store has taken."""
    program = limit + SENDER
    arguments = [sys.executable, "-c", program, url, str(TESTS), str(first), str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.sqlite3"


def test_nobody_else_may_read_the_file(url: str, tmp_path: Path) -> None:
    open_store(url).close()
    assert stat.S_IMODE(os.stat(tmp_path / "store.sqlite3").st_mode) == 0o600


def test_a_store_opens_with_its_own_url(url: str) -> None:
    store = open_store(url)
    assert open_store(store.url).url == store.url
    assert store.url == url


@pytest.mark.parametrize("place", ["/proc/taketwo/store.sqlite3", "/dev/null/store.sqlite3", "/"])
def test_a_place_where_no_file_can_be_is_named(place: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened") as refused:
        open_store(f"sqlite:///{place}")
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_commit_is_flushed_to_the_disk(url: str, tmp_path: Path) -> None:
    store = TableStore(SqliteDatabase(str(tmp_path / "store.sqlite3")))
    synchronous, journal = store._writer.do(  # what SQLite says itself, on the connection that writes
        lambda connection: (
            connection.execute("PRAGMA synchronous").fetchone()[0],
            connection.execute("PRAGMA journal_mode").fetchone()[0],
        )
    )
    assert (synchronous, journal) == (2, "wal")
    store.close()


def test_a_store_of_one_process_shows_what_another_wrote(url: str) -> None:
    mine, others = open_store(url), open_store(url)
    others.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1")))
    assert len(mine.raw_spans("desk-1")) == 1
    mine.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1"), chat_span(1, 2, session="desk-1")))
    assert len(others.raw_spans("desk-1")) == 2
    mine.close()
    others.close()


def test_a_damaged_file_is_told_in_one_line(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    for number in range(1, 200):
        store.add_spans("shop", raw_spans(chat_span(number, 1, session=f"desk-{number}")))
    store.close()
    file = tmp_path / "store.sqlite3"
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable) as refused:
        damaged = open_store(url)
        list(damaged.conversations())
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_several_processes_may_write_at_once(url: str) -> None:
    processes = [sender(url, first, 100) for first in (1000, 2000, 3000)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    store = open_store(url)
    assert sum(trace.spans for trace in store.traces()) == 300
    store.close()


@pytest.mark.slow
def test_whoever_waits_too_long_for_another_process_is_told_so(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    other = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="another process is writing"):
        store.add_spans("shop", raw_spans(chat_span(1, 1)))
    other.execute("ROLLBACK")
    other.close()
    assert store.add_spans("shop", raw_spans(chat_span(1, 1))) == 1
    store.close()


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line_and_loses_nothing(url: str) -> None:
    open_store(url).close()
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    process = sender(url, 1, 10_000, limit)
    taken, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert "StoreUnavailable" in last and "store.sqlite3" in last
    store = open_store(url)
    there = {row.id for row in store.traces()}
    assert {f"{int(number):032x}" for number in taken.split()} <= there
    assert store.add_spans("shop", raw_spans(chat_span(99_999, 1))) == 1
    store.close()


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_taken(url: str, tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for attempt in range(5):
        process = sender(url, attempt * 10_000 + 1, 10_000)
        assert process.stdout is not None
        for _ in range(20 + 15 * attempt):
            acknowledged.add(f"{int(process.stdout.readline()):032x}")
        process.kill()
        rest, _ = process.communicate(timeout=120)
        acknowledged |= {f"{int(line):032x}" for line in rest.split("\n")[:-1]}
        with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = open_store(url)
    assert acknowledged <= {row.id for row in store.traces()}
    store.close()


def test_thousands_of_results_come_back_in_the_order_in_which_they_were_added(url: str) -> None:
    store = open_store(url)
    template = CaseResult(scenario="desk", case_id="case", recorded_id="s", verdict=Verdict(kind="pass"))
    some = [template.but(case_id=f"case-{number}") for number in range(5_000)]
    for one in some:
        store.add_result("suite", one)
    store.flush()
    assert [one.case_id for one in store.results("suite")] == [one.case_id for one in some]
    store.close()


def test_what_a_listing_keeps_is_json(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1")))
    assert store.settle() == 1
    assert store.settle() == 0
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        ((summary,),) = connection.execute("SELECT summary FROM conversation").fetchall()
    assert json.loads(summary)["id"] == "desk-1"
    store.close()


def test_a_list_is_the_same_before_and_after_everything_was_read(tmp_path: Path) -> None:
    numbers = random.Random(1)
    spans = [
        chat_span(
            trace=1 + talk * 3 + turn,
            span=1,
            said=(f"{talk} line {turn}",),
            answered=f"{talk} answer {turn}",
            history=[(role, f"{talk} {word} {n}") for n in range(turn) for role, word in TURN],
            after_s=numbers.random() * 1_000,
        )
        for talk in range(40)
        for turn in range(3)
    ]
    numbers.shuffle(spans)
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    for span in spans:
        store.add_spans("p", raw_spans(span))
    listed = [row.id for row in store.summaries("p")]
    store.settle()
    assert listed == [row.id for row in store.summaries("p")]
    assert len(listed) < len(spans) - 20
    store.close()


TURN = (("user", "line"), ("assistant", "answer"))

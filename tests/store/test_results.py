"""Results that wait together are written together, and whoever adds too many waits."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from taketwo.store.results import MOST_TOGETHER, Results
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.writer import Writer
from taketwo.verdict import CaseResult, Verdict


def result(number: int) -> CaseResult:
    return CaseResult(scenario="desk", case_id=f"case-{number}", recorded_id="s", verdict=Verdict(kind="pass"))


def kept(path: Path) -> list[tuple[str, int]]:
    connection = SqliteDatabase(str(path)).connect(only_read=True)
    try:
        counted = "SELECT suite.name, count(*) FROM result JOIN suite ON suite.id = suite_id GROUP BY suite.name"
        return connection.execute(counted).fetchall()
    finally:
        connection.close()


def held_up(writer: Writer) -> tuple[Event, Event]:
    """The writer has begun something that ends when the second event is set."""
    begun, hold = Event(), Event()
    writer.offer(lambda connection: (begun.set(), hold.wait()))
    assert begun.wait(60)
    return begun, hold


def test_results_of_several_suites_that_wait_are_all_written(writer: Writer, path: Path) -> None:
    _, hold = held_up(writer)
    results = Results(writer)
    for number in range(20):
        results.add(f"suite-{number % 2}", result(number))
    hold.set()
    writer.flush()
    assert kept(path) == [("suite-0", 10), ("suite-1", 10)]


def test_whoever_adds_too_many_waits_for_the_disk(writer: Writer, path: Path) -> None:
    _, hold = held_up(writer)
    results, added = Results(writer), []

    def add_all() -> None:
        for number in range(MOST_TOGETHER + 10):
            results.add("suite", result(number))
            added.append(number)

    adding = Thread(target=add_all)
    adding.start()
    try:
        adding.join(0.3)
        assert len(added) < MOST_TOGETHER
    finally:
        hold.set()
    adding.join()
    writer.flush()
    assert kept(path) == [("suite", MOST_TOGETHER + 10)]


def test_what_cannot_be_written_is_told_by_flush_and_the_next_is_written(writer: Writer, path: Path) -> None:
    results = Results(writer)
    results.add("suite", result(1).but(verdict=None))
    with pytest.raises(AttributeError):
        writer.flush()
    results.add("suite", result(2))
    writer.flush()
    assert kept(path) == [("suite", 1)]

"""Work behind the back of whoever asks rests where it never ends, and is waited for where it is little."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from taketwo.store.behind import LONGEST_REST_S, REST, Behind

SOON_S = 60.0


class Reading:
    """Work that takes as long as it is told to, by a clock that goes on with nothing else."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.takes_s = 0.1
        self.done: list[str | None] = []

    def __call__(self, project: str | None) -> None:
        self.now += self.takes_s
        self.done.append(project)


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def behind(reading: Reading) -> Iterator[Behind]:
    made = Behind(reading, lambda: reading.now)
    yield made
    made.close()


def test_whoever_asks_right_after_it_was_done_neither_waits_nor_has_it_done_again(
    reading: Reading, behind: Behind
) -> None:
    for _ in range(5):
        behind.wait("shop", SOON_S)
    assert reading.done == ["shop"]
    reading.now += REST * reading.takes_s
    behind.wait("shop", SOON_S)
    assert reading.done == ["shop", "shop"]


def test_what_is_little_is_done_at_once_all_the_same(reading: Reading, behind: Behind) -> None:
    behind.wait("shop", SOON_S)
    behind.wait("shop", SOON_S, at_once=True)
    assert reading.done == ["shop", "shop"]


def test_one_project_does_not_rest_for_another(reading: Reading, behind: Behind) -> None:
    for project in ("shop", None, "desk"):
        behind.wait(project, SOON_S)
    assert reading.done == ["shop", None, "desk"]


def test_what_took_very_long_does_not_rest_as_long(reading: Reading, behind: Behind) -> None:
    reading.takes_s = 300.0
    behind.wait("shop", SOON_S)
    reading.now += LONGEST_REST_S
    behind.wait("shop", SOON_S)
    assert reading.done == ["shop", "shop"]


def test_what_somebody_has_begun_keeps_nobody_else_waiting_unless_it_is_little() -> None:
    begun, goes_on = Event(), Event()

    def work(project: str | None) -> None:
        begun.set()
        goes_on.wait(SOON_S)

    behind = Behind(work)
    behind.wait("shop", 0.0)
    assert begun.wait(SOON_S)
    behind.wait("shop", SOON_S)  # else it would never come back before the work is done
    assert not goes_on.is_set()
    little = Thread(target=behind.wait, args=("shop", SOON_S), kwargs={"at_once": True})
    little.start()
    goes_on.set()
    little.join(SOON_S)
    assert not little.is_alive()
    behind.close()

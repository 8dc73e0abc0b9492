"""A conversation that is deleted while something is made of it leaves nothing there, whichever moment it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest
from postgres_cluster import emptied
from test_forgetting import HER_SESSIONS, HERS, talks

from taketwo.blobs import Blobs
from taketwo.errors import NotFound, TakeTwoError
from taketwo.scenario import MustCall
from taketwo.sdk.api.replay_sessions import CreateReplaySession, GenerateScenario
from taketwo.sdk.api.scenarios import AddRow, AddRows, CreateScenario, DuplicateScenario
from taketwo.server.flow.executions import CALLS
from taketwo.server.flow.gathered import GATHERED, duplicate_scenario, scenario_now
from taketwo.server.flow.generate import make_scenario
from taketwo.server.flow.idempotency import REQUESTS, Answered, once
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.replay_sessions import SESSIONS, copy_conversations, create_replay_session, generate_scenario
from taketwo.server.flow.scenarios import ROWS, SCENARIOS, add_rows, create_scenario
from taketwo.server.flow.selection import COPIES, SELECTED, SELECTIONS, Selection
from taketwo.server.flow.shelf import Flow
from taketwo.server.marks import KIND, Mark, change_marks, with_mark
from taketwo.store import Store, open_store
from taketwo.store.addresses import postgres_address
from taketwo.store.postgresql import PostgresDatabase
from taketwo.store.sqlite_database import SqliteDatabase
from taketwo.store.tables import TableStore

SHELVES = (CALLS, COPIES, GATHERED, REQUESTS, RESULTS, ROWS, SCENARIOS, SELECTED, SELECTIONS, SESSIONS)
WORDS = [word.casefold() for word in HERS if word not in HER_SESSIONS]
"""Her words, and what else tells of her; that a session of that id is not there may be told."""
KINDS = (*(shelf.kind for shelf in SHELVES), KIND)
"""Kinds of documents that something of a conversation may be in."""


def filled(store: Store) -> Store:
    for one in talks():
        store.put_conversation(one)
    return store


def left_of_her(store: Store) -> list[str]:
    """What documents of the store still say of her, each with the kind of the document."""
    there = [document for kind in KINDS for document in store.documents.find(kind)]
    return [
        *(f"{one.kind}: {word}" for one in there for word in WORDS if word in one.body.decode().casefold()),
        *(f"{one.kind} of {one.source}" for one in there if HER_SESSIONS & {one.source, *one.also_of}),
    ]


def delete_her(store: Store) -> None:
    with suppress(NotFound):
        store.delete_user("u-zephyrine", "shop")


class Interrupted:
    """A store, or its documents, in front of whose call number `at` something happens."""

    def __init__(self, inner: Any, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in ("documents", "search"):
            return Interrupted(found, self._clock)
        return self._clock.counted(found) if callable(found) else found


class Clock:
    """Counts calls."""

    def __init__(self, at: int, happens: Callable[[], None]) -> None:
        self.calls = 0
        self._at = at
        self._happens = happens

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                self._happens()
            return call(*given, **named)

        return counting


def make_a_scenario(flow: Flow) -> None:
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", select_all=True))
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=12))
    session = make_scenario(flow, session.id)
    scenario_now(flow, session.scenario_id or "")
    duplicate_scenario(flow, session.scenario_id or "", DuplicateScenario())


def make_one_of_her_alone(flow: Flow) -> None:
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", ids=("desk-1",)))
    generate_scenario(flow, session.id, GenerateScenario(no_of_rows=3))
    make_scenario(flow, session.id)


def copy_again_after_a_crash(flow: Flow) -> None:
    ids = ("desk-0", "desk-1", "desk-2")
    session = create_replay_session(flow, CreateReplaySession(project_id="shop", ids=ids))
    begun = SESSIONS.get(flow, session.id).but(copied=0, usable=0, left_out={}, suggestions=None)
    SESSIONS.change(flow, session.id, lambda one: begun)
    SELECTIONS.add(flow, Selection(replay_session_id=session.id, project="shop", ids=ids))
    copied = copy_conversations(flow, session.id)
    assert copied.copied == 3 and copied.failure is None


def add_a_row(flow: Flow) -> None:
    made = create_scenario(flow, CreateScenario(project_id="shop", name="by hand"))
    rows = (AddRow(conversation_id="desk-0"), AddRow(conversation_id="desk-1"))
    add_rows(flow, made.id, AddRows(rows=rows))


def mark_and_comment(flow: Flow) -> None:
    hers = flow.store.conversation("desk-1", "shop")
    mark = Mark(turn_index=0, step_index=0, expected=(MustCall(tool="check_status"),))
    change_marks(flow.store, hers, with_mark(mark))
    change_marks(flow.store, hers, lambda marks: marks.but(why="the quokka of Zephyrine is not to blame"))


def answer_once(flow: Flow) -> None:
    def answer() -> Answered:
        return Answered(status=201, body=flow.store.conversation("desk-1", "shop").to_json().decode())

    once(flow, "key-1", "mark", answer, project="shop")


STORIES = (make_a_scenario, make_one_of_her_alone, copy_again_after_a_crash, add_a_row, mark_and_comment, answer_once)


@pytest.fixture
def empty(store_url: str) -> Callable[[], Store]:
    """Opens an empty store, another one each time."""
    number = 0

    def another() -> Store:
        nonlocal number
        number += 1
        return open_store(emptied(store_url) if store_url.startswith("postgresql") else store_url + str(number))

    return another if store_url != "memory:" else lambda: open_store("memory:")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_nothing_is_left_whichever_call_the_deletion_comes_before(empty: Callable[[], Store], story) -> None:
    at, was_deleted = 0, True
    while was_deleted:
        at += 1
        store = filled(empty())
        clock = Clock(at, partial(delete_her, store))
        with suppress(TakeTwoError):
            story(Flow(Interrupted(store, clock)))
        was_deleted = clock.calls >= at
        if was_deleted:
            assert left_of_her(store) == [], f"deleted before call {at}"
        else:
            assert left_of_her(store) != []  # what is looked for is there where nobody deletes it
        store.close()


class Hooked:
    """A database that says when a deletion has looked for copies and has not deleted the conversations yet."""

    then: Callable[[], None] | None = None

    @property
    def blobs(self) -> Blobs:
        if (then := self.then) is not None:
            self.then = None
            then()
        return self._blobs

    @blobs.setter
    def blobs(self, blobs: Blobs) -> None:
        self._blobs = blobs


class HookedSqlite(Hooked, SqliteDatabase): ...


class HookedPostgres(Hooked, PostgresDatabase): ...


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_nothing_is_left_of_what_is_made_in_the_middle_of_a_deletion(next_url: Callable[[], str], story) -> None:
    url = next_url()
    is_file = url.startswith("sqlite")
    database = HookedSqlite(url.removeprefix("sqlite:///")) if is_file else HookedPostgres(postgres_address(url))
    store = filled(TableStore(database))
    made = []

    def make() -> None:
        story(Flow(store))
        made.extend(left_of_her(store))

    database.then = make
    store.delete_user("u-zephyrine", "shop")
    assert made != [] and left_of_her(store) == []
    store.close()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_nothing_is_left_when_both_go_on_at_the_same_time(store_url: str, story) -> None:
    store = open_store(store_url)
    for _ in range(5):
        filled(store)
        begin = Barrier(2)

        def make(begin: Barrier = begin) -> None:
            begin.wait()
            with suppress(TakeTwoError):
                story(Flow(store))

        maker = Thread(target=make)
        maker.start()
        begin.wait()
        delete_her(store)
        maker.join()
        assert left_of_her(store) == []
    store.close()

"""Documents: the store in memory and the one in a file keep the same promises."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.errors import AlreadyThere, NotFound, WrongState
from taketwo.store import Store, open_store
from taketwo.store.documents import ANY, Document

NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def document(id: str, kind: str = "row", **fields) -> Document:
    return Document(kind=kind, id=id, **{"body": b"{}", **fields})


def ids(documents: list[Document]) -> list[str]:
    return [one.id for one in documents]


def test_what_was_kept_comes_back_to_the_letter(store: Store) -> None:
    kept = document("1", body=b'{"a": 1}', project="p", parent="s", key="k", state="new", outcome="good", position=3)
    kept = kept.but(due_at=NOW + timedelta(microseconds=1), source="c", also_of=("d", "e"), user="u")
    store.documents.add([kept])
    assert store.documents.get("row", "1") == kept
    assert store.documents.with_key("row", "k", "p") == kept
    assert store.documents.with_key("row", "k", None) is None


def test_several_are_kept_together_or_not_at_all(store: Store) -> None:
    store.documents.add([document("1")])
    with pytest.raises(AlreadyThere, match="row '1'"):
        store.documents.add([document("2"), document("1")])
    assert ids(store.documents.find("row")) == ["1"]


@pytest.mark.parametrize("project", [None, "p"])
def test_a_key_is_unique_among_those_of_its_kind_in_its_project(store: Store, project: str | None) -> None:
    store.documents.add([document("1", key="k", project=project), document("2", key="k", project="other")])
    store.documents.add([document("1", kind="test", key="k", project=project)])
    with pytest.raises(AlreadyThere, match="'k'"):
        store.documents.add([document("3", key="k", project=project)])
    with pytest.raises(AlreadyThere):
        store.documents.change("row", "2", lambda one: one.but(project=project))
    assert store.documents.get("row", "2").project == "other"


def test_what_is_put_takes_the_place_of_what_was_there(store: Store) -> None:
    store.documents.put(document("1", state="new"))
    store.documents.put(document("1", state="old", key="k"))
    assert [one.state for one in store.documents.find("row")] == ["old"]
    with pytest.raises(AlreadyThere):
        store.documents.put(document("2", key="k"))


def test_a_listing_goes_on_after_its_cursor_in_both_directions(store: Store) -> None:
    store.documents.add(
        [document(str(n), parent="s", position=n // 2, state="odd" if n % 2 else "even") for n in range(6)]
    )
    for newest_first in (False, True):
        seen: list[str] = []
        after = None
        while page := store.documents.find("row", parent="s", limit=4, after=after, newest_first=newest_first):
            seen += ids(page)
            after = page[-1].cursor
        assert seen == sorted(map(str, range(6)), reverse=newest_first)
    assert ids(store.documents.find("row", state="odd")) == ["1", "3", "5"]
    assert ids(store.documents.find("row", parent="t")) == []
    assert store.documents.count("row", "s") == {("odd", ""): 3, ("even", ""): 3}


def test_a_change_that_refuses_changes_nothing(store: Store) -> None:
    store.documents.add([document("1", state="done")])

    def refuse(one: Document) -> Document:
        raise WrongState("it is done")

    with pytest.raises(WrongState):
        store.documents.change("row", "1", refuse)
    with pytest.raises(NotFound, match="no row '2'"):
        store.documents.change("row", "2", refuse)
    assert store.documents.change("row", "1", lambda one: one.but(state="open", body=b"[]")).state == "open"
    assert store.documents.get("row", "1").body == b"[]"


def test_parts_are_changed_together(store: Store) -> None:
    store.documents.add(
        [document(str(n), parent="s", state=state) for n, state in enumerate(["new", "old", "new", "x"])]
    )
    assert store.documents.change_parts("row", "s", lambda one: one.but(state="old"), states=["new", "old"]) == 3
    assert store.documents.count("row", "s") == {("old", ""): 3, ("x", ""): 1}

    def refuse_the_last(one: Document) -> Document:
        if one.id == "2":
            raise WrongState("not this one")
        return one.but(state="new")

    with pytest.raises(WrongState):
        store.documents.change_parts("row", "s", refuse_the_last, states=["old"])
    assert store.documents.count("row", "s") == {("old", ""): 3, ("x", ""): 1}


def test_what_is_due_is_handed_out_once_in_its_order(store: Store) -> None:
    later = NOW + timedelta(seconds=30)
    store.documents.add([document(str(n), parent="s", position=-n, due_at=NOW) for n in range(3)])
    store.documents.add([document("other", parent="t", due_at=NOW - timedelta(hours=1)), document("idle", parent="s")])

    def lease(one: Document) -> Document:
        return one.but(due_at=later, state="running")

    assert ids(store.documents.claim("row", lease, now=NOW, parent="s", limit=2)) == ["2", "1"]
    assert ids(store.documents.claim("row", lease, now=NOW)) == ["other"]
    assert store.documents.next_due("row") == NOW
    assert ids(store.documents.claim("row", lease, now=NOW, limit=9)) == ["0"]
    assert store.documents.claim("row", lease, now=NOW) == []
    assert store.documents.next_due("row") == later
    assert len(store.documents.claim("row", lambda one: one.but(due_at=None), now=later, limit=9)) == 4
    assert store.documents.next_due("row") is None


def test_of_many_who_claim_at_once_no_two_get_the_same(store: Store) -> None:
    store.documents.add([document(str(n), due_at=NOW) for n in range(40)])
    got: list[str] = []

    def work() -> None:
        while claimed := store.documents.claim("row", lambda one: one.but(due_at=None), now=NOW, limit=3):
            got.extend(ids(claimed))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=int) == [str(n) for n in range(40)]


def test_parts_go_with_their_parent_and_copies_with_their_conversation(store: Store) -> None:
    store.put_conversation(Conversation(id="tuesday", project="p", turns=(Turn(index=0, user=UserLine(text="Hello")),)))
    store.documents.add([document("1", parent="s"), document("2", source="tuesday", project="p")])
    store.documents.add([document("3", source="tuesday", project="q"), document("4")])
    assert store.documents.remove("row", parent="s") == 1
    assert store.documents.remove("row", id="4") == 1
    store.delete_session("tuesday", "p")
    assert ids(store.documents.find("row")) == ["3"]


def test_a_deleted_copy_leaves_no_byte_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    store.put_conversation(Conversation(id="tuesday", project="p", turns=(Turn(index=0, user=UserLine(text="Hello")),)))
    store.documents.add([document("2", source="tuesday", project="p", key="xylophone-in-the-key")])
    store.delete_session("tuesday", "p")
    store.close()
    assert b"xylophone" not in path.read_bytes()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM document").fetchone() == (0,)


def test_what_repeats_a_conversation_is_found_the_latest_first(store: Store) -> None:
    store.documents.add([document("1", source="tuesday", project="p"), document("2", source="tuesday", project="p")])
    store.documents.add([document("3", source="tuesday", project="q"), document("4", source="monday", project="p")])
    store.documents.add([document("5", kind="other", source="tuesday", project="p"), document("6", project="p")])
    assert ids(store.documents.repeating("row", "tuesday", "p", limit=9)) == ["2", "1"]
    assert ids(store.documents.repeating("row", "tuesday", None, limit=2)) == ["3", "2"]


def test_what_is_made_of_several_conversations_goes_with_each_of_them(store: Store) -> None:
    of_both = document("walk", source="monday", also_of=("tuesday", "friday"), project="p")
    store.documents.add([of_both, of_both.but(id="elsewhere", project="q"), document("other", project="p")])
    assert store.documents.remove_copies({"tuesday"}, "p") == 1
    assert ids(store.documents.find("row")) == ["elsewhere", "other"]
    store.documents.change("row", "elsewhere", lambda one: one.but(also_of=("friday",)))
    assert store.documents.remove_copies({"tuesday"}, None) == 0
    store.documents.put(store.documents.get("row", "other").but(also_of=("tuesday",), cursor=""))
    store.documents.remove("row", id="elsewhere")
    assert store.documents.remove_copies({"tuesday", "friday"}, None) == 1
    assert store.documents.find("row") == []


def test_what_may_hold_anything_of_a_project_goes_with_the_first_conversation_of_it(store: Store) -> None:
    store.documents.add([document("1", source=ANY, project="p"), document("2", source=ANY)])
    store.documents.add([document("3", source=ANY, project="q"), document("4", project="p")])
    assert store.documents.remove_copies({"tuesday"}, "p") == 2
    assert ids(store.documents.find("row")) == ["3", "4"]


def test_the_conversations_of_a_user_are_found_by_what_repeats_them(store: Store) -> None:
    store.documents.add([document("1", source="tuesday", user="u", project="p"), document("2", user="u", project="p")])
    store.documents.add([document("3", source="monday", user="u", project="q"), document("4", source="x", user="v")])
    assert store.documents.sources_of({"u", "w"}, "p") == {"tuesday"}
    assert store.documents.sources_of({"u"}, None) == {"tuesday", "monday"}

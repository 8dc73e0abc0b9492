"""A session that goes on is grown where it was read before, and tells what it would tell if it were read at once."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_spans import chat_span, raw_spans

from taketwo.capture.grown import Grown
from taketwo.capture.otlp import decode_span
from taketwo.capture.reconstruct import tell
from taketwo.select.filters import parse
from taketwo.span import RawSpan
from taketwo.store import Store, open_store
from taketwo.store.facts import facts_of
from taketwo.store.growing import Kept, KeptSessions
from taketwo.store.migrate import migrate

LINES = [f"Line {number} of kettle{number}." for number in range(20)]


def turns(count: int, session: str = "desk-1") -> list[list[RawSpan]]:
    """The spans of each turn, of which every one repeats what was said before."""
    found, history = [], []
    for number in range(count):
        span = chat_span(
            number + 1, 1, session=session, said=[LINES[number]], answered=f"Answer {number}.", history=tuple(history)
        )
        found.append(raw_spans(span))
        history += [("user", LINES[number]), ("assistant", f"Answer {number}.")]
    return found


def words_of(path: Path) -> list[tuple[str, int, int]]:
    """Every word of the full-text index, with the rows and the places that have it."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, talk, 'row')")
        return connection.execute("SELECT term, doc, cnt FROM temp.words ORDER BY term").fetchall()


def told(store: Store) -> tuple[str, dict[str, list[str]]]:
    """The conversation, and what it is found by."""
    asked = [*(f"said:kettle{number}" for number in range(20)), "turns>8", "tool:x", "-said:kettle3"]
    found = {text: [row.id for row in store.search.conversations(parse(text), "p")] for text in asked}
    return store.conversation("desk-1").to_json().decode(), found


@given(st.integers(1, 20), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_turns_in_whatever_order_are_the_same_session_and_the_same_words(
    tmp_path_factory: object, count: int, in_order: bool, numbers: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("stores")  # type: ignore[attr-defined]  # pytest's own type is not public
    arriving = turns(count)
    if not in_order:
        numbers.shuffle(arriving)
    slowly, at_once = (open_store(f"sqlite:///{folder}/{name}.sqlite3") for name in ("slowly", "at-once"))
    for spans in arriving:
        slowly.add_spans("p", spans)
        slowly.settle()
    at_once.add_spans("p", [span for spans in arriving for span in spans])
    at_once.settle()
    assert told(slowly) == told(at_once)
    slowly.close()
    at_once.close()
    assert words_of(folder / "slowly.sqlite3") == words_of(folder / "at-once.sqlite3")


@given(st.integers(1, 6), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_spans_one_by_one_in_whatever_order_are_the_same_session_and_the_same_words(
    tmp_path_factory: object, count: int, numbers: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("stores")  # type: ignore[attr-defined]  # pytest's own type is not public
    arriving = [span for number in range(count) for span in turn_in_pieces(number)]
    place = {id(span): number + numbers.choice([0, 0, 2, 9]) for number, span in enumerate(arriving)}
    slowly, at_once = (open_store(f"sqlite:///{folder}/{name}.sqlite3") for name in ("slowly", "at-once"))
    for span in sorted(arriving, key=lambda span: place[id(span)]):
        slowly.add_spans("p", [span])
        slowly.settle()
    at_once.add_spans("p", arriving)
    at_once.settle()
    assert told(slowly) == told(at_once)
    slowly.close()
    at_once.close()
    assert words_of(folder / "slowly.sqlite3") == words_of(folder / "at-once.sqlite3")


def turn_in_pieces(number: int) -> list[RawSpan]:
    """The spans of a turn of three model calls in one trace."""
    history = [pair for n in range(number) for pair in (("user", LINES[n]), ("assistant", f"Answer {n}."))]
    said = {"session": "desk-1", "said": [LINES[number]], "history": tuple(history)}
    answers = ("A moment.", "I am looking.", f"Answer {number}.")
    found = []
    for step, answer in enumerate(answers):
        found += raw_spans(chat_span(number + 1, step + 1, answered=answer, after_s=step / 10, **said))
    return found


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_talks_without_a_session_are_put_together_whatever_pieces_they_come_in(
    tmp_path_factory: object, lengths: list[int], greet_alike: bool, numbers: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("stores")  # type: ignore[attr-defined]  # pytest's own type is not public
    arriving = [
        (turn * 10 + numbers.choice([0, 0, 0, 11, 35]), span)
        for talk, turns in enumerate(lengths)
        for turn in range(turns)
        for span in nameless_turn(talk, turn, greet_alike=greet_alike)
    ]
    slowly, at_once = (open_store(f"sqlite:///{folder}/{name}.sqlite3") for name in ("slowly", "at-once"))
    for _, span in sorted(arriving, key=lambda one: one[0]):
        slowly.add_spans("p", [span])
        while slowly.settle():
            pass
    at_once.add_spans("p", [span for _, span in arriving])
    while at_once.settle():
        pass
    found, wanted = (
        {row.id: store.conversation(row.id) for row in store.conversations("p")} for store in (slowly, at_once)
    )
    assert found == wanted
    assert len(found) == len(lengths)
    slowly.close()
    at_once.close()
    assert words_of(folder / "slowly.sqlite3") == words_of(folder / "at-once.sqlite3")


def test_a_talk_without_a_session_goes_on_however_many_others_got_no_further_than_its_greeting(tmp_path: Path) -> None:
    came = [(0, 0), (0, 1), *((talk, 0) for talk in range(1, 50)), (0, 2)]
    for by_one, at_a_time in (("kept", 1), ("read", len(came))):  # the latter knows nothing when it reads
        store = open_store(f"sqlite:///{tmp_path}/{by_one}.sqlite3")
        for begin in range(0, len(came), at_a_time):
            for talk, turn in came[begin : begin + at_a_time]:
                store.add_spans("p", nameless_turn(talk, turn, greet_alike=True))
            while store.settle():
                pass
        assert sorted(len(one.turns) for one in store.conversations("p")) == [1] * 49 + [3]
        store.close()


def nameless_turn(talk: int, turn: int, *, greet_alike: bool) -> list[RawSpan]:
    """The spans of a turn of two model calls in one trace, of a talk that may begin as others do."""
    lines = [f"Line {n} of kettle{talk if n or not greet_alike else 0}." for n in range(turn + 1)]
    history = [pair for line in lines[:-1] for pair in (("user", line), ("assistant", f"Answer to {line}"))]
    found = []
    for step, answer in enumerate(("A moment.", f"Answer to {lines[-1]}")):
        chat = chat_span(
            1 + 100 * talk + turn,
            step + 1,
            said=[lines[-1]],
            answered=answer,
            history=tuple(history),
            after_s=step / 10,
        )
        found += raw_spans(chat)
    return found


def test_a_span_that_comes_late_is_in_what_was_grown_before(tmp_path: Path) -> None:
    before = [pair for n in range(3) for pair in (("user", LINES[n]), ("assistant", f"Answer {n}."))]
    more = chat_span(3, 2, session="desk-1", said=["And my toaster?"], answered="Here.", history=before, after_s=0.5)
    late = raw_spans(more)
    slowly, at_once = (open_store(f"sqlite:///{tmp_path}/{name}.sqlite3") for name in ("slowly", "at-once"))
    for spans in [*turns(3), late]:
        slowly.add_spans("p", spans)
        slowly.settle()
    at_once.add_spans("p", [*late, *(span for spans in turns(3) for span in spans)])
    talk = slowly.conversation("desk-1")
    assert "And my toaster?" in [turn.user.text for turn in talk.turns if turn.user]
    assert talk == at_once.conversation("desk-1")
    slowly.close()
    at_once.close()


def test_a_session_that_was_deleted_begins_anew(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.add_spans("p", turns(1)[0])
    store.settle()
    store.delete_session("desk-1")
    store.add_spans("p", raw_spans(chat_span(2, 1, session="desk-1", said=["Hello."])))
    store.settle()
    assert [turn.user.text for turn in store.conversation("desk-1").turns if turn.user] == ["Hello."]
    store.close()


@pytest.mark.parametrize(("project", "session"), [("p", "desk-1"), ("other", "desk-1"), ("p", None)])
@pytest.mark.parametrize("trace", [1, 2])
def test_what_another_process_has_deleted_is_in_nothing_that_comes_later(
    tmp_path: Path, project: str, session: str | None, trace: int
) -> None:
    server, other = (open_store(f"sqlite:///{tmp_path}/store.sqlite3") for _ in range(2))
    server.add_spans("p", raw_spans(chat_span(1, 1, session=session, said=["My name is Zephyrine."])))
    server.settle()
    (before,) = other.conversations("p")
    other.delete_session(before.id)
    # Its key in the file is free, and is given again.
    server.add_spans(project, raw_spans(chat_span(trace, 1, session=session, said=["Hello."])))
    server.settle()
    (after,) = server.conversations()
    assert [turn.user.text for turn in after.turns if turn.user] == ["Hello."]
    assert not list(server.search.conversations(parse("said:Zephyrine")))
    server.close()
    other.close()


def test_no_more_sessions_are_kept_than_fit() -> None:
    def kept(count: int) -> Kept:
        grown = Grown()
        grown.add([decode_span(span) for spans in turns(count) for span in spans])
        reading = tell(grown)
        return Kept("s", {}, grown, 0, reading, facts_of(reading))

    size = kept(1).grown.size
    sessions = KeptSessions(most_bytes=size * 5 // 2)
    for key in (1, 2, 3):
        sessions.put((0, key), kept(1))
    assert [sessions.take((0, key)) is not None for key in (1, 2, 3)] == [False, True, True]
    sessions.put((0, 4), kept(5))
    assert sessions.take((0, 4)) is None


def test_a_long_talk_of_a_file_of_the_version_before_is_found_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{path}")
    *before, last = turns(12)
    store.add_spans("p", [span for spans in before for span in spans])
    store.settle()
    store.close()
    _as_before_version_11(path)
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    connection.close()
    store = open_store(f"sqlite:///{path}")
    store.add_spans("p", last)
    store.settle()
    assert [row.id for row in store.search.conversations(parse("said:kettle11 said:kettle0"), "p")] == ["desk-1"]
    store.delete_session("desk-1")
    store.close()
    assert words_of(path) == []


def _as_before_version_11(path: Path) -> None:
    """Put the words of the talk into one row, as they lay."""
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO talk (talk) VALUES ('delete-all')")
        said = " ¶ ".join(f"line {number} of kettle{number}" for number in range(11))
        replied = " ¶ ".join(f"answer {number} ¶ answer {number}" for number in range(11))
        connection.execute(
            "INSERT INTO talk (rowid, said, replied, argument, result) SELECT id, ?, ?, '', '' FROM conversation",
            (said, replied),
        )
        connection.executescript("DROP TRIGGER grade_hour_comes; DROP TRIGGER grade_hour_goes; DROP TABLE grade_hour;")
        connection.execute("DROP TABLE large_body")
        connection.execute("PRAGMA user_version = 10")

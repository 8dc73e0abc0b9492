"""Both stores find the same: the one in memory by looking at everything, the one in a file by its facts and words."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_spans import START_NS, chat_span, raw_spans
from made_spans import text as attribute

from taketwo.conversation import Agent, Call, Conversation, Gap, Outcome, Say, Tokens, Turn, UserLine
from taketwo.errors import BadSetting, NotFound
from taketwo.freeze.freeze import freeze
from taketwo.select.fields import FIELDS, Flag, Moment, Name, Number, Words, read_period
from taketwo.select.filters import All, Asked, Either, Filter, Not, Text, parse
from taketwo.store import Store, migrate, open_store
from taketwo.store.facts import MOST_ARGUED
from taketwo.store.feedback import Feedback
from taketwo.store.search import Order, read_order

AT = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)
ALL = All(())


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def talk(id: str, *turns: Turn, at: datetime | None = AT, project: str = "p", user: str | None = None) -> Conversation:
    numbered = tuple(turn.but(index=index) for index, turn in enumerate(turns))
    return Conversation(id=id, project=project, started_at=at, ended_at=at, turns=numbered, user_id=user)


def line(said: str, reply: str | None = "Fine.", *calls: Call, latency: float | None = None) -> Turn:
    return Turn(index=0, user=UserLine(text=said), steps=calls, reply=reply, latency_ms=latency)


REFUND = Call(call_id=None, tool="issue_refund", arguments={"order_id": "A-1042", "amount": 39.9}, error="card expired")


def found(store: Store, text: str, order: Order | None = None) -> list[str]:
    return [row.id for row in store.search.conversations(parse(text), "p", order=order or Order())]


def test_the_conversation_that_broke_is_found_by_whatever_is_known_of_it(store: Store) -> None:
    store.put_conversation(talk("good", line("Where is my kettle?", "On its way.", latency=120), user="ann"))
    store.put_conversation(talk("bad", line("My kettle!"), line("Status?", None, REFUND, latency=5_000), user="bob"))
    for text in (
        "status kettle",
        "failed:issue_refund unanswered:yes",
        "argument.amount>39 argument.order_id:a-1042",
        'result:"card exp"',
        "latency>=5000 turns:2",
        "-said:where user:b*",
        "replied:toaster OR error:yes",
    ):
        assert found(store, text) == ["bad"], text
    assert found(store, "kettle") == ["bad", "good"]
    assert found(store, "toaster") == []


def test_what_spans_just_told_is_found_at_once(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="desk-1", said=["Where is my kettle?"])))
    assert found(store, "kettle") == ["desk-1"]
    history = [("user", "Where is my kettle?"), ("assistant", "On its way.")]
    store.add_spans("p", raw_spans(chat_span(2, 1, session="desk-1", said=["Toaster!"], history=history)))
    assert found(store, "toaster") == ["desk-1"]
    assert store.search.unread("p") == 0


def test_what_a_conversation_no_longer_says_is_not_found(store: Store) -> None:
    store.put_conversation(talk("a", line("kettle")))
    store.put_conversation(talk("a", line("toaster")))
    assert (found(store, "kettle"), found(store, "toaster")) == ([], ["a"])
    store.delete_session("a", "p")
    assert found(store, "toaster") == [] == found(store, "")


def test_traces_that_join_another_conversation_are_found_only_there(store: Store) -> None:
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("p", raw_spans(chat_span(2, 1, said=["Thanks, kettle!"], history=history)))
    assert found(store, "kettle") == [f"{2:032x}"]
    store.add_spans("p", raw_spans(chat_span(1, 1)))
    assert found(store, "kettle") == [f"{1:032x}"]
    assert found(store, "") == [f"{1:032x}"]


def test_pages_go_on_where_the_last_one_ended_in_every_order(store: Store) -> None:
    for number in range(9):
        latency = None if number == 4 else float(number % 3)
        at = AT + timedelta(minutes=number // 2)
        store.put_conversation(talk(f"s-{number}", *[line("kettle", latency=latency)] * (number % 4 + 1), at=at))
    for text in ("", "kettle", "-argument.x:1"):
        for order in map(read_order, ("-started", "started", "-turns", "turns", "-latency", "latency", "cost")):
            whole = found(store, text, order)
            paged: list[str] = []
            after = None
            while rows := list(store.search.conversations(parse(text), "p", order=order, limit=2, after=after)):
                paged += [row.id for row in rows]
                after = rows[-1].cursor
            assert paged == whole and len(set(whole)) == 9
    assert found(store, "", read_order("-turns"))[:2] == ["s-7", "s-3"]
    assert found(store, "", read_order("-latency"))[-1] == "s-4"


def test_a_place_or_an_order_that_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="no place"):
        list(store.search.conversations(ALL, "p", after="nan-x"))
    with pytest.raises(NotFound, match="no place"):
        store.search.users("p", after="x")
    with pytest.raises(BadSetting, match="sorted by 'colour'"):
        read_order("-colour")


def test_a_trace_is_found_by_its_own_part_of_the_conversation(store: Store) -> None:
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s")))
    store.add_spans("p", raw_spans(chat_span(2, 1, session="s", said=["A kettle"], history=history)))

    def traces(text: str) -> list[int]:
        return [int(row.id, 16) for row in store.search.traces(parse(text), "p")]

    assert (traces("kettle"), traces("order"), traces("-kettle"), traces("session:s")) == ([2], [1], [1], [2, 1])
    assert traces("turns:1 kettle OR turns:2") == [2]
    first, *_ = store.search.traces(ALL, "p", limit=1)
    assert [int(row.id, 16) for row in store.search.traces(ALL, "p", after=first.cursor)] == [1]


def test_users_are_listed_by_when_they_were_last_there(store: Store) -> None:
    for number, user in enumerate(["ann", "bob", "ann", "cle", None]):
        turns = [line("Hi", "Yes", REFUND)] if number == 2 else [line("Hi")]
        store.put_conversation(talk(f"s-{number}", *turns, at=AT + timedelta(hours=number), user=user))
    users = store.search.users("p")
    assert [(user.id, user.conversations, user.errors, user.turns) for user in users] == [
        ("cle", 1, 0, 1),
        ("ann", 2, 1, 2),
        ("bob", 1, 0, 1),
    ]
    assert (users[1].first_at, users[1].last_at) == (AT, AT + timedelta(hours=2))
    assert [user.id for user in store.search.users("p", limit=1, after=users[0].cursor)] == ["ann"]


def test_what_is_held_is_counted_by_project_or_in_all(store: Store) -> None:
    store.add_spans("p", raw_spans(*(chat_span(1, number, session="desk", said=["Hi"]) for number in (1, 2))))
    store.add_spans("p", raw_spans(chat_span(2, 1, session="desk", said=["And?"])))
    store.put_conversation(talk("brought", line("kettle", "Yes", REFUND), project="other"))
    assert found(store, "and") == ["desk"]  # all that came was read
    held = {name: store.search.held(name) for name in ("p", "other", "nobody", None)}
    counted = {name: (one.conversations, one.traces, one.calls, one.spans) for name, one in held.items()}
    assert counted["p"] == (1, 2, 0, 3)
    assert counted["other"] == (1, 0, 1, 0) and counted["nobody"] == (0, 0, 0, 0)
    assert counted[None] == (2, 2, 1, 3)


def test_a_timeline_counts_what_was_chosen_and_shows_the_empty_stretches(store: Store) -> None:
    for number, latency in enumerate([100.0, 300.0, None]):
        at = AT + timedelta(hours=number * 2)
        store.put_conversation(talk(f"s-{number}", line("kettle", "Yes", REFUND, latency=latency), at=at))
    store.put_conversation(talk("other", line("toaster", latency=200.0), at=AT))
    until = AT + timedelta(hours=5)
    bars = store.search.timeline(ALL, "p", since=AT, until=until, step_s=3600)
    assert [(bar.conversations, bar.errors, bar.latency_ms) for bar in bars] == [
        (2, 1, 150.0),
        (0, 0, None),
        (1, 1, 300.0),
        (0, 0, None),
        (1, 1, None),
    ]
    for text in ("kettle", "kettle -argument.order_id:no"):
        bars = store.search.timeline(parse(text), "p", since=AT, until=until, step_s=7200)
        assert [bar.conversations for bar in bars] == [1, 1, 1]
    with pytest.raises(BadSetting, match="stretches of time"):
        store.search.timeline(ALL, "p", since=AT, until=AT + timedelta(days=9000), step_s=60)


def test_a_timeline_tells_scores_as_they_were_given(store: Store) -> None:
    for number, said in enumerate(["kettle", "kettle", "toaster"]):
        store.put_conversation(talk(f"s-{number}", line(said), at=AT + timedelta(hours=number // 2)))
    given = [("s-0", "csat", 2), ("s-1", "csat", 5.0), ("s-1", "solved", True), ("s-2", "solved", False)]
    for id, name, value in given:
        store.add_feedback(id, Feedback(name=name, value=value))
    store.add_feedback("s-2", Feedback(name="solved", value=True, turn=0))
    store.add_feedback("s-2", Feedback(name="mood", value="good"))

    def told(text: str) -> list[dict[str, tuple[int, float, bool]]]:
        bars = store.search.timeline(parse(text), "p", since=AT, until=AT + timedelta(hours=2), step_s=3600)
        return [{name: (one.count, one.mean, one.is_flag) for name, one in bar.scores.items()} for bar in bars]

    assert told("") == [{"csat": (2, 3.5, False), "solved": (1, 1.0, True)}, {"solved": (2, 0.5, True)}]
    assert told("toaster") == [{}, {"solved": (2, 0.5, True)}]
    assert told("kettle -argument.order_id:no") == [{"csat": (2, 3.5, False), "solved": (1, 1.0, True)}, {}]
    store.delete_session("s-2")
    assert told("") == [{"csat": (2, 3.5, False), "solved": (1, 1.0, True)}, {}]


def test_stretches_of_whole_hours_tell_the_scores_that_shorter_ones_do(store: Store) -> None:
    numbers = random.Random(3)
    for number in range(12):
        at = AT + timedelta(minutes=numbers.randrange(240))
        store.put_conversation(talk(f"s-{number}", line("kettle"), at=at))
        store.add_feedback(f"s-{number}", Feedback(name="csat", value=numbers.randrange(5)))
        store.add_feedback(f"s-{number}", Feedback(name="solved", value=numbers.random() < 0.5))
    store.add_feedback("s-3", Feedback(name="csat", value=4.5))
    store.put_conversation(talk("s-4", line("toaster"), at=AT))
    store.delete_session("s-5")

    def told(step_s: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for bar in store.search.timeline(ALL, "p", since=AT, until=AT + timedelta(hours=4), step_s=step_s):
            for name, one in bar.scores.items():
                count, total, flags = found.setdefault(name, [0, 0, 0])
                found[name] = [count + one.count, total + one.count * one.mean, flags + one.is_flag * one.count]
        return {name: [count, pytest.approx(total), flags] for name, (count, total, flags) in found.items()}

    assert told(7200) == told(3600) == told(600)
    assert told(3600)["csat"][0] == 11


def test_scores_given_afterwards_are_found_and_outlive_a_new_reading(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s")))
    store.add_feedback("s", Feedback(name="csat", value=2, comment="Rude!"))
    store.add_feedback(f"{1:032x}", Feedback(name="helpful", value=False))
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("p", raw_spans(chat_span(2, 1, session="s", said=["More"], history=history)))
    assert store.conversation("s").outcome.scores == {"csat": 2, "turns[0].helpful": False}
    assert [row.scores for row in store.search.conversations(ALL)] == [store.conversation("s").outcome.scores]
    for text in ("score.csat<3", "score:csat", "score.helpful:no", "-score.csat>2"):
        assert found(store, text) == ["s"], text
    store.add_feedback("s", Feedback(name="csat", value=5))
    assert (found(store, "score.csat<3"), found(store, "score.csat:5")) == ([], ["s"])
    assert [one.value for one in store.feedback("s")] == [5, False]
    with pytest.raises(NotFound, match="there are 2"):
        store.add_feedback("s", Feedback(name="csat", value=5, turn=7))
    store.delete_session("s")
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s")))
    assert store.conversation("s").outcome.scores == {}


def test_what_people_said_with_their_feedback_is_found_by_its_words(store: Store) -> None:
    for name in ("s", "t"):
        store.add_spans("p", raw_spans(chat_span(ord(name), 1, session=name)))
    store.add_feedback("s", Feedback(name="csat", value=2, comment="Never again!\nHe sent the WRONG order_id 50%"))
    store.add_feedback("s", Feedback(name="csat", value=4, given_by="reviewer", comment="Über-polite, *but* late"))
    store.add_feedback("t", Feedback(name="helpful", value=True))
    assert store.conversation("s").outcome.comments == (
        "Never again!\nHe sent the WRONG order_id 50%",
        "Über-polite, *but* late",
    )
    for text in (
        'comment:"wrong order"',
        "comment:ueber OR comment:über",
        "comment:never csat OR comment:la",
        "comment:50",
    ):
        assert found(store, text) == ["s"], text
    for text in ("comment:rong", "comment:order_id_51", "wrong", 'comment:"again late"', "comment:helpful"):
        assert found(store, text) == [], text
    assert found(store, "-comment:wrong") == ["t"]
    assert [trace.conversations for trace in store.search.traces(parse("comment:polite"))] == [("s",)]
    store.add_feedback("s", Feedback(name="csat", value=5, comment="Settled by now"))
    assert (found(store, "comment:wrong"), found(store, "comment:settled")) == ([], ["s"])
    assert freeze([store.conversation("s")], name="kept", at=AT).cases[0].recorded.outcome.comments == ()


def test_comments_that_were_given_before_they_could_be_searched_are_found(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s")))
    store.add_feedback("s", Feedback(name="csat", value=2, comment="Rude!"))
    assert found(store, "comment:rude") == ["s"]
    store.close()
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as old:
        old.execute("DELETE FROM mark WHERE kind = 'comment'")
        old.executescript("DROP TRIGGER grade_hour_comes; DROP TRIGGER grade_hour_goes; DROP TABLE grade_hour;")
        old.execute("DROP TABLE large_body")
        old.execute("PRAGMA user_version = 12")
        old.commit()
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    assert found(store, "comment:rude") == ["s"] == found(store, "delay OR score.csat:2")
    store.close()


def test_a_score_of_a_trace_stays_with_its_turn_when_the_trace_joins_others(store: Store) -> None:
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("p", raw_spans(chat_span(2, 1, said=["Thanks!"], history=history)))
    store.add_feedback(f"{2:032x}", Feedback(name="csat", value=1))
    store.add_spans("p", raw_spans(chat_span(1, 1)))
    assert [row.id for row in store.search.conversations(parse("score.csat:1"))] == [f"{1:032x}"]
    assert store.conversation(f"{1:032x}").outcome.scores == {"turns[1].csat": 1}


def test_words_are_gone_from_the_file_with_the_conversation(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    store = open_store(f"sqlite:///{file}")
    span = chat_span(1, 1, session="s", said=["Marzipankartoffel"])
    span.attributes.append(attribute("user.id", "zaphod"))
    store.add_spans("p", raw_spans(span))
    store.put_conversation(talk("other", line("Marmelade")))
    assert found(store, "marzipan") == ["s"]
    store.delete_user("zaphod", "p")
    store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"marzipan" not in left and b"zaphod" not in left and b"marmelade" in left


def test_whoever_is_in_a_hurry_sees_what_is_read_and_how_much_is_not(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.add_spans("p", raw_spans(chat_span(1, 1, session="before", said=["My kettle!"])))
    assert found(store, "kettle") == ["before"]
    store.hurry(0.01)
    for number in range(2, 12):
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}", said=["My kettle!"])))
    # As long as somebody else writes, nothing that is read can be kept.
    with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        pages = [
            store.search.conversations(parse("kettle"), "p", limit=50),
            store.search.conversations(parse(""), "p", limit=50),
            store.summaries("p", limit=50),
        ]
        assert [[row.id for row in page] for page in pages] == [["before"]] * 3
        assert len(list(store.traces("p", limit=50))) == 11, "a trace is one before it is read"
        assert store.search.unread("p") == 10
        other.execute("ROLLBACK")
    while store.search.unread("p"):  # each page goes on reading behind it
        list(store.summaries("p", limit=50))
    assert len(list(store.summaries("p", limit=50))) == 11
    store.close()


def test_a_list_of_everything_waits_for_everything_also_in_a_hurry(store: Store) -> None:
    store.hurry(0.0)
    for number in range(1, 12):
        store.add_spans("p", raw_spans(chat_span(number, 1, session=f"s-{number}", said=["My kettle!"])))
    assert len(found(store, "kettle")) == len(list(store.summaries("p"))) == 11


def test_who_asks_for_what_was_read_has_nothing_read_for_him(store: Store) -> None:
    store.put_conversation(talk("before", line("kettle")))
    store.add_spans("p", raw_spans(chat_span(1, 1, session="now", said=["My kettle!"])))
    unread = store.search.unread("p")
    seen = [one.id for one in store.search.conversations(parse("kettle"), "p", as_read=True)]
    assert store.search.unread("p") == unread
    assert seen == (["before"] if unread else ["now", "before"])
    assert len(found(store, "kettle")) == 2


def test_a_store_of_before_is_searched_too(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.put_conversation(talk("a", line("kettle")))
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        connection.execute("UPDATE conversation SET indexed = 0")
        connection.execute("DELETE FROM facts")
        connection.execute("DROP TABLE talk")
        connection.execute("CREATE VIRTUAL TABLE talk USING fts5 (said, replied, argument, result, content = '')")
    connection.close()
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    assert store.search.unread() == 1
    assert found(store, "kettle") == ["a"]
    store.close()


def test_conversations_of_before_are_found_by_how_much_an_argument_is(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.put_conversation(talk("a", line("kettle", "Fine.", REFUND)))
    store.close()
    before = (Path(migrate.__file__).parent / "migrations" / "0007_arguments.sql").read_text(encoding="utf-8")
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        connection.execute("DELETE FROM mark WHERE kind = 'argument'")
        connection.executescript(before)
    connection.close()
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    assert found(store, "argument.amount>39") == found(store, "kettle") == ["a"]
    store.delete_session("a")
    assert found(store, "kettle") == []
    store.close()


def test_conversations_of_before_are_found_by_what_an_argument_is(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    store.put_conversation(talk("a", line("kettle", "Fine.", REFUND)))
    store.close()
    before = (Path(migrate.__file__).parent / "migrations" / "0017_arguments_by_number.sql").read_text(encoding="utf-8")
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        connection.execute("DELETE FROM mark WHERE kind = 'argued'")
        connection.executescript(before)
    connection.close()
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    assert found(store, "argument.amount:39.90") == found(store, "argument.order_id:a-1042") == ["a"]
    store.close()


def test_more_arguments_than_are_marked_are_found_all_the_same(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    calls = [REFUND.but(arguments={"amount": number, "note": "1" * 300}) for number in range(MOST_ARGUED + 50)]
    store.put_conversation(talk("a", line("kettle", "Fine.", *calls)))
    store.put_conversation(talk("b", line("kettle", "Fine.", REFUND)))
    for text in ("argument.amount:7", f"argument.amount:{MOST_ARGUED + 49}.0", f"argument.note:{'1' * 300}"):
        assert found(store, text) == ["a"]
    assert found(store, "argument.amount:9999") == found(store, "argument.note:1") == []
    store.close()


# laws

WORDS = ["kettle", "my kettle", "order A-1042", "退款 please", "ÜBER", "k", "."]
texts = st.sampled_from(WORDS)
calls = st.builds(
    Call,
    call_id=st.none(),
    tool=st.sampled_from(["check", "Issue_Refund"]),
    arguments=st.sampled_from(
        [
            {},
            {"order": "A-1042", "n": 3},
            {"to": {"city": "Köln\nMitte"}, "n": "3"},
            {"n": [1, 5.5]},
            {"n": 2**53 + 1},
            {"To": [{"City": -(10**400)}]},
            {"n": True},
        ]
    ),
    result=st.sampled_from([None, "kettle", {"a": "über"}]),
    error=st.sampled_from([None, None, "my kettle"]),
)
turns = st.builds(
    Turn,
    index=st.just(0),
    user=st.one_of(st.none(), st.builds(UserLine, text=texts)),
    steps=st.lists(st.one_of(calls, st.builds(Say, text=texts)), max_size=2).map(tuple),
    reply=st.one_of(st.none(), texts),
    latency_ms=st.sampled_from([None, 0.0, 2.5, 3.0]),
    tokens=st.builds(Tokens, input=st.sampled_from([None, 3]), output=st.sampled_from([None, 0, 3])),
    cost_usd=st.sampled_from([None, 0.1]),
)
moments = st.sampled_from([None, AT, AT + timedelta(days=1, microseconds=1), datetime(1969, 1, 1, tzinfo=UTC)])
scores = st.dictionaries(st.sampled_from(["csat", "turns[0].csat"]), st.sampled_from([3, 2.5, True, "Good", None]))
conversations = st.builds(
    lambda turns, tags, **fields: Conversation(
        turns=tuple(turn.but(index=index) for index, turn in enumerate(turns)), metadata={"tags": tags}, **fields
    ),
    turns=st.lists(turns, max_size=3),
    tags=st.sampled_from([None, ["VIP"], "vip, a b"]),
    id=st.sampled_from("abc"),
    project=st.sampled_from(["p", "P2"]),
    user_id=st.sampled_from([None, "Ann", "b*b", "[x]"]),
    session_id=st.sampled_from([None, "k"]),
    started_at=moments,
    agent=st.builds(Agent, name=st.sampled_from([None, "k"]), model=st.sampled_from([None, "gpt-4o"])),
    gaps=st.sampled_from([(), (Gap(where="x", why="y"),)]),
    outcome=st.builds(Outcome, ended_reason=st.sampled_from([None, "hung up"]), scores=scores),
)
ASKED_WORDS = st.sampled_from(["kettle", "my kett", "1042", "über", "款"])
OPERATORS = st.sampled_from([":", ">", ">=", "<", "<="])
NAMES = st.sampled_from(
    ["a", "p*", "*", "vip", "k", "ann", "b*b", "[x]", "?", "*refund", "check", "csat", "gpt*", "hung up"]
)


def asked(name: str) -> st.SearchStrategy[Filter]:
    match FIELDS[name]:
        case Words():
            return st.builds(Asked, st.just(name), st.just(":"), ASKED_WORDS)
        case Name():
            return st.builds(Asked, st.just(name), st.just(":"), NAMES)
        case Flag():
            return st.builds(Asked, st.just(name), st.just(":"), st.booleans())
        case Number():
            return st.builds(Asked, st.just(name), OPERATORS, st.sampled_from([0.0, 1.0, 2.5, 3.0]))
        case Moment():
            days = ["2026-11-17", "2026-11", "1969-01-01", "2026-11-18T09:30"]
            return st.builds(Asked, st.just(name), OPERATORS, st.sampled_from(days).map(read_period))
        case _:
            raise AssertionError(name)


ENTRIES = """argument.n:3 argument.n>4 argument.n:5.5 argument.n>5.5 argument.n>=5.5 argument.n<3
argument.n<=1 argument.n>9007199254740992 argument.to.city<-1 argument.order:a-1042
argument.order:a* argument.to.city:köln*
score.csat:3 score.csat>=2.5 score.csat:yes score.csat:good score.csat:* argument.order:1042 argument.none:1"""
entries = st.sampled_from([*ENTRIES.split(), 'argument.to.city:"köln mitte"']).map(parse)
filters = st.recursive(
    st.one_of(st.builds(Text, st.sampled_from(["kettle", "k", "款", "order a 10"])), entries, *map(asked, FIELDS)),
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(All, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Either, st.lists(parts, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None)
@given(kept=st.lists(conversations, max_size=6), wanted=st.lists(filters, min_size=1, max_size=12))
def test_a_search_finds_just_what_the_filter_chooses(
    next_url: Callable[[], str], kept: list[Conversation], wanted: list[Filter]
) -> None:
    memory, file = open_store("memory:"), open_store(next_url())
    for one in kept:
        memory.put_conversation(one)
        file.put_conversation(one)
    for chosen in wanted:
        mine = {(row.project, row.id) for row in memory.search.conversations(chosen)}
        theirs = {(row.project, row.id) for row in file.search.conversations(chosen)}
        assert mine == theirs == {(one.project, one.id) for one in memory.conversations() if chosen.matches(one)}
    file.close()


@settings(max_examples=15, deadline=None)
@given(
    sent=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["kettle", "toaster"]), st.sampled_from([None, "s"]))),
    chosen=filters,
)
def test_traces_are_found_alike(
    next_url: Callable[[], str], sent: list[tuple[int, str, str | None]], chosen: Filter
) -> None:
    memory, file = open_store("memory:"), open_store(next_url())
    for number, (trace, word, session) in enumerate(sent):
        spans = raw_spans(chat_span(trace, number + 1, said=[word], session=session))
        memory.add_spans("p", spans)
        file.add_spans("p", spans)
    assert [row.id for row in memory.search.traces(chosen)] == [row.id for row in file.search.traces(chosen)]
    file.close()


def test_times_before_spans_are_those_of_their_own_clock(store: Store) -> None:
    store.add_spans("p", raw_spans(chat_span(1, 1, session="s")))
    began = datetime.fromtimestamp(START_NS // 1_000_000_000, UTC)
    assert found(store, f"started:{began:%Y-%m-%d}") == ["s"]


def test_a_trace_of_something_else_is_in_no_list_of_conversations(store: Store) -> None:
    health = chat_span(1, 1, session="nothing")
    health.name = "GET /health"
    del health.attributes[:]
    store.add_spans("p", raw_spans(health, chat_span(2, 1, session="talk")))
    assert [row.id for row in store.summaries("p")] == ["talk"]
    assert [row.id for row in store.search.conversations(parse(""), "p")] == ["talk"]
    assert [one.id for one in store.conversations("p")] == ["talk"]
    assert len(list(store.traces("p"))) == 2


VALUES = ["cross", "Cross ", "a-42", "abc", "ab\u0301c", "12", "12.50", "yes", "no", "true", "nan", "x" * 200, "", "-3"]
NUMBERS = [12, 12.0, 12.5, -3, 0, 0.0, 1e20, 10**20, 0.00001, True, False, None, [12, "abc"], {"a": "abc"}]
ASKED = ["cross", "c*", "a-4*", "ab*", "abc", "12", "12.0", "12.50", "12.5", "yes", "false", "nan", "inf", "1e20", "0"]


@pytest.mark.parametrize("field", ["score.mark", "argument.mark", "argument.mark.a"])
def test_an_entry_is_found_by_whatever_it_may_be_written_as(tmp_path: Path, field: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    talks = [
        talk(f"c-{number}", line("Hello.", "Yes.", REFUND.but(arguments={"mark": value}))).but(
            outcome=Outcome(scores={"mark": value})
        )
        for number, value in enumerate([*VALUES, *NUMBERS])
    ]
    for one in talks:
        store.put_conversation(one)
    for asked in [*ASKED, "-3", "x*", "*", "0.00001", "100000000000000000000", "x" * 200]:
        chosen = parse(f'{field}:"{asked}"')
        expected = {one.id for one in talks if chosen.matches(one)}
        assert {row.id for row in store.search.conversations(chosen, "p")} == expected, asked
    store.close()

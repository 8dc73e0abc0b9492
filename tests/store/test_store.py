"""What every store keeps: the same tests for the one in memory and the one in a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from made_spans import chat_span, raw_logs, raw_spans

from taketwo.comparison import Comparison, Metrics
from taketwo.conversation import Call, Conversation, Say, Turn, UserLine
from taketwo.errors import BadSetting, NotFound, NotUnique, TraceUnreadable
from taketwo.run import Ending, Run
from taketwo.store import Store, open_store
from taketwo.verdict import Attempt, CaseResult, Verdict

AT = datetime(2026, 11, 17, 9, 30, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def imported(id: str, *, at: datetime | None = AT, project: str = "default", said: str = "Hello") -> Conversation:
    call = Call(call_id="c1", tool="check_status", arguments={"order_id": "A-1042"}, error="not found")
    steps = (call, Say(text="Hello!"))
    return Conversation(
        id=id,
        project=project,
        started_at=at,
        turns=(Turn(index=0, user=UserLine(text=said), steps=steps, reply="Hello!"),),
    )


def result(case_id: str, run_id: str, kind: str = "pass") -> CaseResult:
    run = Run(
        id=run_id,
        case_id=case_id,
        agent="demo",
        started_at=AT,
        ended_at=AT,
        conversation=imported(run_id),
        ending=Ending(reason="completed"),
    )
    figures = Metrics(turns=1, tool_calls=0, agent_words=1, output_tokens=None, mean_latency_ms=None)
    attempt = Attempt(run=run, comparison=Comparison(pairs=(), recorded=figures, replayed=figures))
    return CaseResult(
        scenario="desk",
        case_id=case_id,
        recorded_id="s-1",
        verdict=Verdict(kind=kind),  # type: ignore[arg-type]  # one of the kinds, as text
        attempts=(attempt,),
    )


# Spans


def test_a_session_reads_back_as_soon_as_its_spans_are_taken(store: Store) -> None:
    assert store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1"))) == 1
    conversation = store.conversation("desk-1")
    assert (conversation.id, conversation.session_id, conversation.project) == ("desk-1", "desk-1", "shop")
    assert [turn.user and turn.user.text for turn in conversation.turns] == ["Where is my order?"]
    assert conversation.turns[0].reply == "On its way."


def test_a_span_that_is_sent_again_is_stored_once(store: Store) -> None:
    spans = raw_spans(chat_span(1, 1, session="desk-1"), chat_span(1, 2, session="desk-1"))
    assert store.add_spans("shop", spans) == 2
    assert store.add_spans("shop", spans) == 0
    assert store.add_spans("shop", [*spans, *raw_spans(chat_span(1, 3, session="desk-1"))]) == 1
    assert len(store.raw_spans("desk-1")) == 3
    assert [trace.spans for trace in store.traces()] == [3]


def test_a_span_that_comes_twice_in_one_request_is_stored_once(store: Store) -> None:
    assert store.add_spans("shop", raw_spans(chat_span(1, 1), chat_span(1, 1))) == 1


def test_the_more_complete_copy_of_a_span_stands_whichever_comes_first(store: Store) -> None:
    pending = chat_span(1, 1, session="desk-1", ended=False, padding="x" * 500)
    whole = chat_span(1, 1, session="desk-1", failed=True)
    assert store.add_spans("shop", raw_spans(pending)) == 1
    assert store.add_spans("shop", raw_spans(whole)) == 1
    assert store.add_spans("shop", raw_spans(pending)) == 0
    (span,) = store.raw_spans("desk-1")
    assert span.end_ns > 0
    (trace,) = store.traces()
    assert (trace.spans, trace.errors) == (1, 1)
    longer = chat_span(1, 1, session="desk-1", padding="x" * 900)
    assert store.add_spans("shop", raw_spans(longer)) == 1
    assert [trace.errors for trace in store.traces()] == [0]


def test_late_spans_open_a_conversation_again(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1")))
    assert len(store.conversation("desk-1").turns) == 1
    assert store.settle() <= 1
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    later = chat_span(2, 1, session="desk-1", said=["Thanks!"], answered="Welcome.", history=history)
    store.add_spans("shop", raw_spans(later))
    assert [turn.reply for turn in store.conversation("desk-1").turns] == ["On its way.", "Welcome."]
    assert [row.turns for row in store.summaries()] == [2]


def test_spans_inherit_the_session_of_their_trace_also_when_it_is_named_last(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 2, parent=1)))
    alone = f"{1:032x}"
    assert store.conversation(alone).session_id is None
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1")))
    assert store.conversation(alone).id == "desk-1"
    assert len(store.raw_spans("desk-1")) == 2
    assert [row.id for row in store.summaries()] == ["desk-1"]


def test_where_spans_of_a_trace_name_several_sessions_each_gets_its_own(store: Store) -> None:
    store.add_spans(
        "shop",
        raw_spans(
            chat_span(1, 1, session="desk-1", said=["One"]),
            chat_span(1, 2, session="desk-2", said=["Two"]),
        ),
    )
    for session, line in (("desk-1", "One"), ("desk-2", "Two")):
        assert [turn.user and turn.user.text for turn in store.conversation(session).turns] == [line]
        assert len(store.raw_spans(session)) == 1
    assert [trace.conversations for trace in store.traces()] == [("desk-1", "desk-2")]
    with pytest.raises(NotUnique, match="desk-1"):
        store.conversation(f"{1:032x}")


def test_traces_without_a_session_are_chained_by_their_history(store: Store) -> None:
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("shop", raw_spans(chat_span(1, 1)))
    first, second = f"{1:032x}", f"{2:032x}"
    assert len(store.conversation(first).turns) == 1
    store.add_spans("shop", raw_spans(chat_span(2, 1, said=["Thanks!"], answered="Welcome.", history=history)))
    together = store.conversation(second)
    assert together.id == first
    assert [turn.reply for turn in together.turns] == ["On its way.", "Welcome."]
    assert store.conversation(first) == together
    assert len(store.raw_spans(first)) == 2
    assert [row.id for row in store.summaries()] == [first]


def test_a_chain_is_found_also_when_its_end_comes_first(store: Store) -> None:
    history = [("user", "Where is my order?"), ("assistant", "On its way.")]
    store.add_spans("shop", raw_spans(chat_span(2, 1, said=["Thanks!"], answered="Welcome.", history=history)))
    second = f"{2:032x}"
    assert store.conversation(second).id == second
    store.add_spans("shop", raw_spans(chat_span(1, 1)))
    store.settle()
    assert [row.id for row in store.summaries()] == [f"{1:032x}"]
    assert store.conversation(second).id == f"{1:032x}"


def test_equal_openings_of_different_users_are_not_chained(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1)))
    store.add_spans("shop", raw_spans(chat_span(2, 1, answered="Which order?")))
    store.settle()
    assert {row.id for row in store.summaries()} == {f"{1:032x}", f"{2:032x}"}


def test_the_same_session_id_in_two_projects_is_two_conversations(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1", said=["In the shop"])))
    store.add_spans("bank", raw_spans(chat_span(1, 1, session="desk-1", said=["In the bank"])))
    with pytest.raises(NotUnique, match="bank and shop"):
        store.conversation("desk-1")
    found = store.conversation("desk-1", "bank").turns[0].user
    assert found is not None and found.text == "In the bank"
    assert store.projects() == ["bank", "shop"]


def test_a_trace_and_a_span_of_five_megabytes_read_back_whole(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1", said=["x" * 5_000_000])))
    said = store.conversation("desk-1").turns[0].user
    assert said is not None and len(said.text) == 5_000_000
    assert [len(row.said or "") for row in store.summaries()] == [200]


def test_nothing_is_a_valid_request(store: Store) -> None:
    assert store.add_spans("shop", []) == 0
    assert store.add_logs("shop", []) == 0
    assert list(store.summaries()) == []
    assert store.settle() == 0


# Log records


def test_log_records_belong_to_their_trace_and_are_stored_once(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="desk-1")))
    logs = raw_logs((1, 1, "one"), (1, 1, "two"))
    assert store.add_logs("shop", logs) == 2
    assert store.add_logs("shop", logs) == 0
    assert [log.body for log in store.raw_logs("desk-1")] == [log.body for log in logs]


def test_log_records_may_come_before_their_spans(store: Store) -> None:
    store.add_logs("shop", raw_logs((1, 1, "early")))
    assert list(store.summaries()) == []
    store.add_spans("shop", raw_spans(chat_span(1, 1)))
    assert len(store.raw_logs(f"{1:032x}")) == 1


def test_log_records_without_a_trace_belong_to_no_conversation(store: Store) -> None:
    assert store.add_logs("shop", raw_logs((0, 0, "server started"))) == 0


def test_a_session_that_only_a_log_record_names_is_a_session(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1)))
    store.add_logs("shop", raw_logs((1, 1, "hello"), session="desk-1"))
    assert len(store.raw_logs("desk-1")) == 1


# Finding


def test_a_conversation_is_found_by_the_beginning_of_its_id_or_of_a_trace_of_it(store: Store) -> None:
    trace = int("abcdef" + "0" * 26, 16)
    store.add_spans("shop", raw_spans(chat_span(trace, 1, session="checkout-77")))
    for id in ("checkout-77", "checko", "abcdef", "ABCDEF", "abcdef" + "0" * 26):
        assert store.conversation(id).id == "checkout-77"


def test_too_short_a_beginning_is_not_guessed(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="checkout-77")))
    with pytest.raises(NotFound, match=r"did you mean checkout-77"):
        store.conversation("check")


def test_a_beginning_that_fits_several_names_them(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="checkout-77"), chat_span(2, 1, session="checkout-78")))
    with pytest.raises(NotUnique, match=r"checkout-77.*checkout-78"):
        store.conversation("checkout")
    store.add_spans("shop", raw_spans(chat_span(3, 1, session="checkout")))
    assert store.conversation("checkout").id == "checkout"


def test_an_unknown_id_is_answered_with_the_nearest(store: Store) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session="checkout-77")))
    with pytest.raises(NotFound, match="did you mean checkout-77"):
        store.conversation("chekout-77")
    with pytest.raises(NotFound, match="project bank"):
        store.conversation("checkout-77", "bank")
    for strange in ("", "%", "\x00", "' OR 1=1 --", "\U0010ffff" * 6, "x" * 10_000):
        with pytest.raises(NotFound):
            store.conversation(strange)


@pytest.mark.parametrize(
    "name", ["a/b?c=d&e", "<script>", "日本語のセッション", "a\x00bcdef", "a\\u0000\x00%s:b?", "x" * 5_000]
)
def test_a_session_may_be_called_anything(store: Store, name: str) -> None:
    store.add_spans("shop", raw_spans(chat_span(1, 1, session=name)))
    assert store.conversation(name).id == name
    assert [row.id for row in store.summaries()] == [name]


# Imports


def test_importing_the_same_again_changes_nothing(store: Store) -> None:
    assert store.put_conversation(imported("chat-1"))
    assert not store.put_conversation(imported("chat-1"))
    assert store.put_conversation(imported("chat-1", said="Hello again"))
    assert store.conversation("chat-1") == imported("chat-1", said="Hello again")
    assert store.raw_spans("chat-1") == []
    assert len(list(store.conversations())) == 1


def says_more(kept: Conversation | None, came: Conversation) -> Conversation | None:
    told = [len(one.turns[0].user.text) for one in (kept, came) if one is not None and one.turns[0].user is not None]
    return came if kept is None or told[1] > told[0] else None


def test_what_becomes_of_a_conversation_is_decided_by_what_is_kept_as_it_is_written(store: Store) -> None:
    assert store.put_conversation(imported("chat-1", said="Hello you"), says_more)
    assert not store.put_conversation(imported("chat-1", said="Hello"), says_more)
    assert store.conversation("chat-1") == imported("chat-1", said="Hello you")
    assert store.put_conversation(imported("chat-1", said="Hello to all of you"), says_more)
    store.put_conversation(imported("chat-1"), lambda kept, came: kept and kept.but(user_id=came.id))
    assert store.conversation("chat-1") == imported("chat-1", said="Hello to all of you").but(user_id="chat-1")


def test_of_what_several_tell_at_once_what_says_most_stays(store: Store) -> None:
    others = [store if store.url == "memory:" else open_store(store.url) for _ in range(3)]
    told = [(other, "x" * size) for size in range(1, 25) for other in others]
    puts = [
        Thread(target=other.put_conversation, args=(imported("chat-1", said=said), says_more)) for other, said in told
    ]
    for put in puts:
        put.start()
    for put in puts:
        put.join()
    assert store.conversation("chat-1") == imported("chat-1", said="x" * 24)
    for other in others:
        if other is not store:
            other.close()


def test_an_import_does_not_replace_what_was_captured(store: Store) -> None:
    store.add_spans("default", raw_spans(chat_span(1, 1, session="desk-1")))
    with pytest.raises(TraceUnreadable, match="captured from spans"):
        store.put_conversation(imported("desk-1"))
    assert store.put_conversation(imported("desk-1", project="imports"))


def test_spans_win_over_an_import_of_the_same_id(store: Store) -> None:
    store.put_conversation(imported("desk-1"))
    store.add_spans("default", raw_spans(chat_span(1, 1, session="desk-1")))
    assert store.conversation("desk-1").turns[0].reply == "On its way."


# Listings


def test_a_listing_says_what_matters_of_each_conversation(store: Store) -> None:
    store.put_conversation(imported("chat-1", said="Where?"))
    (row,) = store.summaries()
    assert (row.id, row.turns, row.calls, row.tools, row.errors, row.said) == (
        "chat-1",
        1,
        1,
        ("check_status",),
        1,
        "Where?",
    )
    assert type(row).from_json(row.to_json()) == row


def test_listings_begin_with_the_newest_and_go_on_where_they_stopped(store: Store) -> None:
    for number in range(230):
        store.put_conversation(imported(f"chat-{number:03}", at=AT + timedelta(minutes=number // 2), project="a"))
    store.put_conversation(imported("undated", at=None, project="b"))
    everything = [row.id for row in store.summaries()]
    assert everything[:2] == ["chat-229", "chat-228"]
    assert everything[-1] == "undated"
    assert len(everything) == 231
    assert [row.id for row in store.summaries("a")] == everything[:-1]
    assert [row.id for row in store.summaries("nowhere")] == []
    first = list(store.summaries(limit=100))
    rest = list(store.summaries(after=first[-1].cursor))
    assert [row.id for row in first + rest] == everything
    assert [one.id for one in store.conversations(limit=3)] == everything[:3]
    with pytest.raises(NotFound, match="place"):
        list(store.summaries(after="yesterday"))


def test_traces_are_listed_newest_first(store: Store) -> None:
    store.add_spans("shop", raw_spans(*(chat_span(trace, 1, failed=trace == 2) for trace in (1, 3, 2))))
    rows = list(store.traces())
    assert [(row.id, row.errors) for row in rows] == [(f"{trace:032x}", int(trace == 2)) for trace in (3, 2, 1)]
    assert [row.id for row in store.traces("shop", after=rows[0].cursor, limit=1)] == [f"{2:032x}"]
    started, ended = rows[0].started_at, rows[0].ended_at
    assert started is not None and ended is not None and ended - started == timedelta(milliseconds=5)


def test_a_span_without_times_is_kept_and_listed_last(store: Store) -> None:
    timeless = chat_span(1, 1, session="no-clock")
    timeless.start_time_unix_nano = timeless.end_time_unix_nano = 0
    store.add_spans("shop", raw_spans(timeless, chat_span(2, 1, session="clocked")))
    assert [row.id for row in store.summaries()] == ["clocked", "no-clock"]
    assert [row.started_at is None for row in store.traces()] == [False, True]


# Results


def test_results_read_back_in_the_order_they_were_added(store: Store) -> None:
    some = [result(f"case-{number}", f"run-{number:06}", "fail" if number == 2 else "pass") for number in range(5)]
    for one in some:
        store.add_result("suite-1", one)
    store.flush()
    assert store.results("suite-1") == some
    (suite,) = store.suites()
    assert (suite.id, suite.counts) == ("suite-1", {"pass": 4, "fail": 1})


def test_a_result_is_found_by_its_run(store: Store) -> None:
    store.add_result("suite-1", result("case-1", "run-alpha-1"))
    store.add_result("suite-1", result("case-2", "run-beta-1"))
    store.flush()
    assert store.result("run-alpha-1").case_id == "case-1"
    assert store.result("run-be").case_id == "case-2"
    with pytest.raises(NotUnique, match="run-alpha-1, run-beta-1"):
        store.result("run-")
    for missing in (lambda: store.result("run-gamma"), lambda: store.results("suite-2")):
        with pytest.raises(NotFound):
            missing()


# Several at once


def test_many_threads_may_write_and_read_at_once(store: Store) -> None:
    failures: list[BaseException] = []

    def send(session: int) -> None:
        try:
            for number in range(10):
                store.add_spans("shop", raw_spans(chat_span(session * 100 + number, 1, session=f"desk-{session}")))
                assert len(store.raw_spans(f"desk-{session}")) == number + 1
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=send, args=(session,)) for session in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(trace.spans for trace in store.traces()) == 60
    assert {row.id for row in store.summaries()} == {f"desk-{session}" for session in range(1, 7)}


# Opening


def test_an_address_of_another_kind_is_named_without_its_password() -> None:
    with pytest.raises(BadSetting, match="mysql://…") as refused:
        open_store("mysql://me:s3cr3t@db/talks")
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "mysql://x", "sqlite:", "sqlite:///", "memory:x", "/tmp/file"])
def test_only_known_kinds_of_stores_are_opened(url: str) -> None:
    with pytest.raises(BadSetting, match=r"archive:///PATH or memory:"):
        open_store(url)


def test_what_an_agent_did_in_a_replay_is_listed_nowhere_and_found_by_the_run(store: Store) -> None:
    replayed, plain = chat_span(2**100 + 1, 1), chat_span(2**100 + 2, 1)
    replayed.trace_state = "taketwo=run-1"
    run = replayed.trace_id.hex()
    store.add_spans("p", raw_spans(replayed, plain))
    assert [trace.id for trace in store.traces()] == [plain.trace_id.hex()]
    assert [trace.id for trace in store.traces("p", limit=5)] == [plain.trace_id.hex()]
    assert [row.id for row in store.summaries()] == [plain.trace_id.hex()]
    assert [span.trace_id for span in store.raw_spans(run)] == [run]
    assert [span.trace_id for span in store.raw_spans(run, "p")] == [run]
    for project in ("another", "p"):
        with pytest.raises(NotFound):
            store.raw_spans("f" * 32, project)
    with pytest.raises(NotFound):
        store.raw_spans(run, "another")
    with pytest.raises(NotFound):
        store.conversation(run)

"""Spans of calls that other spans tell better make no conversation, whatever comes first."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_spans import PROTOBUF, START_NS, Span, chat_span, raw_spans, text
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from taketwo.capture.otlp import decode_span, read_spans
from taketwo.capture.sessions import sessions
from taketwo.errors import NotFound
from taketwo.span import RawSpan
from taketwo.store import Store, open_store
from taketwo.store.project import ProjectSettings

DATA = Path(__file__).resolve().parents[1] / "data"
TURNS_AND_TRACES = {
    **{path: (3, 5) for path in sorted((DATA / "further_traces").glob("*anthropic*.pb.gz"))},
    DATA / "more_traces" / "openinference-langgraph-and-openai.traces.pb.gz": (4, 4),
    DATA / "more_traces" / "openinference-langgraph-and-traceloop-openai-stream.traces.pb.gz": (4, 4),
    DATA / "more_traces" / "openinference-and-traceloop-responses.traces.pb.gz": (4, 8),
}


def telling(number: int, session: str | None = "desk-1") -> Span:
    """What an instrumentation emits of the call with a number."""
    history = [
        (role, f"{line} {one}.") for one in range(number) for role, line in (("user", "Ask"), ("assistant", "Do"))
    ]
    span = chat_span(number + 1, 1, said=[f"Ask {number}."], answered=f"Do {number}.", history=history, session=session)
    span.attributes.append(text("gen_ai.response.id", f"msg-{number}"))
    return span


def mute(number: int) -> Span:
    """What the SDK emits of the same call."""
    start = START_NS + int((number + 1.02) * 1e9)
    span = Span(trace_id=(number + 101).to_bytes(16), span_id=(1).to_bytes(8), name="anthropic.messages.create")
    span.start_time_unix_nano, span.end_time_unix_nano = start, start + 1_000_000
    span.attributes.extend([text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o")])
    span.attributes.append(text("gen_ai.response.id", f"msg-{number}"))
    return span


def listed(store: Store) -> list[tuple[str, int]]:
    while store.settle():
        pass
    return [(one.id, len(one.turns)) for one in store.conversations("p")]


def sent(store: Store, spans: Sequence[RawSpan], settled: Sequence[bool]) -> None:
    for span, settles in zip(spans, settled, strict=True):
        store.add_spans("p", [span])
        if settles:
            store.settle()


@pytest.mark.parametrize("path", TURNS_AND_TRACES, ids=lambda path: path.name)
def test_a_captured_talk_is_one_conversation_however_it_comes(path: Path, next_url: Callable[[], str]) -> None:
    spans = read_spans(gzip.decompress(path.read_bytes()), PROTOBUF).spans
    for seed in range(3):
        random.Random(seed).shuffle(spans)
        store = open_store(next_url())
        sent(store, spans, [seed > 0 and number % seed == 0 for number in range(len(spans))])
        found = [turns for _, turns in listed(store)], len(list(store.traces("p")))
        assert found == ([TURNS_AND_TRACES[path][0]], TURNS_AND_TRACES[path][1])
        store.close()


@settings(max_examples=25, deadline=None)
@given(
    session=st.sampled_from([None, "desk-1"]),
    order=st.permutations([*range(4), *range(100, 104)]),
    settled=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_beside_a_session_and_beside_a_talk_without_one(
    next_url: Callable[[], str], session: str | None, order: list[int], settled: list[bool]
) -> None:
    spans = [raw_spans(telling(one, session) if one < 100 else mute(one - 100))[0] for one in order]
    memory, file = open_store("memory:"), open_store(next_url())
    sent(file, spans, settled)
    sent(memory, spans, settled)
    assert listed(file) == listed(memory) == [(session or f"{1:032x}", 4)]
    assert file.conversation(listed(file)[0][0]) == memory.conversation(listed(file)[0][0])
    file.close()


def test_alone_they_stay_conversations_with_gaps(next_url: Callable[[], str]) -> None:
    store = open_store(next_url())
    store.add_spans("p", raw_spans(mute(0), mute(1), telling(1)))
    assert sorted(listed(store)) == sorted([("desk-1", 2), (f"{101:032x}", 1)])
    assert store.conversation(f"{101:032x}", "p").gaps
    store.close()


def test_what_was_told_in_another_project_tells_nothing_here(next_url: Callable[[], str]) -> None:
    store = open_store(next_url())
    store.add_spans("other", raw_spans(telling(0)))
    store.add_spans("p", raw_spans(mute(0)))
    assert listed(store) == [(f"{101:032x}", 1)]
    store.close()


def test_one_that_turns_out_to_say_something_is_a_conversation_again(next_url: Callable[[], str]) -> None:
    store = open_store(next_url())
    store.add_spans("p", raw_spans(telling(0), mute(0)))
    assert listed(store) == [("desk-1", 1)]
    store.add_spans("p", raw_spans(chat_span(101, 2, said=["Something else."])))
    assert sorted(listed(store)) == sorted([("desk-1", 1), (f"{101:032x}", 1)])
    store.close()


@pytest.mark.parametrize("memory", [True, False])
def test_they_expire_with_the_rest(next_url: Callable[[], str], memory: bool) -> None:
    store = open_store("memory:" if memory else next_url())
    store.set_project("p", ProjectSettings(keep_for_days=1))
    store.add_spans("p", raw_spans(telling(0), mute(0)))
    assert listed(store) == [("desk-1", 1)]
    store.expire(datetime.fromtimestamp(START_NS / 1e9, UTC) + timedelta(hours=23))
    assert len(store.raw_spans(f"{101:032x}", "p")) == 1
    store.expire(datetime.fromtimestamp(START_NS / 1e9, UTC) + timedelta(hours=25))
    assert listed(store) == []
    with pytest.raises(NotFound):
        store.raw_spans(f"{101:032x}", "p")
    store.close()


def number_of(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def hiding(number: int, trace: int, *, run: bool) -> list[Span]:
    """What an instrumentation with a convention of its own emits of the same call where it was told to hide content."""
    span = mute(number)
    span.trace_id, span.name = (trace + number).to_bytes(16), "ChatAnthropic"
    del span.attributes[:]
    span.attributes.extend([text("openinference.span.kind", "LLM"), text("llm.model_name", "gpt-4o")])
    span.attributes.extend([number_of("llm.token_count.prompt", 40), number_of("llm.token_count.completion", 7)])
    if not run:
        return [span]
    above = Span(trace_id=span.trace_id, span_id=(9).to_bytes(8), name="desk")
    above.start_time_unix_nano, above.end_time_unix_nano = span.start_time_unix_nano - 1, span.end_time_unix_nano + 1
    above.attributes.append(text("openinference.span.kind", "AGENT"))
    span.parent_span_id = above.span_id
    return [above, span]


@settings(max_examples=15, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["mute", "own", "run"]), min_size=2, max_size=3, unique=True),
    settled=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_where_all_hide_what_was_said_the_one_that_shows_most_is_the_conversation(
    next_url: Callable[[], str], kinds: list[str], settled: list[bool]
) -> None:
    sdk = mute(0)
    sdk.attributes.extend([number_of("gen_ai.usage.input_tokens", 40), number_of("gen_ai.usage.output_tokens", 7)])
    made = {"mute": [sdk], "own": hiding(0, 201, run=False), "run": hiding(0, 301, run=True)}
    traces = {"mute": 101, "own": 201, "run": 301}
    spans = [span for kind in kinds for span in raw_spans(*made[kind])]
    memory, file = open_store("memory:"), open_store(next_url())
    sent(file, spans, settled[: len(spans)])
    sent(memory, spans, settled[: len(spans)])
    most = max(kinds, key=lambda kind: traces[kind])
    assert [id for id, _ in listed(file)] == [id for id, _ in listed(memory)] == [f"{traces[most]:032x}"]
    file.close()


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("mute_first", [True, False])
def test_a_call_that_failed_is_told_once_though_no_provider_gave_it_an_id(
    next_url: Callable[[], str], memory: bool, mute_first: bool
) -> None:
    def failed(made: Span, after_s: float = 0.0) -> Span:
        made.attributes.extend([text("error.type", "RateLimitError")])
        made.status.code = made.status.STATUS_CODE_ERROR
        for kept in [one for one in made.attributes if one.key in ("gen_ai.response.id", "gen_ai.output.messages")]:
            made.attributes.remove(kept)
        made.end_time_unix_nano += int(after_s * 1e9)
        return made

    store = open_store("memory:" if memory else next_url())
    spans = raw_spans(failed(telling(0)), failed(mute(0)))
    sent(store, spans[::-1] if mute_first else spans, [True, True])
    assert listed(store) == [("desk-1", 1)]
    store.add_spans("p", raw_spans(failed(mute(1), after_s=60)))  # of this one nobody else tells
    assert sorted(listed(store)) == sorted([("desk-1", 1), (f"{102:032x}", 1)])
    store.close()


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("order", [(0, 100), (100, 0)])
@pytest.mark.parametrize("settled", [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("by_user", [True, False])
def test_they_are_deleted_with_the_talk_that_tells_them(
    next_url: Callable[[], str], memory: bool, order: tuple[int, int], settled: tuple[bool, bool], by_user: bool
) -> None:
    store = open_store("memory:" if memory else next_url())
    told = telling(0)
    told.attributes.append(text("user.id", "u-1"))
    spans = {0: raw_spans(told)[0], 100: raw_spans(mute(0))[0]}
    other = raw_spans(telling(1, "desk-2"), mute(1))
    sent(store, [*other, *(spans[one] for one in order)], [False, False, *settled])
    deleted = store.delete_user("u-1", "p") if by_user else store.delete_session("desk-1", "p")
    assert (deleted.conversations, deleted.spans) == (1, 2)
    assert listed(store) == [("desk-2", 2)]
    for gone in (1, 101):
        with pytest.raises(NotFound):
            store.raw_spans(f"{gone:032x}", "p")
    assert len(store.raw_spans(f"{102:032x}", "p")) == 1  # that of the other one is still there
    store.close()


@pytest.mark.parametrize("memory", [False, True])
def test_who_is_deleted_takes_no_echo_along_of_a_talk_that_began_with_the_same_words(
    next_url: Callable[[], str], memory: bool
) -> None:
    store = open_store("memory:" if memory else next_url())
    echo = telling(1, None)
    echo.trace_id = (102).to_bytes(16)
    store.add_spans("p", raw_spans(telling(0, None), telling(1, "desk-2"), echo))
    assert listed(store) == [("desk-2", 2), (f"{1:032x}", 1)]
    assert store.delete_session(f"{1:032x}", "p").spans == 1
    assert len(store.raw_spans(f"{102:032x}", "p")) == 1
    store.close()


@pytest.mark.parametrize("is_read_before", [True, False])
@pytest.mark.parametrize("by_trace", [True, False])
def test_a_listing_of_all_shows_none_though_what_tells_it_is_listed_last(
    next_url: Callable[[], str], is_read_before: bool, by_trace: bool
) -> None:
    store = open_store(next_url())
    store.add_spans("p", raw_spans(mute(60)))
    if is_read_before:
        assert listed(store) == [(f"{161:032x}", 1)]
    others = [telling(number, f"desk-{number}") for number in range(2, 60)]
    store.add_spans("p", raw_spans(telling(0), telling(60), *others))
    found = store.traces("p") if by_trace else store.conversations("p")
    assert len([one.id for one in found]) == 58 + (2 if by_trace else 1)
    store.close()


def of_both(next_url: Callable[[], str], *sent: Sequence[Span]) -> list[tuple[str, int]]:
    """What the store in memory and one that settles after everything that is sent agree on."""
    memory, file = open_store("memory:"), open_store(next_url())
    for some in sent:
        memory.add_spans("p", raw_spans(*some))
        file.add_spans("p", raw_spans(*some))
        file.settle()
    assert listed(file) == listed(memory)
    file.close()
    return sorted(listed(memory))


def test_the_same_words_a_second_later_are_another_call(next_url: Callable[[], str]) -> None:
    greeted = [chat_span(1, 1, said=["Hello"]), chat_span(2, 1, said=["Hello"], session="desk-1")]
    assert of_both(next_url, greeted[:1], greeted[1:]) == [(f"{1:032x}", 1), ("desk-1", 1)]
    assert of_both(next_url, greeted[1:], greeted[:1]) == [(f"{1:032x}", 1), ("desk-1", 1)]


def test_calls_that_have_not_ended_are_not_one_because_neither_has_an_end(next_url: Callable[[], str]) -> None:
    def begun(trace: int, session: str | None = None) -> list[Span]:
        return [chat_span(trace, 1, session=session, ended=False), chat_span(trace, 2, session=session, parent=1)]

    expected = [(f"{9:032x}", 1), ("desk-1", 1)]
    assert (
        of_both(next_url, begun(4, "desk-1"), begun(9)) == of_both(next_url, begun(9), begun(4, "desk-1")) == expected
    )


def test_a_trace_that_names_no_session_any_more_is_no_echo_of_itself(next_url: Callable[[], str]) -> None:
    longer = chat_span(4, 1, padding="of a copy that says more " * 4)
    assert of_both(next_url, [chat_span(4, 1, session="desk-1")], [longer]) == [(f"{4:032x}", 1)]


def test_a_call_below_another_tells_of_its_response_too(next_url: Callable[[], str]) -> None:
    below = chat_span(1, 2, parent=1, session="desk-1")
    below.attributes.append(text("gen_ai.response.id", "msg-0"))
    gateway = chat_span(1, 1, session="desk-1")
    gateway.attributes.append(text("gen_ai.response.id", "of-the-gateway"))
    whole = [gateway, below]
    for came in ([whole, [mute(0)]], [[mute(0)], whole], [whole[:1], [mute(0)], whole[1:]]):
        assert of_both(next_url, *came) == [("desk-1", 1)]


def copies_of_telling(number: int) -> list[Span]:
    """Copies of a span that tells, each more complete than those before: with and without its session and its id."""
    made = []
    for longer, (named, has_id) in enumerate([(True, True), (False, True), (True, False), (False, False)]):
        span = telling(number, "desk-1" if named else None)
        if not has_id:
            span.attributes.pop()
            span.end_time_unix_nano += 10**9
        span.attributes.append(text("padding", "x" * 200 * (longer + 1)))
        made.append(span)
    return made


def copies_of_mute(number: int) -> list[Span]:
    """Copies of an SDK's span, of which the longest says what was answered."""
    says = chat_span(number + 101, 1, said=[f"Ask {number}."], answered=f"Do {number}.", padding="x" * 900)
    says.attributes.append(text("gen_ai.response.id", f"msg-{number}"))
    return [mute(number), says]


def test_a_talk_that_takes_in_another_looks_at_what_that_tells_no_more(next_url: Callable[[], str]) -> None:
    copies = copies_of_telling(1)
    came = [copies_of_telling(0)[3], mute(1), copies[3]]
    assert of_both(next_url, copies[1:2], came) == [(f"{1:032x}", 2), (f"{102:032x}", 1)]


COPIES = [span for number in range(2) for span in (*copies_of_telling(number), *copies_of_mute(number))]


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(st.sampled_from(COPIES), min_size=2, max_size=6, unique_by=id),
    settled=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_whatever_copies_come_later_both_stores_list_the_same(
    next_url: Callable[[], str], spans: list[Span], settled: list[bool]
) -> None:
    memory, file = open_store("memory:"), open_store(next_url())
    for store in (memory, file):
        sent(store, raw_spans(*spans), settled[: len(spans)])
    assert sorted(listed(file)) == sorted(listed(memory))
    for id, _ in listed(memory):
        assert file.conversation(id, "p") == memory.conversation(id, "p")
    file.close()


def test_what_was_hidden_comes_back_when_the_other_one_tells_of_it_no_more(next_url: Callable[[], str]) -> None:
    whole, without_session, without_id, without_both = copies_of_telling(0)
    sdk = mute(0)
    assert of_both(next_url, [whole], [sdk]) == [("desk-1", 1)]
    assert of_both(next_url, [whole], [sdk], [without_session]) == [(f"{1:032x}", 1)]
    assert of_both(next_url, [whole], [sdk], [without_id]) == [(f"{101:032x}", 1), ("desk-1", 1)]
    assert of_both(next_url, [whole], [without_id], [sdk]) == [(f"{101:032x}", 1), ("desk-1", 1)]
    assert of_both(next_url, [sdk], [whole], [without_both]) == [(f"{1:032x}", 1), (f"{101:032x}", 1)]


@pytest.mark.parametrize("is_kept", [True, False])
def test_no_talk_goes_on_from_a_trace_that_others_tell_better_since(next_url: Callable[[], str], is_kept: bool) -> None:
    first, told, goes_on = telling(0, None), telling(0, "desk-1"), telling(1, None)
    told.trace_id = (50).to_bytes(16)
    memory, url = open_store("memory:"), next_url()
    memory.add_spans("p", raw_spans(first, told, goes_on))
    file = open_store(url)
    file.add_spans("p", raw_spans(first))
    assert listed(file) == [(f"{1:032x}", 1)]
    if not is_kept:
        file.close()
        file = open_store(url)
    file.add_spans("p", raw_spans(told))
    file.conversation("desk-1", "p")
    file.flush()
    file.add_spans("p", raw_spans(goes_on))
    assert len(file.conversation(f"{2:032x}", "p").turns) == 2
    assert sorted(listed(file)) == sorted(listed(memory)) == [(f"{2:032x}", 2), ("desk-1", 1)]
    file.close()


def test_what_a_replay_tells_hides_nothing_of_production(next_url: Callable[[], str]) -> None:
    replayed = telling(0)
    replayed.trace_id = (50).to_bytes(16)
    replayed.attributes.append(text("taketwo.run.id", "run-1"))
    nameless = telling(0, None)
    del replayed.attributes[[one.key for one in replayed.attributes].index("gen_ai.conversation.id")]
    above = Span(trace_id=replayed.trace_id, span_id=(9).to_bytes(8), name="desk")
    above.start_time_unix_nano, above.end_time_unix_nano = replayed.start_time_unix_nano, replayed.end_time_unix_nano
    above.attributes.extend([text("gen_ai.operation.name", "invoke_agent"), text("taketwo.run.id", "run-1")])
    replayed.parent_span_id = above.span_id
    expected = [(f"{1:032x}", 1)]
    assert of_both(next_url, [above, replayed], [nameless]) == expected
    assert of_both(next_url, [nameless], [above, replayed]) == expected


def test_a_file_of_them_is_sorted_likewise() -> None:
    spans = raw_spans(*map(telling, range(3)), *map(mute, range(4)))
    found = sessions(map(decode_span, spans))
    assert [(one.id, len(one.spans)) for one in found] == [("desk-1", 3), (None, 1)]

"""A talk that is read trace by trace is letter by letter what it is when all of it is read at once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_traces import EVERY_NAME, recorded_trace
from talk_spans import Recorder, calls, result, says, user

from taketwo.capture.grown import Grown, grown, parts
from taketwo.capture.reconstruct import reconstruct, tell
from taketwo.capture.sessions import sessions
from taketwo.span import LogRecord, Span

Trace = tuple[list[Span], list[LogRecord]]


def traces(spans: Iterable[Span], logs: Iterable[LogRecord] = ()) -> list[Trace]:
    """Spans and log records by trace, in the order in which the traces began."""
    found: dict[str, Trace] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        found.setdefault(span.trace_id, ([], []))[0].append(span)
    for record in logs:
        found.setdefault(record.trace_id, ([], []))[1].append(record)
    return list(found.values())


def assert_it_grows_to_the_same(arriving: Sequence[Trace]) -> int:
    """Add the traces one by one, beginning anew where they do not follow; gives how often they did."""
    grown, grew = Grown(), 0
    for number in range(1, len(arriving) + 1):
        spans = [span for trace in arriving[:number] for span in trace[0]]
        logs = [record for trace in arriving[:number] for record in trace[1]]
        if grown.add(*arriving[number - 1]):
            grew += 1
        else:
            grown = Grown()
            assert grown.add(spans, logs)
        assert tell(grown).to_json() == reconstruct(spans, logs).to_json()
    return grew


def assert_it_grows_piece_by_piece(pieces: Sequence[Trace]) -> int:
    """Add spans as they come, taking back what they go into; gives how often that could be done."""
    found, grew = Grown(), 0
    spans: list[Span] = []
    logs: list[LogRecord] = []
    for piece in pieces:
        spans, logs = spans + piece[0], logs + piece[1]
        came = {one.trace_id for some in piece for one in some}
        inside = [one.start_ns for one in spans if one.trace_id in came] + [r.at_ns for r in logs if r.trace_id in came]
        gone = found.take_back(came, min(inside))
        if gone is not None:
            again = came | gone
            part = ([one for one in spans if one.trace_id in again], [one for one in logs if one.trace_id in again])
            if all(found.add(*part) for part in parts(*part)):
                grew += 1
            else:
                gone = None
        if gone is None:
            found = grown(spans, logs)
        assert tell(found).to_json() == reconstruct(spans, logs).to_json()
    return grew


def pieces_of(found: Iterable[Trace], numbers: random.Random) -> list[Trace]:
    """Traces in pieces, of which most come in their order and some late."""
    singles: list[Trace] = [([span], []) for trace in found for span in trace[0]]
    singles += [([], [record]) for trace in found for record in trace[1]]
    place = {id(one): number + numbers.choice([0, 0, 0, 2, 15]) for number, one in enumerate(singles)}
    singles.sort(key=lambda one: place[id(one)])
    pieces: list[Trace] = []
    while singles:
        count = numbers.randint(1, 6)
        taken, singles = singles[:count], singles[count:]
        pieces.append(([span for one in taken for span in one[0]], [record for one in taken for record in one[1]]))
    return pieces


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_capture_grows_to_the_same_in_whatever_pieces_it_arrives(name: str) -> None:
    spans, logs = recorded_trace(name)
    assert_it_grows_piece_by_piece(pieces_of(traces(spans, logs), random.Random(name))[:40])


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_capture_grows_to_the_same_in_whatever_order_its_traces_arrive(name: str) -> None:
    for session in [*sessions(*recorded_trace(name)), None]:
        # All spans of a capture together are no session, but must come out alike, too.
        found = traces(session.spans, session.logs) if session is not None else traces(*recorded_trace(name))
        assert_it_grows_to_the_same(found)
        random.Random(name).shuffle(found)
        assert_it_grows_to_the_same(found)


LINES = st.sampled_from(["Hello.", "Where is it?", "Yes.", "Refund it, please."])
ROUNDS = st.lists(st.sampled_from(["tool", "failing tool", "say", "again", "title", "cut"]), max_size=4)


@st.composite
def talks(draw: st.DrawFn) -> list[Trace]:
    """Talks of several traces, of which some trim their history, edit a line, fail, ask twice or ask something else."""
    recorder, history = Recorder(session="s"), []
    for trace in range(1, draw(st.integers(2, 6)) + 1):
        if draw(st.integers(0, 5)) == 0:
            history = history[draw(st.integers(0, len(history))) :]
        history.append(user(draw(LINES)))
        top = recorder.agent(history[-1]["parts"][0]["content"], trace=trace) if draw(st.booleans()) else None
        shared = {"trace": trace, "parent": top}
        for number, kind in enumerate(draw(ROUNDS)):
            id = f"call_{trace if draw(st.booleans()) else 0}_{number}"
            response = f"r-{trace}-{number}" if draw(st.integers(0, 9)) else "r"
            named = {"gen_ai.response.id": response} if draw(st.booleans()) else {}
            match kind:
                case "tool" | "failing tool":
                    asked = calls((id, "look_up", {"n": number}))
                    recorder.chat(history, asked, attributes=named, **shared)
                    error = "no" if kind != "tool" else None
                    recorder.tool("look_up", {"n": number}, "found", call_id=id, error=error, **shared)
                    history += [asked, result(id, "found")]
                case "again":
                    recorder.chat(history, says("Once more."), attributes=named, **shared)
                case "title":
                    recorder.chat(
                        [user("Name this: Hello.")], says("A title"), system="Name it.", tools=False, **shared
                    )
                case "cut":
                    recorder.chat(None, says("Hidden."), attributes=named, **shared)
                case _:
                    recorder.chat(history, says(f"Words {number}."), attributes=named, **shared)
                    history.append(says(f"Words {number}."))
        answer = says(draw(st.sampled_from(["Done.", "It was shipped.", "Yes."])))
        recorder.chat(history, answer, **shared)
        history.append(answer)
    return traces(recorder.spans)


@given(talks(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_talk_grows_to_the_same(talk: list[Trace], numbers: random.Random, in_order: bool) -> None:
    if not in_order:
        numbers.shuffle(talk)
    assert_it_grows_to_the_same(talk)


@given(talks(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_talk_grows_to_the_same_in_whatever_pieces_it_arrives(talk: list[Trace], numbers: random.Random) -> None:
    assert_it_grows_piece_by_piece(pieces_of(talk, numbers))


def test_turns_that_come_in_several_pieces_are_read_without_those_before_them() -> None:
    recorder, history = Recorder(), []
    for trace in range(1, 11):
        history.append(user(f"Question {trace}"))
        asked = calls((f"call_{trace}", "look_up", {"n": trace}))
        recorder.chat(history, asked, trace=trace)
        recorder.tool("look_up", {"n": trace}, "found", call_id=f"call_{trace}", trace=trace)
        history += [asked, result(f"call_{trace}", "found"), says(f"Answer {trace}")]
        recorder.chat(history[:-1], history[-1], trace=trace)
    single: list[Trace] = [([span], []) for trace in traces(recorder.spans) for span in trace[0]]
    assert assert_it_grows_piece_by_piece(single) == 30


def test_what_is_taken_back_leaves_what_was_there_before() -> None:
    recorder = Recorder()
    for trace in range(1, 12):
        recorder.chat([user(f"Question {trace}")], says(f"Answer {trace}"), trace=trace)
    arriving, found = traces(recorder.spans), Grown()
    for trace in arriving:
        assert found.add(*trace)
    before = tell(found)
    ids = [trace[0][0].trace_id for trace in arriving]
    assert found.take_back({ids[9]}, arriving[9][0][0].start_ns) == {ids[9], ids[10]}
    assert tell(found).to_json() == reconstruct([span for trace in arriving[:9] for span in trace[0]]).to_json()
    assert found.add(*arriving[9])
    assert found.add(*arriving[10])
    assert tell(found) == before
    assert found.take_back({ids[0]}, 0) is None


def test_a_talk_whose_turns_come_one_after_the_other_is_never_read_from_its_beginning_again() -> None:
    recorder, history = Recorder(), []
    for trace in range(1, 13):
        top = recorder.agent(f"Question {trace}", f"Answer {trace}", trace=trace)
        history.append(user(f"Question {trace}"))
        asked = calls((f"call_{trace}", "look_up", {"n": trace}))
        recorder.chat(history, asked, trace=trace, parent=top)
        recorder.tool("look_up", {"n": trace}, "found", call_id=f"call_{trace}", trace=trace, parent=top)
        history += [asked, result(f"call_{trace}", "found")]
        recorder.chat(history, says(f"Answer {trace}"), trace=trace, parent=top)
        history.append(says(f"Answer {trace}"))
    assert assert_it_grows_to_the_same(traces(recorder.spans)) == 12

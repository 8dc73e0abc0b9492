"""A talk that is read trace by trace is letter by letter what it is when all of it is read at once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_traces import EVERY_NAME, recorded_trace
from talk_spans import Recorder, calls, result, says, user

from taketwo.capture.grown import Grown
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

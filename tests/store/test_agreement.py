"""The stores in tables are held against the one in memory, which reads all anew, on captures as they were sent."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from made_spans import PROTOBUF, chat_span, raw_spans

from taketwo.capture.otlp import WrongSignal, read_logs, read_spans
from taketwo.span import RawLog, RawSpan
from taketwo.store import Store, open_store

SESSIONS = [None, "desk-1", "desk-2"]


def agree(one: Store, other: Store) -> None:
    """Both tell the same conversations of the same spans, and find them by the same ids."""
    told = {(each.project, each.id): each for each in one.conversations()}
    assert told == {(each.project, each.id): each for each in other.conversations()}
    assert [row.id for row in one.traces()] == [row.id for row in other.traces()]
    for mine, theirs in zip(one.traces(), other.traces(), strict=True):
        assert mine.but(cursor="") == theirs.but(cursor="")
    for project, id in told:
        assert one.conversation(id, project) == other.conversation(id, project)
        assert sorted(one.raw_spans(id, project), key=repr) == sorted(other.raw_spans(id, project), key=repr)
        assert sorted(one.raw_logs(id, project), key=repr) == sorted(other.raw_logs(id, project), key=repr)


def captured(folder: Path) -> Iterator[tuple[list[RawSpan], list[RawLog]]]:
    for file in sorted(folder.glob("*.pb")):
        try:
            yield read_spans(file.read_bytes(), PROTOBUF).spans, []
        except WrongSignal:
            yield [], read_logs(file.read_bytes(), PROTOBUF).logs


def test_captures_that_come_in_any_order_and_twice_are_the_same_conversations(
    shared_data: Path, next_url: Callable[[], str]
) -> None:
    dice = random.Random(7)
    memory, file = open_store("memory:"), open_store(next_url())
    for folder in sorted((shared_data / "traces").iterdir()):
        spans = [span for some, _ in captured(folder) for span in some]
        logs = [log for _, some in captured(folder) for log in some]
        dice.shuffle(spans)
        memory.add_spans(folder.name, spans)
        memory.add_logs(folder.name, logs)
        while spans or logs:
            size = dice.randrange(1, 9)
            file.add_logs(folder.name, logs[:size])
            file.add_spans(folder.name, spans[: size + dice.randrange(3)])
            del spans[:size], logs[:size]
            if dice.random() < 0.3:
                file.settle(dice.randrange(1, 4))
            if dice.random() < 0.1:
                assert list(file.summaries(folder.name)) != [] or not spans
    assert len(file.projects()) > 50
    agree(memory, file)
    file.close()


sent = st.tuples(
    st.integers(1, 4), st.integers(1, 3), st.sampled_from(SESSIONS), st.booleans(), st.integers(0, 2), st.booleans()
)
"""Trace, span, session, whether the span has ended, turns before, and whether the store settles something after."""


@settings(max_examples=60, deadline=None)
@given(all_sent=st.lists(sent, max_size=12))
def test_whatever_is_sent_in_whatever_order_both_stores_agree(
    next_url: Callable[[], str], all_sent: list[tuple[int, int, str | None, bool, int, bool]]
) -> None:
    talk = [("user", "Hello"), ("assistant", "Hi."), ("user", "More"), ("assistant", "Fine.")]
    memory, file = open_store("memory:"), open_store(next_url())
    for trace, span, session, ended, turns, settles in all_sent:
        made = chat_span(
            trace,
            span,
            said=["Hello" if turns == 0 else "More"],
            answered="Hi." if turns == 0 else "Fine.",
            history=talk[: 2 * turns],
            session=session,
            parent=span - 1 if span > 1 else None,
            ended=ended,
        )
        assert memory.add_spans("p", raw_spans(made)) == file.add_spans("p", raw_spans(made))
        if settles:
            file.settle(1)
    agree(memory, file)
    file.close()

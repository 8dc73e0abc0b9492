"""The tree of what was said: who repeats the past need not go through it again, and nothing comes out otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from taketwo.capture.reading import Message, Reading, ToolCall, ToolResult
from taketwo.capture.trace_tree import Seen
from taketwo.capture.transcript import Node, Transcript
from taketwo.span import Span

WORDS = st.sampled_from(["", "a", "ab", "b"])
FLAWS = st.sampled_from([None, None, None, "cut off"])
IDS = st.sampled_from([None, "call_0", "call_1", "a-long-id-of-one-call"])
CALLS = st.builds(
    ToolCall, name=st.sampled_from(["f", "g"]), id=IDS, arguments=st.sampled_from([{}, {"n": 1}]), flaw=FLAWS
)
RESULTS = st.builds(ToolResult, id=IDS, name=st.sampled_from([None, "f"]), value=WORDS, flaw=FLAWS)
MESSAGES = st.one_of(
    st.builds(Message, role=st.just("user"), text=WORDS, flaw=FLAWS),
    st.builds(Message, role=st.just("assistant"), text=WORDS, calls=st.lists(CALLS, max_size=2).map(tuple), flaw=FLAWS),
    st.builds(Message, role=st.just("tool"), results=st.lists(RESULTS, min_size=1, max_size=2).map(tuple)),
)


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[Message, ...]]:
    """Requests that mostly repeat the one before, as far as some place, and go on from there."""
    made: list[tuple[Message, ...]] = [()]
    for _ in range(draw(st.integers(min_value=1, max_value=8))):
        before = draw(st.sampled_from(made))
        kept = before[: draw(st.sampled_from([len(before), len(before), len(before), 1, 0]))]
        made.append((*kept, *draw(st.lists(MESSAGES, max_size=3))))
    return made[1:]


def shape(node: Node) -> object:
    """All that is known of a node and those after it."""
    said = node.utterance
    known = (said.kind, said.text, said.call, said.flaw, node.rule, node.after_result, node.result, node.told)
    calls = [placed.call.order for placed in node.asked]
    return known, calls, node.first and node.first.order, [shape(child) for child in node.children]


def grown(asked: Sequence[tuple[Message, ...]], answers: Sequence[Message], most_pasts: int) -> object:
    """The tree that the requests and answers grow, and where each of them ended."""
    transcript = Transcript(most_pasts=most_pasts)
    for order, (request, answer) in enumerate(zip(asked, answers, strict=True)):
        span = Span(trace_id=f"{order // 2:032x}", span_id=f"{order:016x}", name="chat", start_ns=order, end_ns=order)
        reading = Reading(kind="model", request=request, response=(answer,))
        transcript.place(Seen(span, reading, order=order))
    ends = [(len(placed.at.path()), len(placed.end.path()), placed.trimmed) for placed in transcript.placed]
    return shape(transcript.root), ends, [len(leaf.path()) for leaf in transcript.leaves()]


@settings(max_examples=200)
@given(asked=requests(), data=st.data())
def test_a_past_that_was_gone_through_before_is_as_good_as_gone_through_again(
    asked: list[tuple[Message, ...]], data: st.DataObject
) -> None:
    answers = data.draw(st.lists(MESSAGES, min_size=len(asked), max_size=len(asked)))
    whole = grown(asked, answers, 0)
    assert grown(asked, answers, 4) == whole
    assert grown(asked, answers, 1) == whole


def test_a_talk_of_many_turns_is_one_way() -> None:
    talk_of = 60
    said: list[Message] = []
    asked, answers = [], []
    for turn in range(talk_of):
        said.append(Message(role="user", text=f"line {turn}"))
        asked.append(tuple(said))
        answers.append(Message(role="assistant", text=f"answer {turn}"))
        said.append(answers[-1])
    _, ends, leaves = grown(asked, answers, 4)
    assert leaves == [2 * talk_of]
    assert ends == [(2 * turn + 1, 2 * turn + 2, False) for turn in range(talk_of)]

"""What holds for every capture: order and repetition change nothing, and no text is made up, whatever is missing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_traces import EVERY_NAME, NAMES, recorded_trace

from taketwo.capture.dialects.loose_json import Unreadable, parse
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation
from taketwo.span import LogRecord, Span
from taketwo.value import JSON

SOME = ["openinference-openai-chat", "otel-openai-v2-chat-legacy", "vercel-ai7-generate", "traceloop-langgraph"]
MIXED = [*SOME, "pipecat", "strands", "livekit-agents", "langsmith-langgraph", "mlflow-openai", "pydantic-ai-v1"]


def leaves(value: JSON) -> Iterator[str]:
    """Every text in a value, those inside of encoded JSON included."""
    if isinstance(value, str):
        yield value
        if value[:1] in '{["':
            try:
                inner = parse(value)
            except Unreadable:
                return
            if inner != value:
                yield from leaves(inner)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)


def captured(spans: Sequence[Span], logs: Sequence[LogRecord]) -> str:
    found: set[str] = set()
    for span in spans:
        found.update(leaves(list(span.attributes.values())))
        found.update(leaves([list(event.attributes.values()) for event in span.events]))
        found.add(span.status_message)
        found.add(span.name)
    for record in logs:
        found.update(leaves([record.body, list(record.attributes.values())]))
    return "\n".join(found)


def words(conversation: Conversation) -> Iterator[str]:
    """Every text that a conversation claims was said, done or read."""
    yield conversation.agent.system_prompt or ""
    for turn in conversation.turns:
        yield turn.user.text if turn.user is not None else ""
        yield turn.reply or ""
        for step in turn.steps:
            if isinstance(step, Call):
                yield step.tool
                yield from leaves([step.result, list(step.arguments.values())])
                yield step.error if step.error is not None and step.error[:1] != "{" else ""
            else:
                yield step.text


def assert_nothing_is_made_up(conversation: Conversation, spans: Sequence[Span], logs: Sequence[LogRecord]) -> None:
    known = captured(spans, logs)
    for text in words(conversation):
        assert all(line in known for line in text.split("\n")), text


@pytest.mark.parametrize("name", EVERY_NAME)
def test_neither_order_nor_repetition_changes_the_conversation(name: str) -> None:
    spans, logs = recorded_trace(name)
    expected = reconstruct(spans, logs)
    shuffled, records = list(spans), list(logs)
    random.Random(name).shuffle(shuffled)
    random.Random(name).shuffle(records)
    assert reconstruct(shuffled, records) == expected
    assert reconstruct([*spans, *spans], [*logs, *logs]) == expected


@pytest.mark.parametrize("name", EVERY_NAME)
def test_no_text_is_made_up(name: str) -> None:
    spans, logs = recorded_trace(name)
    assert_nothing_is_made_up(reconstruct(spans, logs), spans, logs)


@pytest.mark.parametrize("name", [*MIXED, *sorted(set(EVERY_NAME) - set(NAMES))])
def test_no_text_is_made_up_when_any_one_span_is_lost(name: str) -> None:
    spans, logs = recorded_trace(name)
    for lost in range(len(spans)):
        rest = spans[:lost] + spans[lost + 1 :]
        records = [record for record in logs if record.span_id != spans[lost].span_id]
        conversation = reconstruct(rest, records)
        assert_nothing_is_made_up(conversation, rest, records)
        assert len(conversation.turns) <= 5


@pytest.mark.parametrize("name", [name for name in MIXED if name != "pipecat"])
def test_a_model_call_that_is_lost_in_the_middle_is_told_by_the_next(name: str) -> None:
    spans, logs = recorded_trace(name)
    found = sessions(spans, logs)
    whole = next(talk for each in found if (talk := reconstruct(each.spans, each.logs)).turns)
    lines = [turn.user.text for turn in whole.turns if turn.user is not None]
    replies = [turn.reply for turn in whole.turns]
    answering = {step.source.span_id for turn in whole.turns[:1] for step in turn.steps if step.source is not None}
    for lost in answering:
        rest = [span for span in spans if span.span_id != lost]
        conversation = reconstruct(rest, [record for record in logs if record.span_id != lost])
        assert [turn.user.text for turn in conversation.turns if turn.user is not None] == lines
        assert [turn.reply for turn in conversation.turns] == replies


TEXTS = ["", "{", "[", "[{", '{"role": "user"', "[]", "{}", "null", '"x"', "__REDACTED__", "[[[[", "{'a': 1}", "\x00"]
SHAPES: list[JSON] = [
    [],
    {},
    [None],
    [[]],
    [{}],
    {"role": []},
    {"messages": 1},
    [{"role": "user", "content": {"a": 1}}],
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(TEXTS),
    st.sampled_from(SHAPES),
)


def mutated(span: Span, random_: random.Random, value: JSON) -> Span:
    """The span with one attribute lost, cut off, or of another type."""
    if not span.attributes:
        return span
    key = random_.choice(sorted(span.attributes))
    attributes = dict(span.attributes)
    match random_.randrange(4):
        case 0:
            del attributes[key]
        case 1:
            text = attributes[key] if isinstance(attributes[key], str) else json.dumps(attributes[key])
            attributes[key] = text[: random_.randrange(len(text) + 1)]
        case _:
            attributes[key] = value
    return span.but(attributes=attributes)


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False), st.lists(VALUES, min_size=1, max_size=8))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_damage_to_attributes_makes_it_fail(name: str, random_: random.Random, values: list[JSON]) -> None:
    spans, logs = recorded_trace(name)
    damaged = list(spans)
    for value in values * 3:
        place = random_.randrange(len(damaged))
        damaged[place] = mutated(damaged[place], random_, value)
    for each in sessions(damaged, logs):
        talk = reconstruct(each.spans, each.logs)
        assert Conversation.from_json(talk.to_json()) == talk


@given(
    st.sampled_from(NAMES),
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from(["start", "end", "parent", "self", "trace"]), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_nonsense_in_times_and_parents_makes_it_fail(name: str, random_: random.Random, kinds: list[str]) -> None:
    spans, logs = recorded_trace(name)
    damaged = list(spans)
    for kind in kinds:
        place = random_.randrange(len(damaged))
        span = damaged[place]
        changes: dict[str, dict[str, object]] = {
            "start": {"start_ns": random_.choice([0, 1, -5, 2**63, span.start_ns + 10**12])},
            "end": {"end_ns": random_.choice([0, span.start_ns - 10**9, 2**64])},
            "parent": {"parent_id": random_.choice(spans).span_id},
            "self": {"parent_id": span.span_id},
            "trace": {"trace_id": random_.choice(spans).trace_id},
        }
        damaged[place] = span.but(**changes[kind])
    for each in sessions(damaged, logs):
        talk = reconstruct(each.spans, each.logs)
        assert Conversation.from_json(talk.to_json()) == talk

"""What a store holds of a project that wants things redacted, and that its conversations still fit together."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from made_spans import chat_span, raw_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from taketwo.store import Store, open_store
from taketwo.store.project import ProjectSettings


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    opened.set_project("p", ProjectSettings(redact="personal"))
    yield opened
    opened.close()


def asking(span: Span, **arguments: object) -> Span:
    """The span, in which the model asks for a tool instead of answering."""
    part = {"type": "tool_call", "id": "c1", "name": "find_order", "arguments": arguments}
    for attribute in span.attributes:
        if attribute.key == "gen_ai.output.messages":
            attribute.value.string_value = json.dumps([{"role": "assistant", "parts": [part]}])
    return span


@pytest.mark.parametrize("session", ["s-1", None])
@pytest.mark.parametrize("settled_between", [True, False])
def test_a_name_that_is_told_by_a_later_key_goes_from_earlier_lines_and_no_turn_is_doubled(
    store: Store, session: str | None, settled_between: bool
) -> None:
    first, answer = "Hi, I booked as Maria Lopez, born 12 March 1985.", "How can I help, Maria?"
    greeting = chat_span(1, 1, said=[first], answered=answer, session=session)
    wish = chat_span(
        2, 1, said=["Find it"], history=[("user", first), ("assistant", answer)], session=session, after_s=5
    )
    store.add_spans("p", raw_spans(greeting))
    if settled_between:
        store.settle()
    told = {"first_name": "Maria", "last_name": "Lopez", "birth_date": "1985-03-12", "phone": "4155552671"}
    store.add_spans("p", raw_spans(asking(wish, **told)))
    (conversation,) = store.conversations("p")
    assert len(conversation.turns) == 2
    (call,) = conversation.turns[1].calls
    name, surname = call.arguments["first_name"], call.arguments["last_name"]
    assert "Maria" not in conversation.to_json().decode()
    line, reply = conversation.turns[0].user, conversation.turns[0].reply
    assert line is not None and line.text.startswith(f"Hi, I booked as {name} {surname}, born ")
    assert call.arguments["birth_date"][:4] in line.text
    assert reply == f"How can I help, {name}?"


def test_a_number_that_is_told_by_a_key_goes_from_lines_without_one(store: Store) -> None:
    wish = asking(chat_span(1, 1, said=["It is 4155552671 or order 4155552672"], session="s-1"), phone="415-555-2671")
    store.add_spans("p", raw_spans(wish))
    (turn,) = store.conversation("s-1").turns
    digits = turn.calls[0].arguments["phone"].replace("-", "")
    assert turn.user is not None and turn.user.text == f"It is {digits} or order 4155552672"

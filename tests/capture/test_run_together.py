"""Parallel calls that a stream's instrumentation ran together come apart where there is only one way."""

from __future__ import annotations

import pytest

from taketwo.capture.dialects.run_together import parted
from taketwo.capture.reading import Message, ToolCall

TOOLS = {"get", "get_order", "order", "get_shipment"}


def apart(name: str, text: str, identity: str | None = None) -> list[tuple[str, str | None, object]]:
    message = Message(role="assistant", calls=(ToolCall(name=name, id=identity, text=text),))
    return [(call.name, call.id, call.arguments) for call in parted(message, TOOLS).calls]


def test_names_ids_and_arguments_come_apart() -> None:
    assert apart("get_orderget_shipment", '{"a": 1} {"b": "}{"}', "call_1call_2") == [
        ("get_order", "call_1", {"a": 1}),
        ("get_shipment", "call_2", {"b": "}{"}),
    ]


@pytest.mark.parametrize("identity", [None, "", "call_1call_22", "abcdef", "call_1id_123"])
def test_ids_that_do_not_come_apart_are_unknown(identity: str | None) -> None:
    assert [one[1] for one in apart("get_orderget_order", "{}{}", identity)] == [None, None]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("get_order", "{}{}"),
        ("getorder", "{}{}{}"),
        ("get_orderget_shipment", '{"a": 1'),
        ("get_orderget_shipment", '{"a": 1}[]'),
        ("get_orderrefund", "{}{}"),
        ("", "{}{}"),
    ],
)
def test_anything_else_stays_what_it_is(name: str, text: str) -> None:
    assert apart(name, text) == [(name, None, None)]


def test_names_that_can_be_told_apart_in_two_ways_stay_together() -> None:
    message = Message(role="assistant", calls=(ToolCall(name="aab", text="{}{}"),))
    assert parted(message, {"a", "ab", "aa", "b"}) == message


def test_names_that_can_be_told_apart_in_two_ways_beside_others_of_another_number_stay_together() -> None:
    message = Message(role="assistant", calls=(ToolCall(name="aaaaa", text="{}{}"),))
    assert parted(message, ["a", "aa", "aaa"]) == message


def test_more_calls_than_a_model_asks_for_stay_together() -> None:
    assert len(apart("get" * 100, "{}" * 100)) == 100
    assert apart("get" * 101, "{}" * 101) == [("get" * 101, None, None)]

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taketwo.replay.fact_sheet import FactSheet
from taketwo.testing import call, conversation, turn

TALK = conversation(
    turn("Hello! I want to return order A-1042.", reply="Which reason, and how should we pay you back?"),
    turn("1. It arrived broken on May 3rd.\n2. To my card, $39.90 please.", reply="Shall I also send a voucher?"),
    turn(
        "No, I don't want a voucher. Actually, I meant order A-1043.",
        call("return", {"order_id": "A-1043"}, result="ok"),
        reply="Done.",
    ),
    turn("Thanks! ###STOP###", reply=None),
)


def test_every_fact_stands_where_the_sheet_says() -> None:
    sheet = FactSheet(TALK)
    found = {(fact.kind, fact.value): fact for fact in sheet.facts}
    assert {("id", "A-1042"), ("date", "May 3rd"), ("amount", "$39.90"), ("id", "A-1043")} <= set(found)
    for fact in sheet.facts:
        assert TALK.turns[fact.turn_index].user.text[fact.start : fact.end] == fact.value  # type: ignore[union-attr]


def test_what_the_user_does_is_told_apart() -> None:
    acts = {one.text: one.act for one in FactSheet(TALK).statements}
    assert acts == {
        "Hello!": "greet",
        "I want to return order A-1042.": "request",
        "It arrived broken on May 3rd.": "inform",
        "To my card, $39.90 please.": "inform",
        "No, I don't want a voucher.": "refuse",
        "Actually, I meant order A-1043.": "correct",
        "Thanks!": "thank",
        "###STOP###": "thank",
    }


def test_a_value_is_known_by_the_argument_it_was_used_as() -> None:
    (statement,) = (one for one in FactSheet(TALK).statements if "A-1043" in one.text)
    assert {"order", "id"} <= statement.answers


def test_a_fact_is_called_as_a_tool_or_the_agent_called_it() -> None:
    called = {fact.value: fact.slot for fact in FactSheet(TALK).facts}
    assert called["A-1043"] == "order id"
    assert called["May 3rd"] == "Which reason"
    assert called["$39.90"] == "how should we pay you back"


def test_refusals_and_corrections_are_facts() -> None:
    kinds = [fact.kind for fact in FactSheet(TALK).facts]
    assert "refusal" in kinds


def test_what_was_never_said_is_an_invention() -> None:
    sheet = FactSheet(TALK)
    assert sheet.invented("It is A-1042, and cost $39.90.") == ()
    assert sheet.invented("It is B-9, sent to Leeds by ann@example.com.") == ("B-9", "ann@example.com", "Leeds")
    assert sheet.invented("It is B-9.", heard="Is it B-9?") == ()


@given(st.lists(st.text(max_size=80), max_size=5))
def test_statements_are_stretches_of_the_lines(lines: list[str]) -> None:
    talk = conversation(*(turn(line, reply="And then?") for line in lines))
    for one in FactSheet(talk).statements:
        assert lines[one.turn_index][one.start : one.end] == one.text
    for fact in FactSheet(talk).facts:
        assert lines[fact.turn_index][fact.start : fact.end] == fact.value

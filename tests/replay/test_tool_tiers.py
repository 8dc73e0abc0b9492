"""The tiers below `exact` on made-up worlds: a shop, a help desk, a clinic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Call, Conversation
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.tools import Found, ToolWorld
from taketwo.replay.traits import Declared, Knowledge
from taketwo.run import StepPlace
from taketwo.testing import call, conversation, turn

NOTHING_DECLARED = Declared()


def world(
    *calls: Call,
    others: tuple[Conversation, ...] = (),
    declared: Declared = NOTHING_DECLARED,
    learned_from: tuple[Conversation, ...] = (),
    least_confidence: float = 0.0,
) -> ToolWorld:
    """The tools of one recorded conversation, whose definitions say nothing."""
    own = RecordedCalls([plain(*calls)])
    indexes = [own]
    if others:
        indexes.append(RecordedCalls(others, are_others=True))
    learning = [*indexes, RecordedCalls(learned_from, are_others=True)]
    scope = indexes[1] if others else None
    return ToolWorld(own, scope, knowledge=Knowledge(learning, None, declared), least_confidence=least_confidence)


def plain(*calls: Call, id: str = "recorded") -> Conversation:
    return conversation(*(turn(f"line {number}", one) for number, one in enumerate(calls)), id=id)


def ask(asked: ToolWorld, tool: str, **arguments: Any) -> Found:
    return asked.answer(tool, arguments, None)


def result(found: Found) -> Any:
    assert found.given is not None, found.miss
    return found.given.result if found.given.error is None else found.given.error


ORDER = {"order_id": "W-1001", "status": "pending", "address": "1 Elm St", "items": ["kettle"]}
CANCELLED = {**ORDER, "status": "cancelled"}
MOVED = {**ORDER, "address": "9 Oak Ave"}


# --- a read has the same past as the recorded one ------------------------------------------------------------------


def test_a_read_after_a_recorded_write_shows_what_was_recorded_after_it() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
        call("get_order", {"order_id": "W-1001"}, result=CANCELLED),
    )
    ask(asked, "cancel_order", order_id="W-1001")
    found = ask(asked, "get_order", order_id="W-1001")
    assert (found.tier, result(found)["status"]) == ("exact", "cancelled")


def test_a_read_of_what_the_replay_has_not_changed_shows_the_recording() -> None:
    asked = world(
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
        call("get_order", {"order_id": "W-1001"}, result=CANCELLED),
        call("get_order", {"order_id": "W-2002"}, result={**ORDER, "order_id": "W-2002"}),
    )
    assert result(ask(asked, "get_order", order_id="W-2002"))["status"] == "pending"


def test_a_read_before_a_write_is_not_answered_from_after_it() -> None:
    asked = world(
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
        call("get_order", {"order_id": "W-1001"}, result=CANCELLED),
    )
    miss = ask(asked, "get_order", order_id="W-1001").miss
    assert miss is not None
    assert miss.kind == "after_divergence"
    assert miss.nearest == StepPlace(turn_index=1, step_index=0)
    assert miss.differences == ("recorded after cancel_order(order_id=W-1001)",)


def test_a_read_after_a_write_of_unknown_effect_is_a_miss_that_names_the_write() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
    )
    ask(asked, "cancel_order", order_id="W-1001")
    miss = ask(asked, "get_order", order_id="W-1001").miss
    assert miss is not None
    assert miss.differences == ("asked after cancel_order(order_id=W-1001)",)


def test_a_write_that_was_refused_has_no_effect_on_reads() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("cancel_order", {"order_id": "W-1001"}, result="Error: already shipped"),
    )
    ask(asked, "cancel_order", order_id="W-1001")
    assert result(ask(asked, "get_order", order_id="W-1001")) == ORDER


def test_a_list_that_names_no_order_is_stale_after_a_write_to_one_of_its_orders() -> None:
    asked = world(
        call("list_orders", {}, result=[ORDER]),
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
    )
    ask(asked, "cancel_order", order_id="W-1001")
    assert ask(asked, "list_orders").tier == "miss"


def test_a_read_that_the_recordings_show_to_be_unmoved_by_a_write_is_answered_after_it() -> None:
    read = call("get_order", {"order_id": "W-7"}, result="boxed")
    note = call("add_note", {"order_id": "W-7", "note": "call first"}, result="ok")
    seen = plain(read, note, read, note, read, note, read, id="seen")
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("add_note", {"order_id": "W-1001", "note": "call first"}, result="ok"),
        learned_from=(seen,),
    )
    ask(asked, "add_note", order_id="W-1001", note="call first")
    found = ask(asked, "get_order", order_id="W-1001")
    assert (found.tier, result(found)) == ("exact", ORDER)


def test_another_conversation_with_the_same_past_answers_where_the_own_has_another() -> None:
    other = plain(
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
        call("get_order", {"order_id": "W-1001"}, result=CANCELLED),
        id="other",
    )
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result="as before"),
        call("cancel_order", {"order_id": "W-1001"}, result="ok"),
        others=(other,),
    )
    ask(asked, "cancel_order", order_id="W-1001")
    found = ask(asked, "get_order", order_id="W-1001")
    assert found.recorded is not None
    assert (result(found), found.recorded.other_conversation) == (CANCELLED, "other")


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [True, False])
def test_a_read_after_a_write_shows_the_record_that_the_write_gave_back(as_text: bool) -> None:
    def shown(record: Any) -> Any:
        return json.dumps(record) if as_text else record

    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=shown(ORDER)),
        call("move_order", {"order_id": "W-1001", "to": "9 Oak Ave"}, result=shown(MOVED)),
    )
    ask(asked, "move_order", order_id="W-1001", to="9 Oak Ave")
    found = ask(asked, "get_order", order_id="W-1001")
    assert (found.tier, result(found)) == ("state", shown(MOVED))
    assert found.recorded is not None
    assert found.recorded.place == StepPlace(turn_index=1, step_index=0)
    assert found.why == "what `move_order` gave back"


def test_a_read_after_a_write_shows_the_values_that_were_written() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("update_order", {"order_id": "W-1001", "address": "9 Oak Ave"}, result="ok"),
    )
    ask(asked, "update_order", order_id="W-1001", address="9 Oak Ave")
    found = ask(asked, "get_order", order_id="W-1001")
    assert (found.tier, result(found)) == ("state", MOVED)
    assert found.why == "as recorded, with what `update_order` wrote"
    assert asked.left_out(0) == []


def test_a_write_of_what_was_there_before_leaves_the_read_as_it_was() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("update_order", {"order_id": "W-1001", "address": "9 Oak Ave"}, result="ok"),
        call("update_order", {"order_id": "W-1001", "address": "1 Elm St"}, result="ok"),
    )
    for address in ("9 Oak Ave", "1 Elm St"):
        ask(asked, "update_order", order_id="W-1001", address=address)
    assert result(ask(asked, "get_order", order_id="W-1001")) == ORDER


def closed(comment: str) -> Call:
    return call("close_ticket", {"ticket_id": "T-1", "comment": comment}, result="ok")


def test_a_write_in_other_words_is_the_same_past_as_long_as_the_read_does_not_show_them() -> None:
    in_one, in_other = "Closed as agreed with the customer", "All done and settled on the phone"
    for shown, tier in (({"state": "closed"}, "exact"), ({"state": "closed", "last_comment": in_one}, "miss")):
        asked = world(closed(in_one), call("get_ticket", {"ticket_id": "T-1"}, result={"id": "T-1", **shown}))
        ask(asked, "close_ticket", ticket_id="T-1", comment=in_other)
        assert ask(asked, "get_ticket", ticket_id="T-1").tier == tier


def test_the_values_of_a_write_are_put_in_only_as_long_as_the_recordings_do_not_deny_it() -> None:
    seen = plain(
        call("get_order", {"order_id": "W-7"}, result={"status": "open", "address": "x"}),
        call("update_order", {"order_id": "W-7", "address": "y"}, result="ok"),
        call("get_order", {"order_id": "W-7"}, result={"status": "review", "address": "x"}),
        id="seen",
    )
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("update_order", {"order_id": "W-1001", "address": "9 Oak Ave"}, result="ok"),
        learned_from=(seen,),
    )
    ask(asked, "update_order", order_id="W-1001", address="9 Oak Ave")
    assert ask(asked, "get_order", order_id="W-1001").tier == "miss"


def test_writes_that_were_seen_to_give_back_the_record_make_the_answer_surer() -> None:
    seen = plain(
        call("get_order", {"order_id": "W-7"}, result={**ORDER, "order_id": "W-7"}),
        call("move_order", {"order_id": "W-7", "to": "9 Oak Ave"}, result={**MOVED, "order_id": "W-7"}),
        call("get_order", {"order_id": "W-7"}, result={**MOVED, "order_id": "W-7"}),
        id="seen",
    )
    calls = (
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("move_order", {"order_id": "W-1001", "to": "9 Oak Ave"}, result=MOVED),
    )
    confidences = []
    for learned_from in ((), (seen,)):
        asked = world(*calls, learned_from=learned_from)
        ask(asked, "move_order", order_id="W-1001", to="9 Oak Ave")
        confidences.append(ask(asked, "get_order", order_id="W-1001").confidence)
    assert confidences[0] < confidences[1]


WRITES = st.lists(st.sampled_from(["address", "status"]), max_size=4)


@given(WRITES)
def test_whatever_is_written_a_read_shows_the_last_values_or_nothing(fields: list[str]) -> None:
    """The law of the state tier: never a value that was overwritten."""
    writes = [
        call("update_order", {"order_id": "W-1001", field: f"value {number}"}, result="ok")
        for number, field in enumerate(fields)
    ]
    asked = world(call("get_order", {"order_id": "W-1001"}, result=ORDER), *writes)
    expected: dict[str, Any] = dict(ORDER)
    for write in writes:
        ask(asked, "update_order", **write.arguments)
        expected |= {name: value for name, value in write.arguments.items() if name != "order_id"}
        found = ask(asked, "get_order", order_id="W-1001")
        assert found.given is None or result(found) == expected


# --- arguments that do not matter ----------------------------------------------------------------------------------


def test_the_words_of_a_summary_do_not_matter_to_a_hand_over() -> None:
    asked = world(
        call("transfer_to_human", {"summary": "The user wants a refund for the kettle"}, result="Transferred")
    )
    found = ask(asked, "transfer_to_human", summary="Dana asks to be paid back 39.90 for order W-1001")
    assert (found.tier, result(found)) == ("volatile", "Transferred")
    assert found.why == "`summary` does not matter"
    again = ask(asked, "transfer_to_human", summary="Dana asks once more to be handed over")
    assert again.tier == "miss"


def test_an_id_always_matters_even_where_every_call_came_back_the_same() -> None:
    blocked = tuple(plain(call("block_card", {"card_id": f"C-{n}"}, result="OK"), id=f"c{n}") for n in range(9))
    asked = world(call("block_card", {"card_id": "C-77"}, result="OK"), others=blocked)
    assert ask(asked, "block_card", card_id="C-78").tier == "miss"


@pytest.mark.parametrize(
    ("one", "other"), [("12-34-567", "12-345-67"), ("a-1042", "A-1042"), (20, 25), ("10.0.1", "10.0.10")]
)
def test_no_write_is_answered_by_a_likeness(one: Any, other: Any) -> None:
    for tool in ("issue_refund", "block_account"):
        asked = world(call(tool, {"account": one}, result="done"))
        found = ask(asked, tool, account=other)
        assert found.miss is not None
        assert len(found.miss.differences) == 1


def test_a_request_id_does_not_matter_where_it_never_made_a_difference() -> None:
    seen = [
        call("get_rate", {"currency": "EUR", "request_id": f"{n:08x}-aaaa-4bbb-8ccc-{n:012x}"}, result="1.08")
        for n in range(4)
    ]
    found = ask(world(*seen), "get_rate", currency="EUR", request_id="ffffffff-aaaa-4bbb-8ccc-000000000000")
    assert (found.tier, result(found)) == ("volatile", "1.08")
    assert (
        ask(world(*seen), "get_rate", currency="USD", request_id="ffffffff-aaaa-4bbb-8ccc-000000000000").tier == "miss"
    )


def test_an_argument_that_once_made_a_difference_matters() -> None:
    seen = [
        call("search_help", {"topic": "returns", "limit": limit}, result=["a", "b"][:limit])
        for limit in (1, 2, 3, 4, 5)
    ]
    assert ask(world(*seen), "search_help", topic="returns", limit=9).tier == "miss"
    assert ask(world(*seen[1:]), "search_help", topic="returns", limit=9).tier == "volatile"


def test_a_question_in_words_matters_to_a_read() -> None:
    asked = world(call("search_docs", {"query": "how do I reset my password"}, result="page 3"))
    assert ask(asked, "search_docs", query="how do I change my address").tier == "miss"


def test_what_is_declared_outweighs_what_is_learned() -> None:
    handed = call("transfer_to_human", {"summary": "The user wants a refund for the kettle"}, result="Transferred")
    other_words = {"summary": "Dana would like to be handed over now"}
    matters = world(handed, declared=Declared(matters=("transfer_to_human.summary",)))
    assert ask(matters, "transfer_to_human", **other_words).tier == "miss"
    looked = call("find_slot", {"doctor": "Ann", "trace": "t1"}, result="9:00")
    assert ask(world(looked), "find_slot", doctor="Ann", trace="t2").tier == "miss"
    ignoring = world(looked, declared=Declared(ignores=("find_slot.trace",)))
    assert ask(ignoring, "find_slot", doctor="Ann", trace="t2").tier == "volatile"


def test_a_refusal_for_what_is_asked_again_answers_again() -> None:
    full = "Error: slot S-12 is taken"
    asked = world(call("book_slot", {"slot_id": "S-12", "patient_id": "P-1", "kind": "checkup"}, result=full))
    found = ask(asked, "book_slot", slot_id="S-12", patient_id="P-2", kind="checkup")
    assert (found.tier, result(found)) == ("volatile", full)
    assert ask(asked, "book_slot", slot_id="S-13", patient_id="P-1", kind="checkup").tier == "miss"
    assert ask(asked, "book_slot", slot_id="S-12", patient_id="P-2", kind="surgery").tier == "miss"


def test_a_refusal_of_one_part_of_a_call_holds_for_the_same_part_only() -> None:
    asked = world(
        call(
            "book_tour", {"tour_id": "T-1", "legs": [{"leg": "L-7", "day": "2026-05-20"}]}, result="Error: L-7 is full"
        )
    )
    same, other = {"leg": "L-7", "day": "2026-05-20"}, {"leg": "L-7", "day": "2026-05-27"}
    more = {"leg": "L-9", "day": "2026-05-21"}
    assert ask(asked, "book_tour", tour_id="T-2", legs=[same, more]).tier == "volatile"
    assert ask(asked, "book_tour", tour_id="T-2", legs=[other, more]).tier == "miss"


def test_a_refusal_that_did_not_hold_for_another_call_answers_nothing() -> None:
    asked = world(
        call("book_slot", {"slot_id": "S-12", "patient_id": "P-1"}, result="Error: slot S-12 is taken"),
        call("book_slot", {"slot_id": "S-12", "patient_id": "P-2"}, result="booked"),
    )
    assert ask(asked, "book_slot", slot_id="S-12", patient_id="P-3").tier == "miss"


def test_a_refused_write_is_refused_as_often_as_it_is_tried() -> None:
    asked = world(call("pay", {"amount": 20}, error="card declined"))
    assert [result(ask(asked, "pay", amount=20)) for _ in range(3)] == ["card declined"] * 3


def test_a_tool_that_has_always_answered_the_same_needs_no_recording_of_its_own() -> None:
    seen = tuple(
        plain(call("escalate", {"reason": f"the customer waits for {n} days now"}, result="queued"), id=f"c{n}")
        for n in range(4)
    )
    found = ask(
        world(call("get_order", {}, result=1), learned_from=seen), "escalate", reason="nobody has called back yet"
    )
    assert (found.tier, result(found)) == ("volatile", "queued")
    assert found.recorded is not None
    assert found.recorded.other_conversation == "c0"


# --- arithmetic ------------------------------------------------------------------------------------------------------

SUMS = [
    call("calculate", {"expression": text}, result=value)
    for text, value in (("1 + 1", "2.0"), ("2*3", "6.0"), ("7/2", "3.5"))
]


def test_a_calculator_is_worked_out_and_writes_as_it_wrote() -> None:
    found = ask(world(*SUMS), "calculate", expression="(10 - 4) * 2.5")
    assert (found.tier, result(found), found.recorded) == ("synthesised", "15.0", None)


@pytest.mark.parametrize("text", ["1 / 0", "2 ** 99", "__import__('os')", "1 +", "9" * 400, "((((", "", "0x10"])
def test_what_is_no_plain_arithmetic_is_a_miss(text: str) -> None:
    assert ask(world(*SUMS), "calculate", expression=text).tier == "miss"


def test_a_tool_that_once_gave_something_else_is_no_calculator() -> None:
    odd = call("calculate", {"expression": "10 - 3"}, result="8.0")
    assert ask(world(*SUMS, odd), "calculate", expression="5 + 5").tier == "miss"


def test_too_few_calls_make_no_calculator_unless_it_is_declared_pure() -> None:
    assert ask(world(SUMS[0]), "calculate", expression="5 + 5").tier == "miss"
    assert (
        result(ask(world(SUMS[0], declared=Declared(pure=("calculate",))), "calculate", expression="5 + 5")) == "10.0"
    )


# --- how sure ---------------------------------------------------------------------------------------------------------


def test_an_answer_less_sure_than_asked_for_is_a_miss_that_says_so() -> None:
    asked = world(
        call("get_order", {"order_id": "W-1001"}, result=ORDER),
        call("update_order", {"order_id": "W-1001", "address": "9 Oak Ave"}, result="ok"),
        least_confidence=0.8,
    )
    ask(asked, "update_order", order_id="W-1001", address="9 Oak Ave")
    miss = ask(asked, "get_order", order_id="W-1001").miss
    assert miss is not None
    assert miss.differences == ("an answer of the tier `state` would be only 0.60 sure",)


# --- what is known of a tool ----------------------------------------------------------------------------------------


def test_a_tool_of_unknown_kind_writes_when_a_read_changed_after_it() -> None:
    seen = plain(
        call("get_lamp", {"lamp_id": "L-1"}, result="off"),
        call("lamp_on", {"lamp_id": "L-1"}, result="done"),
        call("get_lamp", {"lamp_id": "L-1"}, result="on"),
    )
    known = Knowledge([RecordedCalls([seen])])
    assert (known.writes("lamp_on"), known.traits("lamp_on").writes_because) == (
        True,
        "1 read came back changed after it",
    )
    assert known.traits("lamp_on").changes == ("get_lamp",)
    assert known.writes("get_lamp") is False
    assert known.writes("weather") is None

from __future__ import annotations

import pytest

from taketwo.compare.compare import compare
from taketwo.compare.effects import effects
from taketwo.compare.results import failure, takes_from
from taketwo.conversation import Call
from taketwo.testing import call, conversation, turn
from taketwo.value import JSON
from taketwo.writes import writes_by_name

REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")
HAND_OFF = call("transfer_to_human", {"summary": "the user wants to have all of the money back"}, result="ok")


def apart(*steps: Call, other: tuple[Call, ...] = (), reply: str = "So.") -> float:
    recorded = conversation(turn("Why?", *steps, reply="So."))
    replayed = conversation(turn("Why?", *other, reply=reply))
    # The doubles declare every tool that they do not name as one that reads.
    undeclared = (talk.but(agent=talk.agent.but(tools=())) for talk in (recorded, replayed))
    return compare(*undeclared).distance


def test_the_same_is_no_distance_apart() -> None:
    assert apart(REFUND, other=(REFUND,)) == 0


def test_what_was_written_outweighs_whatever_was_said() -> None:
    words = apart(reply="No, I cannot: $50, 2026-11-19, A-1001, 7pm, 12 bags. I'll refund you. Which order is it?")
    assert 0 < words < 0.5
    assert apart(REFUND) == 0.75
    assert apart(REFUND, other=(REFUND.but(arguments={"order_id": "A-1042", "amount": 20}),)) == 0.875


def test_the_order_of_the_sides_does_not_matter() -> None:
    assert apart(REFUND) == apart(other=(REFUND,))


def test_a_write_that_failed_has_brought_nothing_about() -> None:
    assert apart(REFUND.but(result=None, error="too late")) < 0.5
    assert apart(REFUND.but(result="Error: too late")) < 0.5


def test_handing_over_is_less_than_changing_a_record() -> None:
    assert 0 < apart(HAND_OFF) < 0.5
    other_words = HAND_OFF.but(arguments={"summary": "somebody should talk to this user about their money"})
    told = effects(conversation(turn("Why?", HAND_OFF)), writes_by_name)
    assert told == effects(conversation(turn("Why?", other_words)), writes_by_name)


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        ("Error: no such order", True),
        ({"error": "no such order"}, True),
        ('{"success": false}', True),
        ({"status": "failed"}, True),
        ("refund approved", False),
        ({"error": None, "status": "ok"}, False),
        ("0 errors found", False),
        (None, False),
    ],
)
def test_tools_tell_of_failures_in_their_results(result: JSON, failed: bool) -> None:
    assert (failure(call("get_order", result=result)) is not None) is failed


def test_a_call_takes_from_another_what_only_its_result_told() -> None:
    order = call("get_order", {"order_id": "A-1042"}, result={"order_id": "A-1042", "parcels": ["P-77"]})
    assert takes_from(call("get_parcel", {"id": "P-77"}), order)
    assert not takes_from(call("get_invoice", {"order_id": "A-1042"}), order)
    assert not takes_from(call("get_policy", {"topic": "order"}), order)

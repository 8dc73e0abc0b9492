"""What an agent says that it did, against what its tools did."""

from __future__ import annotations

import pytest

from taketwo.compare.compare import compare
from taketwo.compare.say_do import unbacked_claims
from taketwo.conversation import Call, Conversation, Gap
from taketwo.run import StepPlace
from taketwo.testing import call, conversation, turn

REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")
STATUS = call("check_status", {"order_id": "A-1042"}, result="on its way")


def talk(*steps: Call, reply: str, user: str = "I want my money back.", gaps: tuple[Gap, ...] = ()) -> Conversation:
    built = conversation(turn("Hi", reply="Hello!"), turn(user, *steps, reply=reply), gaps=gaps)
    return built.but(agent=built.agent.but(tools=()))


@pytest.mark.parametrize(
    ("reply", "act"),
    [
        ("I have refunded you.", "refund"),
        ("Done! I've just refunded the $39.90 to your card.", "refund"),
        ("I have processed your full refund.", "refund"),
        ("Your refund has been successfully processed.", "refund"),
        ("I've gone ahead and cancelled your order.", "cancel"),
        ("I cancelled it for you.", "cancel"),
        ("Your flight has been rebooked.", "book"),
        ("We have emailed the receipt.", "send"),
        ("I've updated your address. Anything else?", "change"),
        ("I’ve escalated this to our team.", "transfer"),
    ],
)
def test_what_was_claimed_and_not_done_is_found_with_its_words(reply: str, act: str) -> None:
    (claim,) = unbacked_claims(talk(STATUS, reply=reply))
    assert (claim.act, claim.turn_index, claim.call) == (act, 1, None)
    assert claim.quote in reply


@pytest.mark.parametrize(
    "reply",
    [
        "I can refund you.",
        "Once I have refunded you, you get a mail.",
        "I have not refunded you yet.",
        "Have I refunded you already?",
        "I will refund you tomorrow.",
        "If the order has been cancelled, tell me.",
        "I have checked your refund.",
        "You asked whether it has been refunded.",
        "I've found your order.",
    ],
)
def test_what_is_possible_conditional_or_denied_is_no_claim(reply: str) -> None:
    assert unbacked_claims(talk(STATUS, reply=reply)) == ()


def test_a_call_that_does_it_bears_the_claim_out_in_any_turn_behind_it() -> None:
    assert unbacked_claims(talk(REFUND, reply="I have refunded you.")) == ()
    turns = turn("Refund it.", REFUND, reply="Done."), turn("And?", reply="I have refunded you.")
    assert unbacked_claims(conversation(*turns, writes=("issue_refund",))) == ()


def test_a_call_that_failed_does_not() -> None:
    failed = REFUND.but(result=None, error="card expired")
    (claim,) = unbacked_claims(talk(failed, reply="I have refunded you."))
    assert claim.call == StepPlace(turn_index=1, step_index=0)
    assert claim.why == 'issue_refund(order_id=A-1042, amount=39.9) failed: "card expired"'


def test_one_that_succeeds_after_one_that_failed_does() -> None:
    assert unbacked_claims(talk(REFUND.but(error="busy"), REFUND, reply="I have refunded you.")) == ()


def test_a_write_of_another_kind_does_not() -> None:
    sent = call("send_email", {"to": "dana@example.com"}, result="ok")
    assert [claim.act for claim in unbacked_claims(talk(sent, reply="I have refunded you."))] == ["refund"]


def test_a_tool_of_which_nobody_knows_what_it_does_may_have_done_it() -> None:
    assert unbacked_claims(talk(call("workflow", {"id": 7}, result="ok"), reply="I have refunded you.")) == ()


def test_a_general_tool_is_known_by_what_it_was_asked() -> None:
    run = call("execute", {"action": "refund", "order": "A-1042"}, result="ok")
    assert unbacked_claims(talk(run, reply="I have refunded you.")) == ()


def test_what_a_tool_or_the_user_has_told_may_be_said_again() -> None:
    told = STATUS.but(result="refund issued on 2026-11-17")
    assert unbacked_claims(talk(told, reply="Your refund has been issued.")) == ()
    assert unbacked_claims(talk(reply="I see that your flight has been cancelled.", user="They cancelled it!")) == ()
    assert unbacked_claims(talk(told, reply="I have issued your refund.")) != ()


def test_nothing_is_said_about_calls_that_were_not_captured() -> None:
    gaps = (Gap(where="turns[1]", why="dropped by the sender"),)
    assert unbacked_claims(talk(reply="I have refunded you.", gaps=gaps)) == ()


def test_a_claim_that_only_the_changed_agent_makes_is_critical() -> None:
    found = compare(talk(REFUND, reply="I have refunded you."), talk(reply="I have refunded you."))
    assert [(change.kind, change.severity) for change in found.changes] == [
        ("call_lost", "critical"),
        ("claim_unbacked", "critical"),
    ]
    assert found.recorded_claims == ()
    assert [claim.act for claim in found.replayed_claims] == ["refund"]
    assert found.changes[1].summary == (
        'says "I have refunded you.", but no tool that does it was called by then (refund)'
    )


def test_a_claim_that_both_agents_make_is_no_change_but_is_told() -> None:
    one = talk(reply="I have refunded you.")
    found = compare(one, one)
    assert found.changes == ()
    assert found.recorded_claims == found.replayed_claims != ()

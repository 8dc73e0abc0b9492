"""What the agent does now is taken as right, and the same runs pass from then on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taketwo.conversation import Conversation
from taketwo.run import Ending, Run
from taketwo.scenario import Case, Expectation, MaxTokens, MustCall, MustNotCall, MustNotSay, MustSay
from taketwo.suite.accept import Acceptance, accept
from taketwo.testing import call, conversation, turn

AT = datetime(2026, 11, 23, tzinfo=UTC)
STATUS = call("check_status", {"order_id": "A-1042"}, result="approved")
REFUND = call("issue_refund", {"order_id": "A-1042", "amount": 39.9}, result="R-1042")


def talk(*steps: object, reply: str = "It is approved.") -> Conversation:
    turns = (turn("Hi", reply="Hello!"), turn("And my refund?", *steps, reply=reply))  # type: ignore[arg-type]  # steps
    return conversation(*turns, writes=("issue_refund", "send_email"))


def run(replayed: Conversation) -> Run:
    return Run(
        id="r", case_id="c", agent="a:b", started_at=AT, ended_at=AT, conversation=replayed,
        ending=Ending(reason="completed"),
    )  # fmt: skip


def accepted(
    recorded: Conversation, replayed: Conversation, *expected: Expectation, only: str | None = None
) -> Acceptance:
    case = Case(id="c", recorded=recorded, expected=expected)
    return accept(case, [run(replayed)], *([(only,)] if only else []))  # type: ignore[list-item]  # tests say what they mean


def test_a_case_without_expectations_gets_the_calls_of_today() -> None:
    found = accepted(talk(STATUS), talk(REFUND, reply="I paid you 39.90."))
    assert MustCall(tool="issue_refund", turn=2, arguments={"order_id": "A-1042", "amount": 39.9}) in found.expected
    assert {edit.kind for edit in found.edits} == {"create"}
    assert found.left_over is None


def test_a_write_that_is_gone_is_forbidden_from_now_on() -> None:
    found = accepted(talk(REFUND), talk(STATUS))
    assert MustNotCall(tool="issue_refund", turn=2) in found.expected


def test_a_call_with_other_arguments_is_mended_in_those_that_were_named() -> None:
    other = call("issue_refund", {"order_id": "A-1042", "amount": 20}, result="R")
    found = accepted(talk(REFUND), talk(other), MustCall(tool="issue_refund", turn=2, arguments={"amount": 39.9}))
    assert found.expected == (MustCall(tool="issue_refund", turn=2, arguments={"amount": 20}),)
    assert [edit.kind for edit in found.edits] == ["fix"]


def test_a_call_that_another_one_replaced_is_replaced() -> None:
    found = accepted(talk(STATUS), talk(call("look_up", {}, result="x")), MustCall(tool="check_status", turn=2))
    assert found.expected[0] == MustCall(tool="look_up", turn=2)


def test_what_can_no_longer_hold_goes() -> None:
    found = accepted(talk(STATUS), talk(STATUS, reply="No idea."), MustSay(text="approved"), MustNotSay(text="idea"))
    assert not any(isinstance(one, MustNotSay) or one == MustSay(text="approved") for one in found.expected)
    assert [edit.kind for edit in found.edits if edit.before is not None] == ["trim", "trim"]


def test_what_holds_is_not_touched() -> None:
    expected = (MustCall(tool="check_status", turn=2), MustNotCall(tool="issue_refund"), MustSay(text="approved"))
    found = accepted(talk(STATUS), talk(STATUS), *expected)
    assert (found.expected, found.edits, found.left_over) == (expected, (), None)


def test_a_new_write_beside_what_is_expected_is_expected_too() -> None:
    mail = call("send_email", {"to": "dana"}, result="sent")
    found = accepted(talk(STATUS), talk(STATUS, mail), MustCall(tool="check_status", turn=2))
    assert found.expected[1:] == (MustCall(tool="send_email", turn=2, arguments={"to": "dana"}),)
    assert found.left_over is None


def test_only_some_kinds_of_edits() -> None:
    found = accepted(talk(STATUS), talk(REFUND), MustCall(tool="check_status", turn=2), only="fix")
    assert {edit.kind for edit in found.edits} == {"fix"}


def test_a_limit_gets_room() -> None:
    long = talk(STATUS)
    long = long.but(turns=tuple(one.but(tokens=one.tokens.but(output=100)) for one in long.turns))
    found = accepted(talk(STATUS), long, MaxTokens(limit=50))
    assert found.expected == (MaxTokens(limit=300),)


def test_attempts_that_differ_are_not_taken_as_right() -> None:
    case = Case(id="c", recorded=talk(STATUS))
    found = accept(case, [run(talk(STATUS)), run(talk(REFUND))])
    assert (found.expected, found.edits) == ((), ())
    assert found.left_over is not None
    assert "differ" in found.left_over


@pytest.mark.parametrize("replayed", [talk(), talk(REFUND), talk(STATUS, REFUND), talk(STATUS, reply="Paid 12.00.")])
def test_accepting_twice_changes_nothing_more(replayed: Conversation) -> None:
    once = accepted(talk(STATUS), replayed)
    again = accepted(talk(STATUS), replayed, *once.expected)
    assert again.expected == once.expected

"""A suite beside the traffic: what it lacks is suggested, near-duplicates are not, cases that are past are named."""

from __future__ import annotations

import pytest

from taketwo.cli.suggest import in_words
from taketwo.conversation import Conversation
from taketwo.select.choose import Traits, traits_of
from taketwo.select.represent import represent
from taketwo.testing import call, conversation, turn


def traits(talk: Conversation) -> Traits:
    return traits_of(talk, lambda tool: tool in ("issue_refund", "cancel"))


def status(number: int) -> Conversation:
    said = "Where is my order?"
    return conversation(
        turn(said, call("check_status", {"id": f"A-{number}"}), reply="On its way"), id=f"status-{number}"
    )


def refund(number: int) -> Conversation:
    said = "I want my money back for this broken lamp"
    return conversation(turn(said, call("issue_refund", {"id": f"A-{number}"}), reply="Done"), id=f"refund-{number}")


def fax() -> Conversation:
    said = "Bitte senden Sie mir das Fax noch einmal"
    return conversation(turn(said, call("send_fax", {"page": 1}, error="no paper"), reply=None), id="fax")


def test_what_is_missing_is_suggested_once_and_what_is_there_is_not() -> None:
    traffic = [traits(status(n)) for n in range(60)] + [traits(refund(n)) for n in range(40)]
    found = represent(traffic, [traits(status(999))], most=10)
    assert found.represented == 0.6
    assert [one.id for one in found.suggested] == ["refund-0"]
    assert found.represented_then == 1.0 and found.covered_then > found.covered
    assert any("issue_refund" in missed for missed in found.missed)


def test_a_case_that_no_conversation_is_like_any_more_is_stale() -> None:
    found = represent([traits(status(n)) for n in range(20)], [traits(status(999)), traits(fax())], most=5)
    assert found.stale == ("fax",)
    assert found.suggested == () and found.represented == 1.0


def test_risk_outweighs_traffic_when_there_is_room_for_one() -> None:
    traffic = [traits(refund(0)), traits(status(0)), traits(status(1))]
    assert [one.id for one in represent(traffic, [], most=1).suggested] == ["refund-0"]


def test_an_empty_week_represents_nothing_and_fails_nowhere() -> None:
    found = represent([], [traits(status(1))], most=3)
    assert found.represented == 0.0 and found.stale == ("status-1",)


@pytest.mark.parametrize(
    ("sessions", "cases", "first"),
    [
        (1, 0, "the suite has no case yet, and represents nothing of the one session"),
        (2, 1, "the suite's case represents 100% of 2 sessions; 100% of what happens in them is in the suite"),
        (1, 2, "the suite's 2 cases represent 100% of the one session; 100% of what happens in it is in the suite"),
    ],
)
def test_one_and_many_are_told_as_people_say_it(sessions: int, cases: int, first: str) -> None:
    found = represent([traits(status(n)) for n in range(sessions)], [traits(status(n)) for n in range(cases)], most=5)
    told = list(in_words(found))
    assert told[0] == first
    if not cases:
        assert told[1].startswith("with this one it would be 100%")


def test_one_case_that_nothing_is_like_any_more_is_it() -> None:
    found = represent([traits(status(1))], [traits(fax())], most=5)
    assert "no session is like it any more:" in list(in_words(found))

from __future__ import annotations

import pytest

from taketwo.replay.agent_asks import read_asks


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("What is your order number?", ["slot"]),
        ("Could you please provide your card number and the title of the book?", ["slot", "slot"]),
        ("May I have your date of birth?", ["slot"]),
        ("And your postcode?", ["slot"]),
        ("Until when would you like to keep it?", ["slot"]),
        ("I'll need your name, please. Could you provide that?", ["slot"]),
        (
            "To proceed I need the following details:\n1. Name\n2. Size: which one?\n3. Would you like gift wrap?",
            ["slot", "slot", "yes_no"],
        ),
        ("Which option would you like?", ["choice"]),
        ("Refund or replacement?", ["choice"]),
        ("Would you prefer the morning or the afternoon?", ["choice"]),
        ("Shall I go ahead and cancel it?", ["yes_no"]),
        ("Please confirm (yes/no).", ["yes_no"]),
        ("Do you have a receipt?", ["yes_no"]),
        ("How can I help you today?", ["open"]),
        ("What changes would you like to make?", ["open"]),
        ("Your parcel is on its way.", []),
        ("One moment please, I will look that up.", []),
        ("It has arrived at the depot, which is closed. Is there anything else?", []),
        ("Have a great day!", []),
        ("", []),
    ],
)
def test_what_an_agent_wants_to_hear(text: str, kinds: list[str]) -> None:
    assert [need.kind for need in read_asks(text).needs] == kinds


@pytest.mark.parametrize(
    "text", ["Is there anything else?", "Have a great day!", "Feel free to ask!", "You're welcome!"]
)
def test_an_agent_that_takes_leave(text: str) -> None:
    assert read_asks(text).closes


def test_what_is_offered_is_known() -> None:
    asks = read_asks("The options are:\n- A repair\n- A voucher\n\nPlease choose one.")
    assert asks.options == ("A repair", "A voucher")


def test_numbers_of_a_list_stay_with_their_questions() -> None:
    asks = read_asks("Please tell me the following:\n1. Your size\n2. Your colour")
    assert [(need.number, need.about) for need in asks.needs] == [(1, {"size"}), (2, {"color"})]


def test_a_question_in_an_unknown_language_is_a_question_without_a_need() -> None:
    asks = read_asks("¿Cuál es su número?")
    assert asks.is_question and not asks.needs

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.facts import fact_changes, in_words
from taketwo.compare.statements import twins

DENIED = "We do not open on Sundays. Gift cards do not expire."


def differences(before: str, after: str, language: str = "en") -> list[str]:
    return [in_words(change) for change in fact_changes(before, after, language)]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        # One of several denials is none any more.
        (DENIED, "We do not open on Sundays. Gift cards do expire.", ["no longer negates: Gift cards do not expire."]),
        ("Tickets change. No pets.", "Tickets cannot change. No pets.", ["refuses now: cannot"]),
        (
            "I cannot change the name. The fee is refunded.",
            "I cannot change the name. The fee is not refunded.",
            ["negates now: not"],
        ),
        # Both amounts stand in both texts.
        (
            "- Gift card: $250\n- Remaining balance: $5",
            "- Gift card: $5\n- Remaining balance: $250",
            ["amount $250 → $5", "amount $5 → $250"],
        ),
        ("You get a full refund.", "You get a partial refund.", ["negates now: You get a partial refund."]),
        ("This fare is refundable.", "This fare is non-refundable.", ["negates now: This fare is non-refundable."]),
        ("- **Cabin class:** Economy", "- **Cabin class:** Business", ["name Economy → Business"]),
        ("Flight 7 (ATL to SEA) is open.", "Flight 7 (ATL to SFO) is open.", ["name SEA → SFO"]),
        ("Your reservation is **HATHAT**.", "The booking code: HATHTA", ["id HATHAT → HATHTA"]),
        ("It arrives on Friday.", "It arrives on Monday.", ["date Friday → Monday"]),
    ],
)
def test_a_sentence_that_both_have_but_for_a_word(before: str, after: str, found: list[str]) -> None:
    assert differences(before, after) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Total bags: 2. ID below.", "Total bag: 2. IDs below."),
        # Which of the two lines was meant, nobody can tell.
        ("A\n- Departs: 6:00\n- Departs: 9:00", "B\n- Departs at: 9:00\n- Departs at: 6:00"),
        ("We do not open on Sundays.", "On Sundays we do not open."),
        ("Shall I go ahead and book it?", "Please confirm if you would like to proceed with this booking."),
        ("Certainly, it is done.", "Surely, it is done."),
        ("It arrives on Friday, May 24.", "It arrives on May 24."),
    ],
)
def test_the_same_in_other_words_states_nothing_else(one: str, other: str) -> None:
    assert differences(one, other) == []
    assert differences(other, one) == []


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("de", "Sonntags nicht. Die Gebühr gilt heute nicht.", "Sonntags nicht. Die Gebühr gilt heute."),
        ("de", "Es kommt am Montag.", "Es kommt am Freitag."),
        ("es", "Es un reembolso total.", "Es un reembolso parcial."),
        ("fr", "Le repas est inclus.", "Le repas est exclu."),
        ("it", "Il rimborso è completo.", "Il rimborso è parziale."),
        ("nl", "De aanvraag is goedgekeurd.", "De aanvraag is afgewezen."),
        ("pt", "O pedido foi aprovado.", "O pedido foi recusado."),
    ],
)  # fmt: skip
def test_each_language_has_opposites(language: str, before: str, after: str) -> None:
    assert len(differences(before, after, language)) == 1


@pytest.mark.parametrize("name", ["number", "amount", "date", "id"])
def test_a_place_that_an_agent_did_not_fill_is_no_value(name: str) -> None:
    filled = {"number": "5", "amount": "$5", "date": "May 5", "id": "A-1042"}[name]
    assert differences(f"We have <{name}> for you at the desk.", f"We have {filled} for you at the desk.")


def test_one_word_of_two_in_common_is_another_question() -> None:
    found = differences("Could you give me the order number?", "Could you give me the order date?")
    assert [line.split(":")[0] for line in found] == ["no longer asks", "asks now"]


def test_consent_to_something_else_is_another_question() -> None:
    assert differences("Shall I cancel the order?", "Shall I refund it?") != []


words = st.lists(st.sampled_from(["a", "fee", "is", "not", "Due", "5", ".\n", "$7", "full", "partial"]), max_size=25)


@given(words, words)
def test_twins_are_the_same_from_either_side(one: list[str], other: list[str]) -> None:
    before, after = " ".join(one), " ".join(other)
    there = {(pair.before, pair.after) for pair in twins(before, after)}
    assert {(pair.after, pair.before) for pair in twins(after, before)} == there


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Your refund will go to your gift card.", "Your refund will go to your credit card."),
        ("Only gold members get this.", "Only silver members get this."),
        ("You were charged twice.", "You were charged once."),
        ("It takes 5 to 7 days to arrive.", "It takes 5 to 7 weeks to arrive."),
        ("You arrive on the same day.", "You arrive on the next day."),
    ],
)
def test_a_word_that_says_where_when_or_for_whom_is_no_wording(one: str, other: str) -> None:
    assert [change.kind for change in fact_changes(one, other)] == ["negation"]

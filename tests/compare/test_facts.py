from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.facts import fact_changes, in_words


def differences(before: str, after: str) -> list[str]:
    return [in_words(change) for change in fact_changes(before, after)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It costs $24.50.", "It costs 24.5 dollars."),
        ("It costs 1,234.50", "It costs 1.234,50 EUR"),
        ("It costs $1,000,000", "It costs 1000000 dollars"),
        ("It costs fifty dollars", "It costs $50"),
        ("It arrives on 2026-11-18", "It arrives on November 18th"),
        ("It arrives on 18 Nov 2026", "It arrives on Nov. 18, 2026"),
        ("It leaves at 7pm", "It leaves at 19:00"),
        ("It leaves at 06:00 AM", "It leaves at 6:00"),
        ("It leaves at 12 a.m. sharp", "It leaves at 0:00 sharp"),
        ("Within 3 to 5 days", "Within three to five days"),
        ("Twenty-five mugs", "25 mugs"),
        ("20% off", "20 percent off"),
        ("Order A-1001", "order a-1001"),
        ("the 20th floor", "floor 20"),
        ("You have one bag", "You have 1 bag"),
        ("1. Flight HAT069\n2. Flight HAT070", "- Flight HAT069\n- Flight HAT070"),
        ("No problem, it is done", "It is done"),
        ("Done. Don't hesitate to ask", "Done. Please do ask"),
        ("5 and 7", "7 and 5 and 7"),
        ("I cannot do that", "I can’t do that"),
        ("Sorry, I can't do that.", "Unfortunately that is not possible."),
        ("That isn't possible.", "It is impossible."),
    ],
)
def test_the_same_facts_in_other_words(one: str, other: str) -> None:
    assert differences(one, other) == []
    assert differences(other, one) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("I refunded $24.50", "I refunded $20.00", ["amount $24.50 → $20.00"]),
        ("It costs €20", "It costs $20", ["amount €20 → $20"]),
        ("Order A-1001 is paid", "Order A-1002 is paid", ["id A-1001 → A-1002"]),
        ("Flight HAT069", "The flight", ["id HAT069 is gone"]),
        ("It comes", "It comes on 2026-11-19", ["date 2026-11-19 is new"]),
        ("on 18 Nov 2026", "on November 19, 2026", ["date 18 Nov 2026 → November 19, 2026"]),
        ("on 18 Nov 2026", "on November 18, 2025", ["date 18 Nov 2026 → November 18, 2025"]),
        ("at 7pm", "at 7am", ["time 7pm → 7am"]),
        ("within 30 days", "within 90 days", ["number 30 → 90"]),
        ("20% off", "20 off", ["percentage 20% is gone", "number 20 is new"]),
        ("v1.2.3", "v1.2.4", ["number 2.3 → 2.4"]),
        ("It is refundable", "It is not refundable", ["negates now: not"]),
        ("I can cancel it", "I am unable to cancel it", ["refuses now: unable to"]),
        ("I can't cancel it", "I cancel it", ["no longer refuses: can't"]),
        ("code 007", "code 7", ["number 007 → 7"]),
    ],
)
def test_what_is_stated_differently_is_named(before: str, after: str, found: list[str]) -> None:
    assert differences(before, after) == found


@given(st.text(max_size=60))
def test_a_text_states_what_it_states(text: str) -> None:
    assert differences(text, text) == []


@given(st.text(alphabet="0123456789.,:-/ $%aApPmM\nonejan", max_size=40), st.text(alphabet="019.,:-$ A", max_size=40))
def test_what_one_way_is_gone_the_other_way_is_new(one: str, other: str) -> None:
    there, back = differences(one, other), differences(other, one)
    assert sum("is gone" in line for line in there) == sum("is new" in line for line in back)
    assert sum(" → " in line for line in there) == sum(" → " in line for line in back)


@pytest.mark.parametrize(
    "piece", ["a-", "1.", "9", "1 ", "not ", "$1,", "12:", "jan ", "# ", "-", "twenty-", "two hundred "]
)
def test_no_text_takes_forever(piece: str) -> None:
    began = time.monotonic()
    differences(piece * (60_000 // len(piece)), "x")
    assert time.monotonic() - began < 5


def test_only_what_stands_in_its_place_took_a_name_s_place_and_only_a_number_a_number_s() -> None:
    was = "We send it with DHL Express. In May Garcia paid for it, and it flies to Boston."
    assert differences(was, was.replace("DHL Express", "UPS")) == ["name DHL Express → UPS"]
    assert not [one for one in differences(was, "It comes from Las Vegas in June.") if one.startswith("name")]
    assert differences("It is row 17.", "It is $25.") == ["number 17 is gone", "amount $25 is new"]


def test_headings_are_no_numbers_and_a_24_hour_rule_is_one_of_24_hours() -> None:
    assert not differences("**Flight 1:** ATL\n- Option 2: EWR", "ATL and EWR")
    assert not differences("Within 24 hours of booking.", "It is a 24-hour rule.")

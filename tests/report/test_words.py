from __future__ import annotations

import re
import unicodedata
from typing import get_args, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from taketwo.comparison import ChangeKind, Severity
from taketwo.report import words
from taketwo.run import Ending, Miss, Rung, StepPlace, Tier, ToolAnswer, UserAnswer
from taketwo.verdict import VerdictKind

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
ACTS_OR_HIDES = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@given(ANY_TEXT)
def test_nothing_in_a_plain_text_acts_or_hides(text: str) -> None:
    assert not ACTS_OR_HIDES.search(words.plain(text))


@given(ANY_TEXT)
def test_a_plain_text_can_stand_in_xml(text: str) -> None:
    # https://www.w3.org/TR/xml/#charsets
    for sign in words.plain_prose(text):
        number = ord(sign)
        assert number in (9, 10) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000


@given(ANY_TEXT)
def test_making_a_text_plain_twice_changes_nothing(text: str) -> None:
    assert words.plain(words.plain(text)) == words.plain(text)


@given(st.text(st.characters(categories=["L", "N", "P", "Zs", "M"]), max_size=60))
def test_ordinary_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert words.plain(text) == text


def test_families_and_flags_made_of_several_signs_stay_whole() -> None:
    assert words.plain("👨‍👩‍👧 🇩🇪") == "👨‍👩‍👧 🇩🇪"
    assert unicodedata.name("‍") == "ZERO WIDTH JOINER"


def test_a_cut_text_says_how_much_is_missing() -> None:
    assert words.shortened("x" * 1_010, 10) == "xxxxxxxxxx… (1,000 more characters)"


def test_every_kind_has_words() -> None:
    assert set(words.CHANGES) == set(get_args(ChangeKind))
    assert set(words.SEVERITY_MEANINGS) == set(get_args(Severity))
    assert set(words.RUNGS) == set(get_args(Rung))
    assert set(words.TIERS) == set(get_args(Tier))
    assert set(words.MISSES) == set(get_args(get_type_hints(Miss)["kind"]))
    assert set(words.ENDINGS) == set(get_args(get_type_hints(Ending)["reason"]))
    assert set(words.OUTCOMES) == set(words.GRAVEST_FIRST) == {*get_args(VerdictKind), "error", "quarantined"}


def test_a_miss_names_the_nearest_call_and_every_difference() -> None:
    miss = Miss(
        kind="other_arguments",
        nearest=StepPlace(turn_index=1, step_index=0),
        nearest_arguments={"order_id": "A-1"},
        differences=('order_id: recorded "A-1", asked "A-2"',),
    )
    assert words.miss_in_words(miss, "find_order") == (
        "no recorded answer: it was recorded only with other arguments",
        'nearest: turn 2, find_order(order_id="A-1")',
        'order_id: recorded "A-1", asked "A-2"',
    )


def test_an_answer_from_another_turn_or_a_second_use_is_said() -> None:
    here, there = StepPlace(turn_index=2, step_index=0), StepPlace(turn_index=0, step_index=0)
    answer = ToolAnswer(place=here, tier="exact", recorded=there, reused=True)
    assert words.tool_answer_in_words(answer) == (
        "the recorded result of the same call, from turn 1, which had answered another call already"
    )


def test_an_answer_from_another_conversation_names_it() -> None:
    place = StepPlace(turn_index=2, step_index=0)
    answer = ToolAnswer(place=place, tier="exact", recorded=place, recorded_in="sess-ada")
    assert words.tool_answer_in_words(answer) == "the recorded result of the same call, from turn 3 of sess-ada"
    assert not words.is_plain_answer(answer)


def test_a_reason_is_given_only_where_the_line_is_not_simply_the_recorded_one() -> None:
    recorded = UserAnswer(turn_index=0, rung="recorded", reason="next line")
    assert words.user_answer_in_words(recorded) == "the recorded line"
    facts = UserAnswer(turn_index=0, rung="facts", reason="asked for the order number")
    assert words.user_answer_in_words(facts).endswith("(asked for the order number)")


def test_an_ending_says_where_and_why() -> None:
    ending = Ending(reason="agent_failed", turn_index=3, detail="KeyError: 'x'")
    assert words.ending_in_words(ending) == "ended in turn 4: the agent failed (KeyError: 'x')"


def test_the_conclusion_is_about_the_gravest_thing() -> None:
    assert words.conclusion({"fail": 2, "pass": 6, "error": 1}) == "2 of 9 cases regressed, 1 could not be replayed"
    assert words.conclusion({"error": 1, "pass": 1}) == "1 of 2 cases could not be replayed"
    assert words.conclusion({"changed": 1, "inconclusive": 1, "pass": 5}) == "No regression found, 2 cases to look at"
    assert words.conclusion({"inconclusive": 1, "pass": 5}) == "No regression found, 1 case inconclusive"
    assert words.conclusion({"pass": 5, "fail": 0}) == "All 5 cases pass"
    assert words.conclusion({}) == "Nothing was replayed"

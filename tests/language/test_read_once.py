"""What was found in a text before, and the shortcuts past what it cannot hold, change nothing about what is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.acts import claims, promises
from taketwo.compare.facts import fact_changes
from taketwo.language.facts import facts_in
from taketwo.language.read_once import LONGEST, forget_all
from taketwo.language.speech_acts import asks_the_same, negation, questions, refusal, sentences

PIECES = (
    *(
        "$24.50",
        "24,50 €",
        "two hundred and fifty-five dollars",
        "one",
        "three bags",
        "a hundred euros",
        "20%",
        "May 5th",
    ),
    *("2026-11-18", "5/24/2024", "7:30 pm", "A-1042", "HAT069", "5kg", "x19:30", "a$5", "Friday", "HATHAT", "5. März"),
    *(
        "I have refunded you.",
        "I will cancel it.",
        "I cannot do that.",
        "It is not late.",
        "No problem!",
        "if you like",
    ),
    *(
        "May I have your order number?",
        "Shall I book it?",
        "Please confirm.",
        "Anything else?",
        "with DHL Express",
        "\n",
    ),
    *("the", "parcel", "nothing", "was", "sent", "onetime", "seventeen", "2.", "é", "’", "-"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)
languages = st.sampled_from(["en", "de", None])


def found(one: str, other: str, language: str | None) -> list[object]:
    return [
        *(
            read(text, language)
            for text in (one, other)
            for read in (facts_in, sentences, questions, refusal, negation)
        ),
        *(read(text, language) for text in (one, other) for read in (claims, promises)),
        list(fact_changes(one, other, language)),
        asks_the_same(one, other, language),
    ]


@given(texts, texts, languages)
def test_a_text_that_was_read_before_says_the_same(one: str, other: str, language: str | None) -> None:
    forget_all()
    first = found(one, other, language)
    assert found(one, other, language) == first
    found(other, one, "en")
    assert found(one, other, language) == first


@given(texts, languages)
def test_a_text_too_long_to_be_remembered_is_read_all_the_same(text: str, language: str | None) -> None:
    short, long = f"{text} ;", f"{text} ;{' ' * LONGEST}"
    assert facts_in(long, language) == facts_in(short, language)
    assert sentences(long, language) == sentences(short, language)


@given(texts.filter(lambda text: not any(map(str.isdigit, text))), languages)
def test_a_digit_further_on_changes_no_fact_before_it(text: str, language: str | None) -> None:
    assert facts_in(f"{text} ; 77777777", language)[:-1] == facts_in(f"{text} ;", language)


@given(st.lists(st.sampled_from(PIECES[:12]), min_size=1, max_size=6))
def test_each_fact_is_found_wherever_it_stands(pieces: list[str]) -> None:
    told = {(fact.kind, fact.value) for piece in pieces for fact in facts_in(piece)}
    assert {(fact.kind, fact.value) for fact in facts_in(" ; ".join(pieces))} == told

"""Bags of words share what the words themselves share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from taketwo.compare.wording import BITS, MOST_WORDS, WORD, Alphabet, alike

texts = st.text(st.sampled_from("ab A.,_-'\x1c\n7éßİ"), max_size=60)


@given(texts, texts)
def test_two_texts_are_as_alike_as_the_words_that_both_have(one: str, other: str) -> None:
    alphabet = Alphabet()
    words = [Counter(WORD.findall(text.casefold())) for text in (one, other)]
    in_all = words[0].total() + words[1].total()
    expected = 2 * (words[0] & words[1]).total() / in_all if in_all else 1.0
    assert alike(alphabet.bag(one), alphabet.bag(other)) == expected


def test_words_beyond_the_bits_share_some_and_equal_texts_stay_equal() -> None:
    alphabet = Alphabet()
    alphabet.bag_of([f"word{number}" for number in range(BITS + 100)])
    one, other = (alphabet.bag("word7 and quite other words") for _ in range(2))
    assert alike(one, other) == 1
    assert one.bits < 1 << BITS


def test_what_comes_behind_the_words_that_are_weighed_does_not_count() -> None:
    alphabet = Alphabet()
    long = "same " * MOST_WORDS
    assert alike(alphabet.bag(long + "one"), alphabet.bag(long + "other")) == 1

"""Texts as bags of words, so that thousands of pairs can be weighed in a few milliseconds."""

from __future__ import annotations

import re

from rapidfuzz.fuzz import ratio

WORD = re.compile(r"\w+")
FIRST_SIGN = 0xE000
"""Signs from here on stand for words; they lie behind the surrogates, which are no characters."""
LAST_SIGN = 0x10FFFF
MOST_WORDS = 300
"""Words of a text that are weighed; what comes behind them hardly changes which texts belong together."""


class Alphabet(dict[str, str]):
    """One sign a word, so that comparing words is comparing characters."""

    def __missing__(self, word: str) -> str:
        """A sign that no other word has."""
        sign = self[word] = chr(FIRST_SIGN + len(self) % (LAST_SIGN - FIRST_SIGN))
        return sign

    def bag(self, text: str) -> str:
        """The words of a text in no order of their own, a sign for each; case and punctuation do not count."""
        words = WORD.findall(text.casefold())
        return "".join(sorted([self[word] for word in words[:MOST_WORDS]]))


def alike(one: str, other: str) -> float:
    """From 0 for bags without a common word to 1 for equal ones."""
    return ratio(one, other) / 100


def plain(text: str) -> str:
    """The text with all white space alike."""
    return " ".join(text.split())

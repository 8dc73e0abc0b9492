"""Texts as bags of words, so that thousands of pairs can be weighed in a few milliseconds."""

from __future__ import annotations

import re

from rapidfuzz.fuzz import ratio

WORD = re.compile(r"\w+")
SURROGATES = range(0xD800, 0xE000)
"""No characters, so no signs."""
SIGNS = 0x10FFFF - len(SURROGATES)
"""How many signs there are; words beyond them share some."""
MOST_WORDS = 300
"""Words of a text that are weighed; what comes behind them hardly changes which texts belong together."""


class Alphabet(dict[str, str]):
    """One sign a word, so that comparing words is comparing characters."""

    def __missing__(self, word: str) -> str:
        """A sign that no other word has."""
        # The first signs are the smallest characters, which are compared twice as fast.
        number = 1 + len(self) % SIGNS
        sign = self[word] = chr(number if number < SURROGATES.start else number + len(SURROGATES))
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

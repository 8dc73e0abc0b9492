"""Words as they count when two texts are about the same: folded, without endings, weighted by how much they tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from taketwo.language.phrasebook import ENGLISH, Phrasebook, phrasebook

Stems: TypeAlias = frozenset[str]
"""The words of a text by their stems."""

NO_WORDS: Stems = frozenset()
WORD = re.compile(r"[^\W_]+(?:[’'_-][^\W_]+)*")
PALE = frozenset(
    """
    id number date day time name address code amount type kind item option choice method way reference full current new
    exact specific preferred valid correct first last
    """.split()
)
"""Words that tell what sort of thing is meant, but not which."""
_PALE_WEIGHT = 0.35


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without the endings of English: `bookings` as `book`, `cancelled` as `cancel`. Words with digits stay."""
    bare = _bare(word.casefold().replace("’", "'").removesuffix("'s"))
    return SAME.get(bare, bare)


def _bare(word: str) -> str:
    if any(letter.isdigit() for letter in word) or "_" in word:
        return word
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    if word.endswith("ll") and len(word) > 5:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


SAME = {_bare(word): _bare(first[0]) for word, first in phrasebook(ENGLISH).means.items()}
"""Stems that are taken for one another."""
PALE_STEMS = frozenset(SAME.get(_bare(word), _bare(word)) for word in PALE)


@lru_cache(maxsize=4096)
def stems(text: str, language: str | None = ENGLISH) -> Stems:
    """The words of a text that tell what it is about; those of another language in English where its phrasebook knows
    them.
    """
    book = phrasebook(language)
    words = (word for word in WORD.findall(text) if word.casefold().replace("’", "'") not in book.silent)
    if language == ENGLISH:
        return frozenset(map(stem, words))
    # What is elided before a word, as in `dell'ordine`, is no part of it.
    bare = (word.casefold().replace("’", "'").rpartition("'")[2] for word in words)
    return frozenset(one for word in bare if word and word not in book.silent for one in _foreign(word, book))


def _foreign(word: str, book: Phrasebook) -> tuple[str, ...]:
    """The English stems for a word, or the word without its ending."""
    if (known := book.means.get(word)) is not None:
        return tuple(map(stem, known))
    if any(letter.isdigit() for letter in word):
        return (word,)
    for ending in book.endings:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            bare = word.removesuffix(ending)
            return tuple(map(stem, book.means[bare])) if bare in book.means else (bare,)
    return (word,)


def weight(word: str) -> float:
    """How much a stem tells: names of sorts tell little."""
    return _PALE_WEIGHT if word in PALE_STEMS else 1.0


def weights(words: Iterable[str]) -> float:
    """How much some stems tell together."""
    return sum(_PALE_WEIGHT if word in PALE_STEMS else 1.0 for word in words)


def covered(wanted: Stems, by: Stems) -> float:
    """Which part of the wanted words is there, by weight; 0 when nothing is wanted."""
    total = weights(wanted)
    return weights(wanted & by) / total if total else 0.0


def likeness(one: Stems, other: Stems) -> float:
    """How far two texts are about the same: 1 for the same words, 0 for none in common."""
    if not one or not other:
        return 0.0
    shared = weights(one & other)
    return float(2 * shared / (weights(one) + weights(other)))

"""Words as they count when two texts are about the same: folded, without endings, weighted by how much they tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

Stems: TypeAlias = frozenset[str]
"""The words of a text by their stems."""

WORD = re.compile(r"[^\W_]+(?:[’'_-][^\W_]+)*")
SILENT = frozenset(
    """
    a about after again all also am an and any are as at be been but by can could did do does doing for from get gets
    give given go going got had has have having he her here him his how i if in into is it its just kindly know let like
    make may me might more my need needs no not now of off ok okay on once one only or other our out please provide
    share she should so some still such sure tell than that the their them then there these they this those to too up us
    very want wanted was we well were what when where which while who why will wish with would yes you your yours
    following details detail information info i'm i'd i'll i've it's that's you're we're don't can't
    """.split()
)
"""Words that tell nothing of what a text is about."""
PALE = frozenset(
    """
    id number date day time name address code amount type kind item option choice method way reference full current new
    exact specific preferred valid correct first last
    """.split()
)
"""Words that tell what sort of thing is meant, but not which."""
_SAME = (
    "id identifier identification number no ref numbers",
    "birth dob birthday birthdate born",
    "phone telephone mobile cell cellphone",
    "email e-mail mail",
    "postcode zip postal zipcode",
    "last surname lastname",
    "price cost fee",
    "buy purchase",
    "change modify modification update alter amend edit adjust",
    "cancel cancellation cancelation",
    "color colour",
    "pay payment paid",
    "date day",
)
"""Words taken for one another, the first for all."""

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


SAME = {_bare(word): _bare(group.split()[0]) for group in _SAME for word in group.split()}
"""Stems that are taken for one another."""
PALE_STEMS = frozenset(SAME.get(_bare(word), _bare(word)) for word in PALE)


@lru_cache(maxsize=4096)
def stems(text: str) -> Stems:
    """The words of a text that tell what it is about."""
    return frozenset(stem(word) for word in WORD.findall(text) if word.casefold().replace("’", "'") not in SILENT)


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

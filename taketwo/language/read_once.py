"""What a text says is found out once: a recording is compared with many replays, a question with many others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

from taketwo.language.phrasebook import ENGLISH

Found = TypeVar("Found")
MOST_TEXTS = 4096
"""So many of the texts seen last are remembered, by each function."""
LONGEST = 4_000
"""Characters of a text that is remembered; with `MOST_TEXTS` it bounds the memory that texts take."""
_ALL: list[Callable[[], None]] = []


def read_once(function: Callable[[str, str | None], Found]) -> Callable[[str, str | None], Found]:
    """Remember what a function found in a text of a language. What it gives must not be changed by anybody."""
    remembered = lru_cache(maxsize=MOST_TEXTS)(function)
    _ALL.append(remembered.cache_clear)

    @wraps(function)
    def found(text: str, language: str | None = ENGLISH) -> Found:
        return remembered(text, language) if len(text) <= LONGEST else function(text, language)

    return found


def forget_all() -> None:
    """Remember no text any more; changes nothing but how long the next one takes."""
    for forget in _ALL:
        forget()

"""A text as the words that a search finds it by: the same for a filter in memory and for a full-text index."""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 64
"""Characters of a word that count: a recording in base64 is one word of megabytes."""

# Scripts that put no spaces between words, and signs such as emoji: every character is a word of its own, so that a
# part of what was written is found as a row of them.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2190-\u2bff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]{{1,{LONGEST_WORD}}}")


def spelled(text: str) -> str:
    """The words of a text with one space between them: no case, no punctuation, one form of each letter."""
    text = text.casefold()
    if not text.isascii():
        # Once more, because folding may take a form apart, and putting together may give a capital.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_WORD.findall(text))


def occur(wanted: str, text: str) -> bool:
    """Whether spelled words occur in a spelled text, one after the other; the last may be the beginning of a word."""
    return f" {wanted}" in f" {text}"

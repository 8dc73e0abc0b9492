"""Finds names of people in running text: behind words that announce one, and by lists of names where they are there.

The lists are those of the census of the United States, in the package of the extra `privacy`. Without it only announced
names are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from taketwo.redaction.keyed import WORDS_TOO
from taketwo.redaction.kinds import NAME, Found, listed

COMMON_GIVEN: Final = 90.0
"""Given names that so many per cent of people bear between them count also without a word that announces them."""
COMMON_FAMILY: Final = 85.0
"""The same for family names: nearly every word is somebody's."""

_WORD: Final = r"[^\W\d_a-z][^\W\d_]*(?:(?:['’](?!s\b)|-)[^\W\d_]+)*"
_TITLED: Final = re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Herr|Frau|Monsieur|Madame|Mme)\.? (?P<it>{_WORD}(?: {_WORD})?)")
_INTRODUCED: Final = re.compile(
    rf"(?:\b[Ii] ?['’]m|\b[Ii] am|\b[Tt]his is|\b[Nn]ame['’]?s|\b[Nn]ame is|\bpassenger(?: is|:)?"
    rf"|\bspeaking (?:to|with)|\bon behalf of|\bbooked (?:for|by)|\bunder(?: the name(?: of)?)?"
    rf"|\bmy (?:wife|husband|son|daughter|mother|father|brother|sister|partner|colleague|boss|friend),?(?: is)?"
    rf"|\bcontact(?: person)?:?|\battn\.?:?|\bsigned,?|\bich bin"
    rf"|\bje suis|\bme llamo) (?P<it>{_WORD} (?:[A-Z]\. |(?:de|van|von|der|la|le|du) )*{_WORD}(?:-{_WORD})?)"
)
_SIGNED: Final = re.compile(
    rf"\b(?:[Rr]egards|[Bb]est|[Bb]est wishes|[Ss]incerely|[Cc]heers|[Tt]hanks|[Tt]hank you|[Yy]ours)[^\n]{{0,20}},?"
    rf"\s*\n\s*(?P<it>{_WORD}(?: {_WORD}){{0,2}})\s*(?:\n|$)"
)
_GREETED: Final = re.compile(
    rf"\b(?:[Dd]ear|[Hh]i|[Hh]ello|[Hh]ey|[Tt]hanks|[Tt]hank you|[Ss]orry|[Ww]elcome(?: back)?|[Ss]ure),? "
    rf"(?P<it>{_WORD}(?: {_WORD})?)"
)
_SMALL: Final = re.compile(
    r"\b(?P<cue>my name is|my name['’]?s|i['’]?m|i am|this is) (?P<given>[^\W\d_]{3,})"
    r"(?: (?P<family>[^\W\d_]{2,}))?(?!\w)"
)
"""Somebody who writes no capitals."""
_PAIR: Final = re.compile(rf"(?<![\w.@#/-])(?P<given>{_WORD})(?: [A-Z]\.)? (?P<family>{_WORD})(?![\w@])")
_NO_NAMES: Final = WORDS_TOO | frozenset(
    listed("""i a an it is not my your our this that there we you they he she what how when where why who please sorry
        thank hi hello dear yes no ok sure sir madam all everyone team support customer service agent assistant bot
        help desk today tomorrow yesterday now again still very really just so monday tuesday wednesday thursday friday
        saturday sunday january february march july september october november december english german french spanish
        european american british canadian company account order card flight seat hotel store shop united delta
        airlines airways air amazon google apple microsoft visa mastercard amex paypal economy business class basic
        city county state university hospital street avenue road lane drive ltd inc gmbh llc bank insurance""")
)


def find_people(text: str) -> Iterator[Found]:
    """Names of people; what is found may overlap."""
    for match in _TITLED.finditer(text):
        yield Found(*match.span("it"), NAME)
    for match in _INTRODUCED.finditer(text):
        if _may_be(match["it"]):
            yield Found(*match.span("it"), NAME)
    for match in _SIGNED.finditer(text):
        if _may_be(match["it"]) and (" " in match["it"] or _is_given(match["it"])):
            yield Found(*match.span("it"), NAME)
    if not _names("given"):
        return
    for match in _GREETED.finditer(text):
        words = match["it"].split()
        if _is_given(words[0]):
            named = words if len(words) > 1 and _is_family(words[1]) else words[:1]
            yield Found(match.start("it"), match.start("it") + len(" ".join(named)), NAME)
    yield from _pairs(text)
    for match in _SMALL.finditer(text):
        if _is_given(match["given"]):
            has_family = match["family"] is not None and _is_family(match["family"])
            if has_family or match["cue"].startswith("my"):
                yield Found(match.start("given"), match.end("family" if has_family else "given"), NAME)


def _pairs(text: str) -> Iterator[Found]:
    place = 0
    while (match := _PAIR.search(text, place)) is not None:
        if _is_given(match["given"]) and _is_family(match["family"]):
            yield Found(*match.span(), NAME)
            place = match.end()
        else:
            place = match.end("given")


def _may_be(name: str) -> bool:
    return not any(word.lower() in _NO_NAMES - WORDS_TOO for word in name.split())


def _is_given(word: str) -> bool:
    return len(word) > 2 and word.lower() in _names("given") and word.lower() not in _NO_NAMES


def _is_family(word: str) -> bool:
    lower = word.lower()
    return lower not in _NO_NAMES - WORDS_TOO and any(part in _names("family") for part in (lower, *lower.split("-")))


@cache
def _names(kind: str) -> frozenset[str]:
    """The commoner names of that kind; none without the package."""
    try:
        import names
    except ImportError:
        return frozenset()
    files, most = (("first:male", "first:female"), COMMON_GIVEN) if kind == "given" else (("last",), COMMON_FAMILY)
    rows = (line.split() for file in files for line in Path(names.FILES[file]).read_text("ascii").splitlines())
    return frozenset(row[0].lower() for row in rows if float(row[2]) <= most)

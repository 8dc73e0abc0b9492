"""What a text refuses, denies or asks; the rules of each language stand in its phrasebook.

- A *refusal* or a *negation* either occurs in a text or does not; `no problem` and its like are none.
- A *question* asks for something; `anything else?` and its like do not. Two questions are the same if they share most
  of the words that matter, so that `Your order number?` asks what `May I have your order number?` asks.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.read_once import read_once

SAME_QUESTION = 0.5
"""Two questions are the same that have more than this share of the fewer words that matter in common."""

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!](?=\S)[^.!?\n]*)*[.!?\n]?")
HELD = "․"
"""Stands for a dot that ends no sentence."""
_MAY_REQUEST = ("please", "kindly", "could you", "can you", "may i", "need")
"""One of these stands in every English request."""
_LETTERS = re.compile(r"[^\W\d_]+")


@read_once
def refusal(text: str, language: str | None = ENGLISH) -> str | None:
    """The words by which a text refuses, or says that it cannot; None where it does not."""
    found = phrasebook(language).speech.refusals.search(without_harmless(text, language))
    return None if found is None else found[0]


@read_once
def negation(text: str, language: str | None = ENGLISH) -> str | None:
    """The first word that turns a statement of the text round, beside what it refuses; None where there is none."""
    speech = phrasebook(language).speech
    found = speech.negations.search(speech.refusals.sub(" ", without_harmless(text, language)))
    return None if found is None else found[0]


@read_once
def without_harmless(text: str, language: str | None = ENGLISH) -> str:
    """The text without phrases that turn nothing round."""
    return phrasebook(language).speech.harmless.sub(" ", text.replace("’", "'"))


def are_opposites(one: str, other: str, language: str | None = ENGLISH) -> bool:
    """Whether two words are the opposite of each other: `full` and `partial`, `refundable` and `non-refundable`."""
    book = phrasebook(language)
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    return long in book.opposites.get(short, ()) or any(long == prefix + short for prefix in book.turning)


def sentences(text: str, language: str | None = ENGLISH) -> list[str]:
    """The sentences of a text, each with its full stop."""
    return list(_sentences(text, language))


@read_once
def _sentences(text: str, language: str | None) -> tuple[str, ...]:
    found = (one.strip().replace(HELD, ".") for one in _SENTENCE.findall(dates_held(text, language)))
    return tuple(one for one in found if one)


def dates_held(text: str, language: str | None) -> str:
    """The text with another sign for the dot of `5. März`, which ends no sentence."""
    return _dots_of_dates(language).sub(HELD, text) if phrasebook(language).months else text


@cache
def _dots_of_dates(language: str | None) -> re.Pattern[str]:
    return re.compile(rf"(?<=\d)\.(?=\s(?:{'|'.join(phrasebook(language).months)})\b)", re.IGNORECASE)


def questions(text: str, language: str | None = ENGLISH) -> list[str]:
    """What the text asks the user for, a sentence each."""
    return list(_questions(text, language))


@read_once
def _questions(text: str, language: str | None) -> tuple[str, ...]:
    rules = phrasebook(language).speech
    return tuple(
        sentence
        for sentence in sentences(text, language)
        if (sentence.endswith("?") or (_may_request(sentence, language) and rules.requests.search(sentence)))
        and not rules.small_talk.search(sentence)
    )


def _may_request(sentence: str, language: str | None) -> bool:
    """Nearly every sentence ends here: plain search is seven times as fast as a pattern that ignores case."""
    return language != ENGLISH or any(map(sentence.lower().__contains__, _MAY_REQUEST))


class _Question(NamedTuple):
    """What a question asks for."""

    wants_a_yes: bool
    acts: frozenset[str]
    words: frozenset[str]
    """Those that matter."""


def asks_the_same(one: str, other: str, language: str | None = ENGLISH) -> bool:
    """Whether two questions ask for the same."""
    was, now = _question(one, language), _question(other, language)
    if was.wants_a_yes and now.wants_a_yes:
        # For the same, as long as they do not speak of different acts.
        return not was.acts or not now.acts or was.acts == now.acts
    if not was.words or not now.words:
        return was.words == now.words
    return len(was.words & now.words) > SAME_QUESTION * min(len(was.words), len(now.words))


@read_once
def _question(text: str, language: str | None) -> _Question:
    book = phrasebook(language)
    wants_a_yes = book.asks.consent.search(text) is not None
    return _Question(
        wants_a_yes,
        frozenset(name for name, verb in _verbs(language).items() if verb.search(text)) if wants_a_yes else frozenset(),
        frozenset(
            word for word in _LETTERS.findall(text.casefold()) if word not in book.silent_in_questions and len(word) > 1
        ),
    )


@cache
def _verbs(language: str | None) -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile(rf"\b(?:{'|'.join(act.verbs.split())})", re.IGNORECASE)
        for name, act in phrasebook(language).acts.items()
    }

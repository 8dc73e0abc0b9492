"""What a text refuses, denies or asks; the rules of each language stand in its phrasebook.

- A *refusal* or a *negation* either occurs in a text or does not; `no problem` and its like are none.
- A *question* asks for something; `anything else?` and its like do not. Two questions are the same if they share most
  of the words that matter, so that `Your order number?` asks what `May I have your order number?` asks.
"""

from __future__ import annotations

import re
from functools import cache

from taketwo.language.phrasebook import ENGLISH, phrasebook

SAME_QUESTION = 0.5
"""Two questions are the same that have more than this share of the fewer words that matter in common."""

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!](?=\S)[^.!?\n]*)*[.!?\n]?")
HELD = "․"
"""Stands for a dot that ends no sentence."""
_MAY_REQUEST = ("please", "kindly", "could you", "can you", "may i", "need")
"""One of these stands in every English request."""
_LETTERS = re.compile(r"[^\W\d_]+")


def refusal(text: str, language: str | None = ENGLISH) -> str | None:
    """The words by which a text refuses, or says that it cannot; None where it does not."""
    found = phrasebook(language).speech.refusals.search(without_harmless(text, language))
    return None if found is None else found[0]


def negation(text: str, language: str | None = ENGLISH) -> str | None:
    """The first word that turns a statement of the text round; None where there is none."""
    found = phrasebook(language).speech.negations.search(without_harmless(text, language))
    return None if found is None else found[0]


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
    found = (one.strip().replace(HELD, ".") for one in _SENTENCE.findall(dates_held(text, language)))
    return [one for one in found if one]


def dates_held(text: str, language: str | None) -> str:
    """The text with another sign for the dot of `5. März`, which ends no sentence."""
    return _dots_of_dates(language).sub(HELD, text) if phrasebook(language).months else text


@cache
def _dots_of_dates(language: str | None) -> re.Pattern[str]:
    return re.compile(rf"(?<=\d)\.(?=\s(?:{'|'.join(phrasebook(language).months)})\b)", re.IGNORECASE)


def questions(text: str, language: str | None = ENGLISH) -> list[str]:
    """What the text asks the user for, a sentence each."""
    rules = phrasebook(language).speech
    # Nearly every text ends here, and plain search is seven times as fast as a pattern that ignores case.
    if "?" not in text and language == ENGLISH and not any(map(text.lower().__contains__, _MAY_REQUEST)):
        return []
    return [
        sentence
        for sentence in sentences(text, language)
        if (sentence.endswith("?") or rules.requests.search(sentence)) and not rules.small_talk.search(sentence)
    ]


def asks_the_same(one: str, other: str, language: str | None = ENGLISH) -> bool:
    """Whether two questions ask for the same."""
    if all(phrasebook(language).asks.consent.search(question) for question in (one, other)):
        return _may_want_the_same(one, other, language)
    was, now = _words_that_matter(one, language), _words_that_matter(other, language)
    if not was or not now:
        return was == now
    return len(was & now) > SAME_QUESTION * min(len(was), len(now))


def _may_want_the_same(one: str, other: str, language: str | None) -> bool:
    """Whether two questions for a yes do not speak of different acts."""
    verbs = {
        name: re.compile(rf"\b(?:{'|'.join(act.verbs.split())})", re.IGNORECASE)
        for name, act in phrasebook(language).acts.items()
    }
    was, now = ({name for name, verb in verbs.items() if verb.search(question)} for question in (one, other))
    return not was or not now or was == now


def _words_that_matter(text: str, language: str | None) -> set[str]:
    silent = phrasebook(language).silent_in_questions
    return {word for word in _LETTERS.findall(text.casefold()) if word not in silent and len(word) > 1}

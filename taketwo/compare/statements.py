"""Sentences that two texts share but for a word: turned round, or with another value or name in its place.

What a text negates or refuses as a whole does not tell of a long reply that denies five things and now denies four. So
sentences that only one of the texts has are laid beside the most alike one of the other; two of them are *twins* where
they share most of their words, and each is the likeliest for the other.

- Twins of which one is negated, and the other is not, state the opposite: `it does not cover the fee`, `it does cover
  the fee`. So do twins with an opposite in the same place: `full` and `partial`, `refundable` and `non-refundable`.
- Twins with another value in the same place state another fact, also where both texts have both values: `today $250`,
  `later $5`. Where several sentences of a text look alike but for their values, nobody can tell which belongs to which.
- Twins with another capitalised word in the same place name something else: `Size: Medium`, `ATL to SEA`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from taketwo.comparison import FactChange
from taketwo.language.facts import Fact, placed_facts
from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.speech_acts import are_opposites, sentences, without_harmless
from taketwo.value import one_line

TWINS = 0.6
"""The share of words that twins have in common at least."""
ALL_BUT_THE_SAME = 0.9
"""The share of words beside its denials from which each denial of a twin counts, not only whether there is one."""
MOST_SENTENCES = 60
"""So many sentences of a text are looked at."""
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_PROPER = re.compile(r"[A-Z][^\W\d_]*(?:[-'’][^\W\d_]+)*")


class Twins(NamedTuple):
    """Two sentences that are the same but for a few words."""

    before: str
    """The recorded one."""
    after: str
    """The replayed one."""

    @property
    def instead(self) -> list[tuple[str, str]]:
        """The words that stand in the place of others, where the two are of one length and differ in one or two."""
        sides = [_WORD.findall(side) for side in self]
        if len(sides[0]) != len(sides[1]):
            return []
        found = [(one, other) for one, other in zip(*sides, strict=True) if one.casefold() != other.casefold()]
        return found if len(found) <= 2 else []


def statement_changes(
    before: str, after: str, values: tuple[Set[str], Set[str]], language: str | None = ENGLISH
) -> Iterator[FactChange]:
    """What sentences state differently that both texts have but for a word. values: those of the facts of either."""
    lost, new = _alone(before, after, language)
    if found := _twins(lost, new):
        yield from _turned_round(found, language)
        if all(values):
            yield from _exchanged_values(found, (lost, new), values, language)
        yield from _other_names(found)


def twins(before: str, after: str, language: str | None = ENGLISH) -> list[Twins]:
    """The sentences of one text alone, each with its twin in the other where it has one."""
    return _twins(*_alone(before, after, language))


class _Sentence(NamedTuple):
    text: str
    words: frozenset[str]


def _alone(before: str, after: str, language: str | None) -> tuple[list[_Sentence], list[_Sentence]]:
    """The sentences that one text has and the other has not, or less often."""
    was, now = ([one_line(one) for one in sentences(text, language)[:MOST_SENTENCES]] for text in (before, after))
    lost, new = Counter(was) - Counter(now), Counter(now) - Counter(was)
    return [_with_words(text) for text in lost.elements()], [_with_words(text) for text in new.elements()]


def _twins(lost: Sequence[_Sentence], new: Sequence[_Sentence]) -> list[Twins]:
    likely = [[_alike(one.words, other.words) for other in new] for one in lost]
    found = []
    for row, one in enumerate(lost):
        best = max(likely[row], default=0.0)
        if best < TWINS or likely[row].count(best) > 1:
            continue
        column = likely[row].index(best)
        if all(other[column] < best for other in likely[:row] + likely[row + 1 :]):
            found.append(Twins(one.text, new[column].text))
    return found


def _with_words(text: str) -> _Sentence:
    return _Sentence(text, frozenset(word.casefold() for word in _WORD.findall(text)))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    # Of a single word nothing is left to know it by.
    return 2 * len(one & other) / (len(one) + len(other)) if len(one) > 1 and len(other) > 1 else 0.0


def _turned_round(found: Sequence[Twins], language: str | None) -> Iterator[FactChange]:
    for pair in found:
        (was, words), (now, other_words) = (_denials(side, language) for side in pair)
        is_all_but_the_same = _alike(words, other_words) >= ALL_BUT_THE_SAME
        if was != now and (is_all_but_the_same or not (was and now)):
            yield FactChange(
                kind="negation", before=pair.before if was > now else None, after=pair.after if now > was else None
            )
        elif any(are_opposites(one, other, language) for one, other in pair.instead):
            yield FactChange(kind="negation", before=pair.before, after=pair.after)


def _denials(sentence: str, language: str | None) -> tuple[int, frozenset[str]]:
    """How often it negates or refuses, and its words without those that do."""
    speech = phrasebook(language).speech
    text, refusals = speech.refusals.subn(" ", without_harmless(sentence, language))
    text, negations = speech.negations.subn(" ", text)
    return refusals + negations, _with_words(text).words


def _exchanged_values(
    found: Sequence[Twins],
    alone: tuple[Sequence[_Sentence], Sequence[_Sentence]],
    values: tuple[Set[str], Set[str]],
    language: str | None,
) -> Iterator[FactChange]:
    """Values that both texts have, of which one stands where the other stood."""
    for pair in found:
        (was, template), (now, same_template) = (_values(side, language) for side in pair)
        if template != same_template or [one.value for one in was] == [one.value for one in now]:
            continue
        if any(sum(_values(one.text, language)[1] == template for one in side) > 1 for side in alone):
            continue
        for one, other in zip(was, now, strict=True):
            if one.kind and one.value != other.value and one.value in values[1] and other.value in values[0]:
                yield FactChange(kind=one.kind, before=one.text, after=other.text)


def _values(sentence: str, language: str | None) -> tuple[list[Fact], tuple[str, ...]]:
    """The facts in order, and the pieces between them with their kinds in their place."""
    facts, pieces, end = [], [], 0
    for fact, start, stop in placed_facts(sentence, language):
        facts.append(fact)
        pieces += [sentence[end:start].casefold(), fact.kind]
        end = stop
    return facts, (*pieces, sentence[end:].casefold())


def _other_names(found: Sequence[Twins]) -> Iterator[FactChange]:
    """Capitalised words in the place of others, but for the first of a sentence, which always is."""
    for pair in found:
        for one, other in pair.instead:
            is_plural = one.startswith(other) or other.startswith(one)
            if (
                _PROPER.fullmatch(one)
                and _PROPER.fullmatch(other)
                and not is_plural
                and not pair.before.startswith(one)
            ):
                yield FactChange(kind="name", before=one, after=other)

"""What two replies state differently: facts, each in one spelling (`language/facts.py`), names, commitments.

- A number and an amount of the same value are the same fact, unless two currencies differ. `one` is no number, but may
  stand for a 1.
- A *name* is a run of capitalised words inside a sentence, such as `with DHL Express`. Only one that takes the place
  of another is told.

- So is a day of the week (a *date*), and a word of five and more capitals (an *id*, such as `HATHAT`).

What a reply promises, refuses, denies and asks is found by `commitments`. Facts are sets: their order and how often
they are said does not count. What sentences state differently that both have but for a word is found by `statements`.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from taketwo.compare.commitments import VERBS, commitment_changes
from taketwo.compare.statements import statement_changes
from taketwo.comparison import FactChange, FactKind
from taketwo.language.facts import Fact, facts_in
from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.read_once import read_once

NO_NAMES = frozenset(
    (*"I I'm I'll I've I'd OK Okay Yes No Please Thanks Thank USD EUR GBP UTC AM PM ID".split(), "Thank You")
)
"""Capitalised words that name nobody."""
_CODE = re.compile(r"\b[A-Z]{5,}\b")
"""A record locator, such as `HATHAT`."""
_NAME = re.compile(r"(?<=[a-z] )(?!I\b)(?:[A-Z][\w&'’-]*[^\W\d_]\b)(?: (?!I\b)[A-Z][\w&'’-]*[^\W\d_]\b){0,4}")


def fact_changes(before: str, after: str, language: str | None = ENGLISH) -> Iterator[FactChange]:
    """What two texts state differently, promise, refuse or ask, kind by kind in the order of the text."""
    was, now = facts_in(before, language), facts_in(after, language)
    told = [
        *_changes(_only_in(was, now), _only_in(now, was)),
        *_in_the_place_of_others(before, after, language),
        *commitment_changes(before, after, language),
    ]
    yield from told
    is_turned_round = any(change.kind in ("negation", "refusal") for change in told)
    values = {fact.value for fact in was}, {fact.value for fact in now}
    for change in statement_changes(before, after, values, language):
        is_told = any((change.before, change.after) == (one.before, one.after) for one in told)
        if not is_told and not (change.kind == "negation" and is_turned_round):
            yield change


def in_words(change: FactChange) -> str:
    """`amount $24.50 → $20.00`, `date 2026-11-19 is gone`, `refuses now: cannot`."""
    if (verb := VERBS.get(change.kind)) is not None:
        return f"no longer {verb}: {change.before}" if change.after is None else f"{verb} now: {change.after}"
    if change.before is None:
        return f"{change.kind} {change.after} is new"
    return f"{change.kind} {change.before} " + ("is gone" if change.after is None else f"→ {change.after}")


def _only_in(facts: Sequence[Fact], others: Sequence[Fact]) -> list[Fact]:
    of_value: dict[str, list[Fact]] = defaultdict(list)
    for other in others:
        of_value[other.value].append(other)
    return [fact for fact in facts if fact.kind and not any(_is_same(fact, other) for other in of_value[fact.value])]


def _is_same(one: Fact, other: Fact) -> bool:
    countable = {"", "amount", "number"}
    if one.kind != other.kind and not {one.kind, other.kind} <= countable:
        return False
    return not one.unit or not other.unit or one.unit == other.unit


def _changes(lost: Sequence[Fact], new: Sequence[Fact]) -> Iterator[FactChange]:
    """What was lost beside what came instead."""
    came: dict[str, deque[Fact]] = defaultdict(deque)
    for fact in new:
        came[_sort(fact)].append(fact)
    for fact in lost:
        instead = came[_sort(fact)].popleft() if came[_sort(fact)] else None
        is_amount = fact.kind == "amount" or (instead is not None and instead.kind == "amount")
        kind = "amount" if is_amount else fact.kind
        yield _change(kind, fact.text, None if instead is None else instead.text)
    yield from (_change(fact.kind, None, fact.text) for of_sort in came.values() for fact in of_sort)


def _change(kind: FactKind | Literal[""], before: str | None, after: str | None) -> FactChange:
    assert kind, "what may be meant by another fact only is no fact of its own"
    return FactChange(kind=kind, before=before, after=after)


def _in_the_place_of_others(before: str, after: str, language: str | None) -> Iterator[FactChange]:
    """Days of the week, codes of letters and names instead of others; one that only came or went is wording."""
    if before == after:
        return
    folded = before.casefold(), after.casefold()
    for lost, new in zip(_named(before, language), _named(after, language), strict=True):
        was = (word for word in lost.words if word.casefold() not in folded[1])
        now = (word for word in new.words if word.casefold() not in folded[0])
        yield from (_change(lost.kind, one, other) for one, other in zip(was, now, strict=False))


class _Named(NamedTuple):
    kind: FactKind
    words: tuple[str, ...]


@read_once
def _named(text: str, language: str | None) -> tuple[_Named, ...]:
    """The days of the week, the codes and the names of a text, in this order."""
    weekdays = phrasebook(language).weekdays
    days, codes, names = (dict.fromkeys(found[0] for found in rule.finditer(text)) for rule in (weekdays, _CODE, _NAME))
    real = (one for one in names if one not in NO_NAMES and not weekdays.search(one) and not _CODE.search(one))
    return _Named("date", tuple(days)), _Named("id", tuple(codes)), _Named("name", tuple(real))


def _sort(fact: Fact) -> str:
    return "number" if fact.kind == "amount" else fact.kind

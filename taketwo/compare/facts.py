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
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from taketwo.compare.commitments import VERBS, commitment_changes
from taketwo.compare.statements import statement_changes
from taketwo.comparison import FactChange, FactKind
from taketwo.language.facts import Fact, facts_in
from taketwo.language.phrasebook import ENGLISH, phrasebook
from taketwo.language.read_once import read_once

_MONTHS = "January February March April May June July August September October November December".split()
NO_NAMES = frozenset(
    (*_MONTHS, *"I I'm I'll I've I'd OK Okay Yes No Please Thanks Thank USD EUR GBP UTC AM PM ID".split(), "Thank You")
)
"""Capitalised words that name nobody."""
LONGEST_WORD = 40
"""Characters in which the word before a name is looked for."""
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
        came[fact.kind].append(fact)
    for fact in lost:
        instead = came[fact.kind].popleft() if came[fact.kind] else None
        yield _change(fact.kind, fact.text, None if instead is None else instead.text)
    yield from (_change(fact.kind, None, fact.text) for of_kind in came.values() for fact in of_kind)


def _change(kind: FactKind | Literal[""], before: str | None, after: str | None) -> FactChange:
    assert kind, "what may be meant by another fact only is no fact of its own"
    return FactChange(kind=kind, before=before, after=after)


def _in_the_place_of_others(before: str, after: str, language: str | None) -> Iterator[FactChange]:
    """Days of the week, codes of letters and names instead of others; one that only came or went is wording."""
    if before == after:
        return
    folded = before.casefold(), after.casefold()
    lost, new = _named(before, language), _named(after, language)
    for sort in dict.fromkeys((*lost, *new)):
        was = (word for word in lost.get(sort, ()) if word.casefold() not in folded[1])
        now = (word for word in new.get(sort, ()) if word.casefold() not in folded[0])
        yield from (_change(sort[0], one, other) for one, other in zip(was, now, strict=False))


@read_once
def _named(text: str, language: str | None) -> Mapping[tuple[FactKind, str], dict[str, None]]:
    """The days of the week, the codes, and the names by the word before them: only there one takes another's place."""
    weekdays = phrasebook(language).weekdays
    found: dict[tuple[FactKind, str], dict[str, None]] = defaultdict(dict)
    for match in weekdays.finditer(text):
        found["date", ""][match[0]] = None
    for match in _CODE.finditer(text):
        found["id", ""][match[0]] = None
    for match in _NAME.finditer(text):
        name, end = match[0], match.start() - 1
        if not (name in NO_NAMES or weekdays.search(name) or _CODE.search(name)):
            before = text[max(0, end - LONGEST_WORD) : end].split()[-1]
            found["name", before.casefold()][name] = None
    return found

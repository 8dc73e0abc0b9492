"""What two replies state differently: facts, each in one spelling (`language/facts.py`), names, commitments.

- A number and an amount of the same value are the same fact, unless two currencies differ. `one` is no number, but may
  stand for a 1.
- A *name* is a run of capitalised words inside a sentence, such as `with DHL Express`. Only one that takes the place
  of another is told.

What a reply promises, refuses, denies and asks is found by `commitments`.

Facts are sets: their order and how often they are said does not count, so two amounts that change places go unseen.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Literal

from taketwo.compare.commitments import VERBS, commitment_changes
from taketwo.comparison import FactChange, FactKind
from taketwo.language.facts import Fact, facts_in
from taketwo.language.phrasebook import ENGLISH

NO_NAMES = frozenset(
    (*"I I'm I'll I've I'd OK Okay Yes No Please Thanks Thank USD EUR GBP UTC AM PM ID".split(), "Thank You")
)
"""Capitalised words that name nobody."""
_NAME = re.compile(r"(?<=[a-z] )(?!I\b)(?:[A-Z][\w&'’-]*[^\W\d_]\b)(?: (?!I\b)[A-Z][\w&'’-]*[^\W\d_]\b){0,4}")


def fact_changes(before: str, after: str, language: str | None = ENGLISH) -> Iterator[FactChange]:
    """What two texts state differently, promise, refuse or ask, kind by kind in the order of the text."""
    was, now = facts_in(before, language), facts_in(after, language)
    yield from _changes(_only_in(was, now), _only_in(now, was))
    yield from _other_names(before, after)
    yield from commitment_changes(before, after, language)


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


def _other_names(before: str, after: str) -> Iterator[FactChange]:
    """Names that took the place of others; one that only came or went is a matter of wording."""
    if before == after:
        return
    sides = [
        dict.fromkeys(found[0] for found in _NAME.finditer(text) if found[0] not in NO_NAMES)
        for text in (before, after)
    ]
    was, now = (
        [name for name in side if name.casefold() not in other.casefold()]
        for side, other in zip(sides, (after, before), strict=True)
    )
    yield from (_change("name", one, other) for one, other in zip(was, now, strict=False))


def _sort(fact: Fact) -> str:
    return "number" if fact.kind == "amount" else fact.kind

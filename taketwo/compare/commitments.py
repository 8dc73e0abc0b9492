"""What a reply promises, refuses, denies or asks that another does not; `speech` has the rules of the last three.

- A *promise* is an act that the agent says it or its house will do: `I'll refund`, `you will be refunded`. Which acts
  count stands in `acts`; `I will look that up` promises nothing. The same act in other words is the same promise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from taketwo.compare.acts import promises
from taketwo.comparison import FactChange, FactKind
from taketwo.speech import NEGATIONS, REFUSALS, asks_the_same, questions, without_harmless

VERBS: dict[FactKind, str] = {
    "promise": "promises",
    "refusal": "refuses",
    "negation": "negates",
    "question": "asks",
}
"""How a line says what a commitment is."""


def commitment_changes(before: str, after: str) -> Iterator[FactChange]:
    """What one of the texts promises, refuses, denies or asks and the other does not."""
    yield from _promise_changes(before, after)
    yield from _turned_round(before, after)
    yield from _question_changes(questions(before), questions(after))


def _promise_changes(before: str, after: str) -> Iterator[FactChange]:
    was, now = promises(before), promises(after)
    for act, quote in was.items():
        if act not in now:
            yield FactChange(kind="promise", before=quote, after=None)
    for act, quote in now.items():
        if act not in was:
            yield FactChange(kind="promise", before=None, after=quote)


def _turned_round(before: str, after: str) -> Iterator[FactChange]:
    """Whether one of the texts refuses or negates and the other does not."""
    cleaned = [without_harmless(text) for text in (before, after)]
    kinds: tuple[tuple[FactKind, re.Pattern[str]], ...] = (("refusal", REFUSALS), ("negation", NEGATIONS))
    for kind, words in kinds:
        was, now = map(words.search, cleaned)
        if (was is None) != (now is None):
            yield FactChange(kind=kind, before=was and was[0], after=now and now[0])
            return


def _question_changes(was: Sequence[str], now: Sequence[str]) -> Iterator[FactChange]:
    for question in was:
        if not any(asks_the_same(question, other) for other in now):
            yield FactChange(kind="question", before=question, after=None)
    for question in now:
        if not any(asks_the_same(question, other) for other in was):
            yield FactChange(kind="question", before=None, after=question)

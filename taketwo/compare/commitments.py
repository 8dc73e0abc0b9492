"""What a reply promises, refuses, denies or asks that another does not; `speech` has the rules of the last three.

- A *promise* is an act that the agent says it or its house will do: `I'll refund`, `you will be refunded`. Which acts
  count stands in `acts`; `I will look that up` promises nothing. The same act in other words is the same promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from taketwo.compare.acts import promises
from taketwo.comparison import FactChange, FactKind
from taketwo.language.phrasebook import ENGLISH
from taketwo.language.speech_acts import asks_the_same, negation, questions, refusal

VERBS: dict[FactKind, str] = {
    "promise": "promises",
    "refusal": "refuses",
    "negation": "negates",
    "question": "asks",
}
"""How a line says what a commitment is."""


def commitment_changes(before: str, after: str, language: str | None = ENGLISH) -> Iterator[FactChange]:
    """What one of the texts promises, refuses, denies or asks and the other does not."""
    yield from _promise_changes(promises(before, language), promises(after, language))
    yield from _turned_round(before, after, language)
    yield from _question_changes(questions(before, language), questions(after, language), language)


def _promise_changes(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[FactChange]:
    for act, quote in was.items():
        if act not in now:
            yield FactChange(kind="promise", before=quote, after=None)
    for act, quote in now.items():
        if act not in was:
            yield FactChange(kind="promise", before=None, after=quote)


def _turned_round(before: str, after: str, language: str | None) -> Iterator[FactChange]:
    """Whether one of the texts refuses or negates and the other does not."""
    kinds: tuple[tuple[FactKind, Callable[[str, str | None], str | None]], ...] = (
        ("refusal", refusal),
        ("negation", negation),
    )
    for kind, words in kinds:
        was, now = words(before, language), words(after, language)
        if (was is None) != (now is None):
            yield FactChange(kind=kind, before=was, after=now)
            return


def _question_changes(was: Sequence[str], now: Sequence[str], language: str | None) -> Iterator[FactChange]:
    for question in was:
        if not any(asks_the_same(question, other, language) for other in now):
            yield FactChange(kind="question", before=question, after=None)
    for question in now:
        if not any(asks_the_same(question, other, language) for other in was):
            yield FactChange(kind="question", before=None, after=question)

"""Figures of a conversation; one code path for both sides of a pair."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import NamedTuple

from taketwo.compare.likeness import said
from taketwo.comparison import Metrics
from taketwo.conversation import Call, Conversation, Say, Turn
from taketwo.language.phrasebook import language_of_talk
from taketwo.language.speech_acts import asks_the_same, questions
from taketwo.value import JSON

LATENCY_REASON = (
    "mean_latency_ms: recorded tools took their real time, replayed ones are answered from the recording at once;"
    " the same holds for p50_latency_ms, p95_latency_ms and mean_first_words_ms"
)
"""Why latencies are never a pair."""
MAY_BE_UNKNOWN = ("input_tokens", "output_tokens", "cost_usd")
"""Figures that a capture may leave out."""
MOST_QUESTIONS = 200
"""So many questions are looked through for those asked twice."""
_SATISFACTION = re.compile(r"(?:csat|(?<!dis)satisfaction)(?:[ _.-]?(?:score|rating|mark))?$")


def measure(conversation: Conversation, like: Metrics | None = None) -> Metrics:
    """The figures; what is not known of every turn is None.

    like: those of a conversation in which the same was said and done, so that only the others are made.
    """
    turns = conversation.turns
    course = _course(turns) if like is None else _Course(*(getattr(like, name) for name in _Course._fields))
    read = _all_known([turn.tokens.input for turn in turns])
    written = _all_known([turn.tokens.output for turn in turns])
    costs = _all_known([turn.cost_usd for turn in turns])
    latencies = _all_known([turn.latency_ms for turn in turns])
    return Metrics(
        **course._asdict(),
        input_tokens=None if read is None else round(sum(read)),
        output_tokens=None if written is None else round(sum(written)),
        cost_usd=None if costs is None else sum(costs),
        mean_latency_ms=_mean(latencies),
        p50_latency_ms=_kept_to(latencies, 0.5),
        p95_latency_ms=_kept_to(latencies, 0.95),
        mean_first_words_ms=_mean(_first_words(turns)),
        csat=_csat(conversation),
    )


class _Course(NamedTuple):
    """The figures of what was said and done, under their names in `Metrics`."""

    turns: int
    tool_calls: int
    agent_words: int
    questions: int
    questions_repeated: int


def _course(turns: Sequence[Turn]) -> _Course:
    language = language_of_talk(
        text for turn in turns for text in ("" if turn.user is None else turn.user.text, turn.reply or "")
    )
    asked = [question for turn in turns for question in questions(said([turn]), language)]
    return _Course(
        turns=len(turns),
        tool_calls=sum([isinstance(step, Call) for turn in turns for step in turn.steps]),
        agent_words=sum([_words(turn) for turn in turns]),
        questions=len(asked),
        questions_repeated=_repeated(asked[:MOST_QUESTIONS]),
    )


def not_comparable(recorded: Metrics, replayed: Metrics) -> Iterator[str]:
    """Which figures must not be read as a pair, each with the reason."""
    for name in MAY_BE_UNKNOWN:
        was, now = getattr(recorded, name), getattr(replayed, name)
        if (was is None) != (now is None):
            yield f"{name}: not known for every {'recorded' if was is None else 'replayed'} turn"
    if (recorded.csat is None) != (replayed.csat is None):
        yield f"csat: nobody gave one for the {'recorded' if recorded.csat is None else 'replayed'} conversation"
    yield LATENCY_REASON


def _all_known(figures: Sequence[float | None]) -> list[float] | None:
    known = [figure for figure in figures if figure is not None]
    return known if known and len(known) == len(figures) else None


def _mean(figures: Sequence[float] | None) -> float | None:
    return sum(figures) / len(figures) if figures else None


def _kept_to(figures: Sequence[float] | None, share: float) -> float | None:
    """The least figure that this share of them keeps to."""
    if not figures:
        return None
    ranked = sorted(figures)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


def _first_words(turns: Sequence[Turn]) -> list[float] | None:
    """From each user's line to the first words, in milliseconds."""
    found: list[float] = []
    for turn in turns:
        first = next((step for step in turn.steps if isinstance(step, Say)), None)
        if first is None or turn.user is None:
            continue
        if first.at is None or turn.user.at is None:
            return None
        found.append((first.at - turn.user.at).total_seconds() * 1000)
    return found or None


def _repeated(asked: Sequence[str]) -> int:
    return sum(any(asks_the_same(question, one) for one in asked[:place]) for place, question in enumerate(asked))


def marks(scores: Mapping[str, JSON]) -> dict[str, float]:
    """Those of the scores by which users said how satisfied they were, by name: `csat`, `turns[2].csat`, …"""
    found: dict[str, float] = {}
    for name, value in scores.items():
        if _SATISFACTION.search(name.casefold()) and not isinstance(value, bool):
            # A word is no mark, nor is a number that no float can be; one that was sent as text is.
            with suppress(TypeError, ValueError, OverflowError):
                found[name] = float(value)
    return {name: mark for name, mark in found.items() if isfinite(mark)}


def _csat(conversation: Conversation) -> float | None:
    """The mark of the conversation as a whole, `csat` itself before other names; else the mean of those of turns."""
    given = marks(conversation.outcome.scores)
    of_all = [name for name in given if not name.startswith("turns[")]
    if of_all:
        return given[min(of_all, key=lambda name: name.casefold() != "csat")]
    return _mean(list(given.values()))


def _words(turn: Turn) -> int:
    said = [len(step.text.split()) for step in turn.steps if isinstance(step, Say)]
    return sum(said) if said or turn.reply is None else len(turn.reply.split())

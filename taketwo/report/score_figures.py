"""Numbers and labels that evaluators gave, over the cases of a suite."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import NamedTuple

from taketwo.report.words import counted, plain
from taketwo.stats.components import Components, Nested, components
from taketwo.stats.intervals import bootstrap_mean
from taketwo.verdict import CaseResult, Score

WANTED = {
    "user": "no case has attempts with the same and with other words of the user",
    "agent": "no case has two attempts with the same words of the user: --repeat 3",
    "judge": "each attempt was judged once, so it is within the agent's: --judge-repeats 3",
}
"""What it takes to tell each part of the noise."""


SEED = 20_261_117
"""The same results give the same intervals."""


class ScoreFigure(NamedTuple):
    """What one evaluator gave over the cases of a suite."""

    name: str
    """Its name."""
    evaluator: str
    """Its version."""
    cases: int
    """How many cases have it; of labels, how many were given."""
    mean: float | None = None
    """The mean over the cases; None for labels."""
    low: float | None = None
    """Lower end of the 95 % interval of the mean; None for a single case and for labels."""
    high: float | None = None
    """Upper end."""
    least: float | None = None
    """The least; None for labels."""
    most: float | None = None
    """The most."""
    labels: tuple[tuple[str, int], ...] = ()
    """Each label with how often it was given."""


class ScoreFigures:
    """Gathers them case by case; those of another version of an evaluator apart."""

    def __init__(self) -> None:
        """There are none yet."""
        self._numbers: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._nested: dict[tuple[str, str], list[Nested]] = defaultdict(list)
        self._labels: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, result: CaseResult) -> None:
        """Take in a case; its attempts count as one, by their mean."""
        numbers: dict[tuple[str, str], list[float]] = defaultdict(list)
        for attempt in result.attempts:
            for score in attempt.scores:
                if isinstance(score, Score) and not isinstance(score.value, bool):
                    key = (score.name, score.evaluator)
                    if isinstance(score.value, str):
                        self._labels[key][score.value] += 1
                    else:
                        numbers[key].append(score.value)
        for key, values in numbers.items():
            self._numbers[key].append(fmean(values))
            self._nested[key].append(_nested(result, key))

    def figures(self) -> Iterator[ScoreFigure]:
        """Each number as a row of a table, and each label with how often it was given."""
        for (name, evaluator), values in self._numbers.items():
            interval = bootstrap_mean(values, seed=SEED) if len(values) > 1 else None
            yield ScoreFigure(
                name=name,
                evaluator=evaluator,
                cases=len(values),
                mean=fmean(values),
                low=None if interval is None else interval.low,
                high=None if interval is None else interval.high,
                least=min(values),
                most=max(values),
            )
        for (name, evaluator), labels in self._labels.items():
            told = tuple(labels.most_common())
            yield ScoreFigure(name=name, evaluator=evaluator, cases=sum(labels.values()), labels=told)

    def lines(self) -> Iterator[str]:
        """`csat: 7.2 on average, 4 to 9 (12 cases, csat/1 openai:…)`."""
        for (name, evaluator), values in self._numbers.items():
            spread = f", {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""
            where = f"{counted(len(values), 'case')}, {plain(evaluator)}"
            yield f"{plain(name)}: {fmean(values):.3g} on average{spread} ({where})"
            yield from _noise(components(self._nested[name, evaluator]))
        for (name, evaluator), labels in self._labels.items():
            told = ", ".join(f"{plain(label)} {times} times" for label, times in labels.most_common())
            yield f"{plain(name)}: {told} ({plain(evaluator)})"


def _nested(result: CaseResult, key: tuple[str, str]) -> Nested:
    """What each asking gave, by attempts and by what the user said in them."""
    groups: dict[tuple[str | None, ...], list[list[float]]] = defaultdict(list)
    for attempt in result.attempts:
        for score in attempt.scores:
            if isinstance(score, Score) and (score.name, score.evaluator) == key:
                said = tuple(None if turn.user is None else turn.user.text for turn in attempt.run.conversation.turns)
                groups[said].append([float(one) for one in score.samples or (score.value,)])
    return list(groups.values())


def _noise(found: Components) -> Iterator[str]:
    """Where the variance of a score comes from, as far as the repeats can tell; nothing without any."""
    if found == (None, None, None):
        return
    known = {name: part for name, part in zip(found._fields, found, strict=True) if part is not None}
    total = sum(known.values())
    told = [f"{name} {part / total:.0%}" if total else f"{name} none" for name, part in known.items()]
    untold = [f"{name} cannot be told ({WANTED[name]})" for name in found._fields if name not in known]
    yield f"  its noise, variance {total:.3g}: {', '.join([*told, *untold])}"

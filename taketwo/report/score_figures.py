"""Numbers and labels that evaluators gave, over the cases of a suite."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import fmean

from taketwo.report.words import counted, plain
from taketwo.verdict import CaseResult, Score


class ScoreFigures:
    """Gathers them case by case; those of another version of an evaluator apart."""

    def __init__(self) -> None:
        """There are none yet."""
        self._numbers: dict[tuple[str, str], list[float]] = defaultdict(list)
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

    def lines(self) -> Iterator[str]:
        """`csat: 7.2 on average, 4 to 9 (12 cases, csat/1 openai:…)`."""
        for (name, evaluator), values in self._numbers.items():
            spread = f", {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""
            where = f"{counted(len(values), 'case')}, {plain(evaluator)}"
            yield f"{plain(name)}: {fmean(values):.3g} on average{spread} ({where})"
        for (name, evaluator), labels in self._labels.items():
            told = ", ".join(f"{plain(label)} {times} times" for label, times in labels.most_common())
            yield f"{plain(name)}: {told} ({plain(evaluator)})"

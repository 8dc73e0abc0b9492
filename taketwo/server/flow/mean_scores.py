"""What was judged in an execution as a whole, kept with it when it ends: a trend reads no rows."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Final

from taketwo.sdk.api.executions import CallExecution, MeanScore
from taketwo.verdict import Score

MOST_NAMES: Final = 50
"""So many names are kept, those that were judged most often: what rows expect is named after each row's own words."""


def mean_scores(calls: Iterable[CallExecution]) -> dict[str, MeanScore]:
    """The mean of each score that is a number or a flag, those first that most rows have."""
    given: dict[str, list[float | bool]] = {}
    for call in calls:
        for score in call.scores:
            if isinstance(score, Score) and isinstance(score.value, bool | int | float):
                given.setdefault(score.name, []).append(score.value)
    names = sorted(given, key=lambda name: -len(given[name]))[:MOST_NAMES]
    return {name: _mean(given[name]) for name in names}


def _mean(values: list[float | bool]) -> MeanScore:
    return MeanScore(
        count=len(values),
        mean=fmean(values),
        is_flag=all(isinstance(value, bool) for value in values),
    )

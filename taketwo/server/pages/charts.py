"""Small charts over time and from run to run, drawn on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from taketwo.report.words import counted, duration_in_words
from taketwo.sdk.api.results import TrendPoint
from taketwo.store.search import Stretch

HEIGHT = 40.0
LEAST_HEIGHT = 1.5
"""What happened once can be seen beside what happened a thousand times."""
INSET = 3.0
"""A point at either end of the scale is seen as a whole."""
GAP = 0.2
"""Between two bars, as a part of one."""


class Bar(NamedTuple):
    """One bar of a chart, in a drawing of 100 × 40."""

    x: float
    """Its left end."""
    y: float
    """Its upper end."""
    width: float
    """Its width."""
    height: float
    """Its height."""
    title: str
    """What it says, in words."""


class Point(NamedTuple):
    """One point of a line, in the same drawing."""

    x: float
    """Its place from left to right."""
    y: float
    """Its place from top to bottom."""
    title: str
    """What it says, in words."""


class Chart(NamedTuple):
    """One figure over time."""

    title: str
    """What is counted or measured."""
    figure: str
    """The same over the whole time."""
    bars: tuple[Bar, ...]
    """One for each stretch of time that has any."""
    is_bad: bool = False
    """Whether it counts what should not be."""
    most: str = ""
    """The greatest value of a stretch, in words: what reaches to the top of the drawing."""
    points: tuple[Point, ...] = ()
    """A line instead of bars: a mean is no amount that grows from the ground."""

    @property
    def line(self) -> str:
        """The line, as SVG spells it."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)


def charts_of(stretches: Sequence[Stretch]) -> list[Chart]:
    """Volume, failures and latency."""
    total = sum(one.conversations for one in stretches)
    failed = sum(one.errors for one in stretches)
    known = [(one, one.latency_ms) for one in stretches if one.latency_ms is not None]
    weight = sum(one.conversations for one, _ in known)
    mean = sum(latency * one.conversations for one, latency in known) / weight if weight else None
    at = [one.at for one in stretches]
    share = f"{100 * failed / total:.0f} %" if total else "none"
    return [
        Chart(
            "Volume",
            f"{total:,}",
            _bars(at, [one.conversations for one in stretches], "{:,.0f}"),
            most=f"{max((one.conversations for one in stretches), default=0):,}",
        ),
        Chart(
            "With errors",
            share,
            _bars(at, [one.errors for one in stretches], "{:,.0f}"),
            is_bad=True,
            most=f"{max((one.errors for one in stretches), default=0):,}",
        ),
        Chart(
            "Latency",
            "unknown" if mean is None else duration_in_words(mean / 1000),
            _bars(at, [one.latency_ms or 0.0 for one in stretches], "{:,.0f} ms"),
            most=duration_in_words(max((latency for _, latency in known), default=0.0) / 1000),
        ),
    ]


def arrivals_chart(minutes: Sequence[int], now: datetime) -> Chart:
    """What came in, minute by minute, the last of which ends now."""
    begun = [now - timedelta(minutes=back) for back in range(len(minutes), 0, -1)]
    bars = _bars(begun, minutes, "{:,.0f}")
    return Chart("Spans and log records, last hour", f"{sum(minutes):,}", bars, most=f"{max(minutes):,}")


def score_charts(stretches: Sequence[Stretch], most: int) -> list[Chart]:
    """The scores that were given most often, each as a line of its means."""
    counts = Counter[str]()
    for one in stretches:
        counts.update({name: graded.count for name, graded in one.scores.items()})
    return [_score_chart(stretches, name) for name, _ in counts.most_common(most)]


def _score_chart(stretches: Sequence[Stretch], name: str) -> Chart:
    given = [(place, one.at, one.scores[name]) for place, one in enumerate(stretches) if name in one.scores]
    count = sum(graded.count for _, _, graded in given)
    is_share = all(graded.is_flag for _, _, graded in given)
    step = 100 / len(stretches)
    measured = [
        Measured(
            step * (place + 0.5),
            graded.mean,
            f"{at:%Y-%m-%d %H:%M} UTC: {score_in_words(graded.mean, is_share)}, given {graded.count:,} times",
        )
        for place, at, graded in given
    ]
    mean = sum(graded.mean * graded.count for _, _, graded in given) / count
    most = score_in_words(max(graded.mean for _, _, graded in given), is_share)
    return Chart(name, score_in_words(mean, is_share), (), points=line_through(measured, is_share=is_share), most=most)


def trend_charts(trend: Sequence[TrendPoint], most: int) -> list[Chart]:
    """Rows that passed and the scores that most rows have, run by run; of what was judged twice at least."""
    runs = list(reversed(trend))
    step = 100 / max(len(runs), 1)
    places = [(step * (place + 0.5), run) for place, run in enumerate(runs)]
    passed = [
        Measured(
            x,
            run.pass_rate,
            f"run {run.execution.number}: {100 * run.pass_rate:.0f} %, {100 * run.low:.0f}–{100 * run.high:.0f} %",
        )
        for x, run in places
        if run.pass_rate is not None and run.low is not None and run.high is not None
    ]
    drawn = [_trend_chart("Rows that passed", passed, is_share=True)] if len(passed) > 1 else []
    counts = Counter[str]()
    for run in runs:
        counts.update({name: one.count for name, one in run.execution.scores.items()})
    for name, _ in counts.most_common(most):
        scored = [(x, run.execution, run.execution.scores[name]) for x, run in places if name in run.execution.scores]
        is_share = all(one.is_flag for _, _, one in scored)
        measured = [
            Measured(
                x,
                one.mean,
                f"run {run.number}: {score_in_words(one.mean, is_share)} of {counted(one.count, 'row')}",
            )
            for x, run, one in scored
        ]
        drawn += [_trend_chart(name, measured, is_share=is_share)] if len(measured) > 1 else []
    return drawn


def _trend_chart(title: str, measured: Sequence[Measured], *, is_share: bool) -> Chart:
    last = score_in_words(measured[-1].value, is_share)
    return Chart(title, last, (), points=line_through(measured, is_share=is_share))


class Measured(NamedTuple):
    """A value that is to be a point of a line."""

    x: float
    """Its place from left to right, of 100."""
    value: float
    """The value."""
    title: str
    """What it says, in words."""


def line_through(measured: Sequence[Measured], *, is_share: bool) -> tuple[Point, ...]:
    """Points from the ground, or what lies below it, up to the greatest value; of shares, up to all."""
    values = [one.value for one in measured]
    least, most = min([0.0, *values]), 1.0 if is_share else max([0.0, *values])
    scale = (HEIGHT - 2 * INSET) / ((most - least) or 1.0)
    return tuple(
        Point(round(one.x, 3), round(HEIGHT - INSET - scale * (one.value - least), 3), one.title) for one in measured
    )


def score_in_words(value: float, is_share: bool) -> str:
    """`83 %` of flags, `4.2` of numbers."""
    return f"{100 * value:.0f} %" if is_share else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _bars(moments: Sequence[datetime], values: Sequence[float], spelled: str) -> tuple[Bar, ...]:
    most, step = max(values, default=0), 100 / max(len(values), 1)
    return tuple(
        Bar(
            x=round(place * step, 3),
            y=round(HEIGHT - height, 3),
            width=round(step * (1 - GAP), 3),
            height=round(height, 3),
            title=f"{at:%Y-%m-%d %H:%M} UTC: {spelled.format(value)}",
        )
        for place, (at, value) in enumerate(zip(moments, values, strict=True))
        if value > 0
        for height in [max(LEAST_HEIGHT, HEIGHT * value / most)]
    )

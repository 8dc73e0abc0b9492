"""Small charts over time, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taketwo.report.words import duration_in_words
from taketwo.store.search import Stretch

HEIGHT = 40.0
LEAST_HEIGHT = 1.5
"""What happened once can be seen beside what happened a thousand times."""
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


def charts_of(stretches: Sequence[Stretch]) -> list[Chart]:
    """Volume, failures and latency."""
    total = sum(one.conversations for one in stretches)
    failed = sum(one.errors for one in stretches)
    known = [(one, one.latency_ms) for one in stretches if one.latency_ms is not None]
    weight = sum(one.conversations for one, _ in known)
    mean = sum(latency * one.conversations for one, latency in known) / weight if weight else None
    share = f"{100 * failed / total:.0f} %" if total else "none"
    return [
        Chart("Conversations", f"{total:,}", _bars(stretches, [one.conversations for one in stretches], "{:,.0f}")),
        Chart("With failed calls", share, _bars(stretches, [one.errors for one in stretches], "{:,.0f}"), is_bad=True),
        Chart(
            "Slowest turn",
            "unknown" if mean is None else duration_in_words(mean / 1000),
            _bars(stretches, [one.latency_ms or 0.0 for one in stretches], "{:,.0f} ms"),
        ),
    ]


def _bars(stretches: Sequence[Stretch], values: Sequence[float], spelled: str) -> tuple[Bar, ...]:
    most, step = max(values, default=0), 100 / max(len(values), 1)
    return tuple(
        Bar(
            x=round(place * step, 3),
            y=round(HEIGHT - height, 3),
            width=round(step * (1 - GAP), 3),
            height=round(height, 3),
            title=f"{stretch.at:%Y-%m-%d %H:%M} UTC: {spelled.format(value)}",
        )
        for place, (stretch, value) in enumerate(zip(stretches, values, strict=True))
        if value > 0
        for height in [max(LEAST_HEIGHT, HEIGHT * value / most)]
    )

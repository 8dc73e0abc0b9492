"""The figures of a call beside those of the recorded one: value, difference, percent; and what was misheard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from taketwo.conversation import Conversation
from taketwo.value import JSON
from taketwo.voice.costs import TOLD
from taketwo.voice.timing import CALL_ENDED, CALL_METRICS, CallMetrics
from taketwo.voice.understanding import UNDERSTOOD, Understood

NAMES: Final[dict[str, tuple[str, str, int]]] = {
    "duration_s": ("call duration", "s", 1),
    "turns": ("turns of speaking", "", 0),
    "mean_latency_ms": ("agent latency, mean", "ms", 0),
    "p50_latency_ms": ("agent latency, p50", "ms", 0),
    "p95_latency_ms": ("agent latency, p95", "ms", 0),
    "user_wpm": ("user words a minute", "", 0),
    "agent_wpm": ("agent words a minute", "", 0),
    "talk_ratio": ("agent's share of talking", "%", 1),
    "user_interruptions": ("user interrupts", "", 0),
    "agent_interruptions": ("agent interrupts", "", 0),
    "mean_stop_ms": ("agent stops after", "ms", 0),
    "silences": ("silences", "", 0),
    "longest_silence_s": ("longest silence", "s", 1),
    "overlap_s": ("talking at once", "s", 1),
    "cost_usd": ("cost", "$", 4),
}
"""Each figure: its name for people, its unit, its decimals."""


class Figure(NamedTuple):
    """One figure of both calls."""

    name: str
    recorded: str
    """As text; a dash where it is not known."""
    replayed: str
    difference: str
    """With its sign; empty where one is not known."""
    percent: str
    """With its sign; empty where one is not known or the recorded one is 0."""


def call_figures(replayed: Conversation) -> list[Figure]:
    """The figures that a replayed call brings with it; none in a text conversation."""
    found = replayed.metadata.get(CALL_METRICS)
    if not isinstance(found, dict):
        return []
    try:
        recorded, now = (msgspec.convert(found[side], CallMetrics) for side in ("recorded", "replayed"))
    except (KeyError, msgspec.ValidationError):  # written by another version
        return []
    figures = [_figure(key, getattr(recorded, key), getattr(now, key)) for key in NAMES]
    return [*_ended(replayed), *figures[:-1], _cost(figures[-1], replayed)]


def _cost(figure: Figure, replayed: Conversation) -> Figure:
    """The cost, where both calls are counted alike; what a platform says of one of them is told and not compared."""
    told = replayed.metadata.get(TOLD)
    if figure.difference:
        aside = f" ({told:.4f} $, as its platform says)" if isinstance(told, int | float) else ""
        return figure._replace(recorded=figure.recorded + aside)
    recorded = f"{told:.4f} $, as its platform says" if isinstance(told, int | float) else figure.recorded
    return figure._replace(recorded=recorded, percent="cannot be compared")


def _ended(replayed: Conversation) -> Iterator[Figure]:
    """Why both calls ended, in the words of whoever says it."""
    found = replayed.metadata.get(CALL_ENDED)
    if isinstance(found, dict):
        was, now = (str(found[side]) if found.get(side) else "–" for side in ("recorded", "replayed"))
        yield Figure("ended because", was, now, "", "")


def misheard(replayed: Conversation) -> Iterator[Understood]:
    """The lines that the agent understood otherwise than the recording has them."""
    found = replayed.metadata.get(UNDERSTOOD)
    for one in found if isinstance(found, list) else ():
        try:
            line = msgspec.convert(one, Understood)
        except msgspec.ValidationError:  # written by another version
            continue
        if line.word_error_rate:
            yield line


def figure_lines(replayed: Conversation) -> Iterator[str]:
    """The figures that differ, and the lines that were understood otherwise, one text each."""
    for one in call_figures(replayed):
        if one.difference and one.recorded != one.replayed:
            percent = f", {one.percent}" if one.percent else ""
            yield f"{one.name}: {one.recorded} → {one.replayed} ({one.difference}{percent})"
    for line in misheard(replayed):
        figures = ", ".join(f"{was or 'nothing'} → {now or 'nothing'}" for was, now in line.figures)
        yield f"turn {line.turn_index + 1} understood as {line.replayed!r}" + (f" ({figures})" if figures else "")


def _figure(key: str, recorded: JSON, replayed: JSON) -> Figure:
    name, unit, decimals = NAMES[key]
    times = 100 if unit == "%" else 1
    difference = percent = ""
    if recorded is not None and replayed is not None:
        difference = _shown((replayed - recorded) * times, unit, decimals, sign="+")
        percent = f"{(replayed - recorded) / recorded * 100:+.0f} %" if recorded else ""
    return Figure(
        name,
        _shown(None if recorded is None else recorded * times, unit, decimals),
        _shown(None if replayed is None else replayed * times, unit, decimals),
        difference,
        percent,
    )


def _shown(value: float | None, unit: str, decimals: int, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign},.{decimals}f}{' ' if unit else ''}{unit}"

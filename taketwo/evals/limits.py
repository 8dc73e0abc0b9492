"""What the agent takes, judged: time, tokens, money."""

from __future__ import annotations

from typing import assert_never

from taketwo.evals.reach import Found, Part, turn_in_words
from taketwo.scenario import Limit, MaxCost, MaxLatency, MaxTokens


def judge_limit(expected: Limit, where: Part) -> Found:
    """Whether it is kept."""
    match expected:
        case MaxLatency():
            return _is_fast(expected.limit, where)
        case MaxTokens():
            tokens = [turn.tokens.output for turn in where.turns]
            return _is_within(
                expected.limit, tokens, "{:.0f} output tokens", "the output tokens of {} are not known", where
            )
        case MaxCost():
            costs = [turn.cost_usd for turn in where.turns]
            return _is_within(expected.limit, costs, "{:.4f} US dollars", "the cost of {} is not known", where)
        case _:
            assert_never(expected)


def _is_fast(limit: float, where: Part) -> Found:
    for turn in where.turns:
        if turn.latency_ms is not None and turn.latency_ms > limit:
            return False, f"{turn_in_words(turn)} took {turn.latency_ms:.0f} ms", turn.index
    unknown = next((turn for turn in where.turns if turn.latency_ms is None), None)
    if unknown is not None:
        return f"the latency of {turn_in_words(unknown)} is not known"
    slowest = max((turn.latency_ms or 0 for turn in where.turns), default=0)
    return where.why_incomplete or (True, f"{slowest:.0f} ms at most", where.turn_index)


def _is_within(
    limit: float, figures: list[int | None] | list[float | None], form: str, unknown: str, where: Part
) -> Found:
    """Whether the sum is; what is known may be too much already."""
    spent = sum(figure for figure in figures if figure is not None)
    if spent > limit:
        return False, form.format(spent), where.turn_index
    if None in figures:
        return unknown.format(turn_in_words(where.turns[figures.index(None)]))
    return where.why_incomplete or (True, form.format(spent), where.turn_index)

"""Figures of a conversation; one code path for both sides of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taketwo.comparison import Metrics
from taketwo.conversation import Call, Conversation, Say, Turn

LATENCY_REASON = (
    "mean_latency_ms: recorded tools took their real time, replayed ones are answered from the recording at once"
)
"""Why latencies are never a pair."""


def measure(conversation: Conversation) -> Metrics:
    """The figures; what is not known of every turn is None."""
    turns = conversation.turns
    tokens = _all_known([turn.tokens.output for turn in turns])
    latencies = _all_known([turn.latency_ms for turn in turns])
    return Metrics(
        turns=len(turns),
        tool_calls=sum(isinstance(step, Call) for turn in turns for step in turn.steps),
        agent_words=sum(_words(turn) for turn in turns),
        output_tokens=None if tokens is None else round(sum(tokens)),
        mean_latency_ms=None if latencies is None else sum(latencies) / len(latencies),
    )


def not_comparable(recorded: Metrics, replayed: Metrics) -> Iterator[str]:
    """Which figures must not be read as a pair, each with the reason."""
    if (recorded.output_tokens is None) != (replayed.output_tokens is None):
        side = "recorded" if recorded.output_tokens is None else "replayed"
        yield f"output_tokens: not known for every {side} turn"
    yield LATENCY_REASON


def _all_known(figures: Sequence[float | None]) -> list[float] | None:
    known = [figure for figure in figures if figure is not None]
    return known if known and len(known) == len(figures) else None


def _words(turn: Turn) -> int:
    said = [len(step.text.split()) for step in turn.steps if isinstance(step, Say)]
    return sum(said) if said or turn.reply is None else len(turn.reply.split())

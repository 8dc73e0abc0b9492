"""A Comparison: two conversations, aligned, and every Change between them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from taketwo.run import StepPlace
from taketwo.value import JSON, Value

ChangeKind: TypeAlias = Literal[
    "call_added",
    "call_lost",
    "arguments_changed",
    "order_changed",
    "result_changed",
    "reply_reworded",
    "reply_missing",
    "reply_added",
    "turn_missing",
    "turn_added",
]

Severity: TypeAlias = Literal["critical", "major", "minor", "wording"]
"""From the gravest: a write; a fact, a promise or an error path; a read; words."""

SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor", "wording")
"""All severities, gravest first."""


class Change(Value):
    """One difference found afterwards."""

    kind: ChangeKind
    """What kind of difference."""
    severity: Severity
    """How grave."""
    summary: str
    """One line for a person: what it was → what it is."""
    recorded_turn: int | None = None
    """Position of the recorded turn, from 0; None where there is none."""
    replayed_turn: int | None = None
    """Position of the replayed turn, from 0; None where there is none."""
    recorded: StepPlace | None = None
    """The recorded step; None where there is none or the whole turn is meant."""
    replayed: StepPlace | None = None
    """The replayed step; None where there is none or the whole turn is meant."""
    tool: str | None = None
    """The tool concerned; None when it is about words."""
    before: JSON = None
    """The recorded value: arguments, result or text."""
    after: JSON = None
    """The replayed value."""


class TurnPair(Value):
    """A recorded and a replayed turn that belong together."""

    recorded: int | None
    """Position of the recorded turn, from 0; None when the replayed one is new."""
    replayed: int | None
    """Position of the replayed turn, from 0; None when the recorded one is missing."""
    steps: tuple[tuple[int | None, int | None], ...] = ()
    """Steps that belong together, by position, recorded first."""


class Metrics(Value):
    """Figures of one conversation; the same code makes both sides of a pair."""

    turns: int
    """Number of turns."""
    tool_calls: int
    """Number of tool calls."""
    agent_words: int
    """Words the agent said."""
    output_tokens: int | None
    """Tokens the model wrote; None unless every turn has them."""
    mean_latency_ms: float | None
    """Mean time from the user's line to the reply; None unless every turn has it."""


class Comparison(Value):
    """Recorded and replayed, aligned, and every change between them."""

    pairs: tuple[TurnPair, ...]
    """The turns, aligned."""
    recorded: Metrics
    """Figures of the recorded conversation."""
    replayed: Metrics
    """Figures of the replayed one."""
    changes: tuple[Change, ...] = ()
    """Every difference, in the order of the conversation."""
    first_divergence: int | None = None
    """Index into `changes` of the first one that is more than wording; None when there is none."""
    not_comparable: tuple[str, ...] = ()
    """Figures that must not be read as a pair, each with the reason."""

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
    "claim_unbacked",
]
"""What can be different. `claim_unbacked`: the agent says that it did what none of its tools did."""

Severity: TypeAlias = Literal["critical", "major", "minor", "wording"]
"""From the gravest: a write; a fact, a promise or an error path; a read; words."""

SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor", "wording")
"""All severities, gravest first."""


FactKind: TypeAlias = Literal[
    "amount",
    "number",
    "percentage",
    "date",
    "time",
    "id",
    "name",
    "promise",
    "refusal",
    "negation",
    "question",
]
"""What a reply can state, promise, refuse or ask."""


class FactChange(Value):
    """One thing that two replies state differently."""

    kind: FactKind
    """What kind of thing."""
    before: str | None
    """As the recorded reply says it; None where it does not."""
    after: str | None
    """As the replayed reply says it; None where it does not."""


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
    facts: tuple[FactChange, ...] = ()
    """What a reply states differently, the gravest first; empty for what is no reply, or only worded differently."""
    wording_similarity: float | None = None
    """How near two wordings are in meaning, from 0 to 1; None where no local model is installed, or it is no reply."""


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
    input_tokens: int | None = None
    """Tokens the model read; None unless every turn has them."""
    cost_usd: float | None = None
    """Cost in US dollars; None unless every turn has it."""
    p50_latency_ms: float | None = None
    """The time from the user's line to the reply that half of the turns keep to; None unless every turn has it."""
    p95_latency_ms: float | None = None
    """The same that 95 % of the turns keep to."""
    mean_first_words_ms: float | None = None
    """Mean time from the user's line to the first words of the agent; None unless the capture tells both moments of
    every turn in which the agent says something."""
    questions: int = 0
    """Questions the agent asked."""
    questions_repeated: int = 0
    """Questions it asked again although it had asked them before."""
    csat: float | None = None
    """How satisfied the user was, as given with the conversation; None when nobody said."""


class Claim(Value):
    """The agent says that it did something, and no tool call bears it out."""

    turn_index: int
    """The turn in which it says so, from 0."""
    act: str
    """What it claims to have done, as one verb: `refund`, `cancel`, …"""
    quote: str
    """The sentence, word by word."""
    why: str
    """What the tools did instead, in words."""
    call: StepPlace | None = None
    """The call that should have done it and failed; None when there was no such call."""


class Cluster(Value):
    """A change that several cases have in common."""

    text: str
    """What the agent does differently: `no longer calls check_status`."""
    severity: Severity
    """The gravest of these changes."""
    cases: tuple[str, ...]
    """The cases, each as `scenario/case`."""


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
    first_sustained_divergence: int | None = None
    """Index into `changes` of the first one that is more than wording and after which the next pair of turns is
    different, too; None when the conversation finds back at once each time."""
    resync: int | None = None
    """Index into `pairs` of the first one after the first divergence from which on nothing but wording is different;
    None when there is no divergence, or the conversations end apart."""
    blast_radius: int = 0
    """In how many pairs of turns something is different that is more than wording."""
    distance: float = 0.0
    """How far apart the two are, from 0 for the same to 1: from 0.5 on they changed the world differently; below, they
    only talked, looked or handed over differently."""
    recorded_claims: tuple[Claim, ...] = ()
    """What the recorded agent claims to have done without having done it."""
    replayed_claims: tuple[Claim, ...] = ()
    """What the replayed agent claims to have done without having done it."""

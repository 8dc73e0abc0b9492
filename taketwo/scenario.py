"""A Scenario and its Cases: conversations frozen into tests, each with its own copy of all that it needs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from taketwo.conversation import Conversation
from taketwo.value import JSON, Value

FORMAT_VERSION = 1
"""Version of the scenario file; every older one can be upgraded (freeze/upgrades.py)."""


class MustCall(Value, tag_field="check", tag="must_call"):
    """The agent must call this tool."""

    tool: str
    """Name of the tool."""
    turn: int | None = None
    """In this turn, counted from 1; None for anywhere in the conversation."""
    arguments: dict[str, JSON] | None = None
    """Arguments that the call must have, others may be there too; None for any."""
    times: int | None = None
    """Exactly so often; None for at least once."""


class MustNotCall(Value, tag_field="check", tag="must_not_call"):
    """The agent must not call this tool."""

    tool: str
    """Name of the tool."""
    turn: int | None = None
    """In this turn, counted from 1; None for anywhere in the conversation."""
    arguments: dict[str, JSON] | None = None
    """Only a call with these arguments is forbidden; None for any."""


class MustSay(Value, tag_field="check", tag="must_say"):
    """The agent must say this."""

    text: str
    """Words that must occur, upper and lower case alike; `/…/` for a regular expression."""
    turn: int | None = None
    """In the reply of this turn, counted from 1; None for any turn."""


class MustNotSay(Value, tag_field="check", tag="must_not_say"):
    """The agent must not say this."""

    text: str
    """Words that must not occur, upper and lower case alike; `/…/` for a regular expression."""
    turn: int | None = None
    """In the reply of this turn, counted from 1; None for any turn."""


class ReplyMatchesSchema(Value, tag_field="check", tag="reply_matches_schema"):
    """The reply must be JSON that fits a JSON Schema."""

    json_schema: dict[str, JSON]
    """The JSON Schema."""
    turn: int | None = None
    """The reply of this turn, counted from 1; None for every turn."""


class ArgumentsMatchSchema(Value, tag_field="check", tag="arguments_match_schema"):
    """The arguments of every call of a tool must fit a JSON Schema."""

    tool: str
    """Name of the tool."""
    json_schema: dict[str, JSON]
    """The JSON Schema."""


class MaxLatency(Value, tag_field="check", tag="max_latency_ms"):
    """No turn may take longer."""

    limit: float
    """Milliseconds from the user's line to the reply."""
    turn: int | None = None
    """Only this turn, counted from 1; None for every turn."""


class MaxTokens(Value, tag_field="check", tag="max_output_tokens"):
    """The agent may not write more tokens."""

    limit: int
    """Output tokens: of the turn if one is named, else of the whole conversation."""
    turn: int | None = None
    """Only this turn, counted from 1; None for the whole conversation."""


Expectation: TypeAlias = (
    MustCall | MustNotCall | MustSay | MustNotSay | ReplyMatchesSchema | ArgumentsMatchSchema | MaxLatency | MaxTokens
)


class Origin(Value):
    """Where a case came from."""

    kind: Literal["recorded", "synthetic"] = "recorded"
    """`recorded` in production, or `synthetic`: made from a recorded one."""
    conversation: str | None = None
    """Id of the conversation it was frozen from; None when it was written by hand."""
    project: str | None = None
    """Project of that conversation."""
    recorded_at: datetime | None = None
    """When that conversation took place, UTC."""
    frozen_at: datetime | None = None
    """When it was frozen, UTC."""
    made_by: str | None = None
    """How a synthetic case was made from its source, such as `typos` or `persona terse`; None for a recorded one."""
    changed: tuple[str, ...] = ()
    """What was changed in a synthetic case, one line a place."""


class FloorChange(Value):
    """A change that the unchanged agent shows by itself."""

    kind: str
    """Kind of the change, as in a comparison."""
    tool: str | None = None
    """The tool concerned; None when it is about words."""
    turn: int | None = None
    """The recorded turn, counted from 1; None where there is none."""
    seen: int = 1
    """In how many of the runs it was seen."""


class Floor(Value):
    """How the unchanged agent varies by itself on this case: what is within that is no regression."""

    agent: str
    """SPEC of the agent it was learned from."""
    learned_at: datetime
    """When, UTC."""
    expires_at: datetime
    """From when on it no longer counts, UTC: models and tools drift."""
    runs: int
    """How many replays came to a conclusion."""
    passed: int
    """How many of them passed."""
    changes: tuple[FloorChange, ...] = ()
    """What changed in them although nothing was changed."""


class Case(Value):
    """One conversation frozen into a test; a row of a scenario."""

    id: str
    """Unique inside its scenario; part of the test's name."""
    recorded: Conversation
    """The user's lines, the tool world and the replies, without the spans they were read from."""
    why: str | None = None
    """Why the case exists, in a person's words."""
    tags: tuple[str, ...] = ()
    """Words to select it by."""
    origin: Origin = Origin()
    """Where it came from."""
    expected: tuple[Expectation, ...] = ()
    """What must and must not happen; without any, what changed is shown and a person decides."""
    least_fidelity: float | None = None
    """Below this fidelity of a replay, from 0 to 1, its verdict is inconclusive; None for the usual bound."""
    floor: Floor | None = None
    """How the unchanged agent varies by itself; None where that was not learned."""


class Scenario(Value):
    """Cases that belong together, and where each came from."""

    name: str
    """Its name."""
    cases: tuple[Case, ...] = ()
    """The cases in order."""
    description: str | None = None
    """What it is about, in a person's words."""

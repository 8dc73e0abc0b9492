"""A Run: one replay of one case against one agent."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from taketwo.conversation import Conversation
from taketwo.value import JSON, Value

Rung: TypeAlias = Literal["recorded", "reordered", "facts", "simulated", "unanswerable"]
"""What answered a user turn, from the surest to none."""

Tier: TypeAlias = Literal["exact", "canonical", "volatile", "state", "synthesised", "live", "agent", "miss"]
"""What answered a tool call. `live`: the real tool ran, as asked for; `agent`: the agent brought the result itself;
`miss`: nothing did."""

DivergenceKind: TypeAlias = Literal[
    "tool_missed",
    "tool_reused",
    "write_repeated",
    "call_out_of_order",
    "calls_left_out",
    "agent_failed",
    "agent_silent",
]
"""How a replay leaves the recording. `write_repeated`: a write was made more often than recorded, and got the recorded
answer once more."""


NO_ANSWER = "has no answer for these arguments in this replay"
"""What an agent reads of a call that nothing recorded answers: no word of the tool."""


class StepPlace(Value):
    """A step of a conversation by position."""

    turn_index: int
    """Position of the turn, from 0."""
    step_index: int
    """Position of the step inside the turn, from 0."""


class Evidence(Value):
    """A stretch of a recorded user line."""

    turn_index: int
    """The recorded turn, from 0."""
    start: int
    """Where it begins in the line, in characters from 0."""
    end: int
    """Where it ends."""


class UserAnswer(Value):
    """What answered one user turn of a replay."""

    turn_index: int
    """Position of the turn in the replayed conversation, from 0."""
    rung: Rung
    """Which rung of the ladder."""
    reason: str
    """Why that rung, in words."""
    recorded_turn_index: int | None = None
    """The recorded turn whose line was used; None when no single one was."""
    evidence: tuple[Evidence, ...] = ()
    """What in the recording it rests on; empty in mode `verbatim`, which takes the next line unseen."""


class Miss(Value):
    """Why nothing recorded answers a tool call."""

    kind: Literal["never_recorded", "other_arguments", "used_up", "after_divergence"]
    """The tool was never recorded; only with other arguments; not as often as it is called now; or only for a past that
    this replay has left."""
    nearest: StepPlace | None = None
    """The recorded call that comes nearest; None when the tool was never recorded."""
    nearest_arguments: dict[str, JSON] | None = None
    """Arguments of that call."""
    differences: tuple[str, ...] = ()
    """What differs, one line an argument, such as `amount: recorded 20, asked 25`."""


class ToolAnswer(Value):
    """What answered one tool call of a replay."""

    place: StepPlace
    """The call in the replayed conversation."""
    tier: Tier
    """Which tier."""
    recorded: StepPlace | None = None
    """The recorded call whose result was given; None for a miss, a live call or the agent's own result."""
    recorded_in: str | None = None
    """Id of the other conversation that this recorded call stands in; None when it stands in the case's own."""
    reused: bool = False
    """Whether that recorded call had already answered another one."""
    confidence: float | None = None
    """How sure it is that the tool would have answered so, from 0 to 1; None for a miss, a live call or the agent's own
    result."""
    why: str | None = None
    """How the answer was found, in words; None where the arguments were simply the same."""
    made_by: str | None = None
    """Who made an answer that no recording gives: `person`, a stub's or a model's name; None for all others."""
    miss: Miss | None = None
    """Why nothing answers; None unless the tier is `miss`."""


class Divergence(Value):
    """One place where a replay left the recording, noticed while it ran."""

    kind: DivergenceKind
    """What happened."""
    turn_index: int
    """Position of the turn in the replayed conversation, from 0."""
    why: str
    """The difference, in words."""
    step_index: int | None = None
    """Position of the step; None when it concerns the whole turn."""


class Ending(Value):
    """How a replay ended."""

    reason: Literal["completed", "missed", "unanswerable", "agent_failed", "timed_out", "cancelled"]
    """`completed`: every user line was said and answered; `missed`: a tool call had no recorded answer;
    `unanswerable`: the recording holds no answer for the agent's question; the others speak for themselves."""
    detail: str | None = None
    """What happened, in words; None when completed."""
    turn_index: int | None = None
    """The turn it ended in, from 0; None when completed."""


class Fidelity(Value):
    """How far a run can be trusted to be the recorded conversation, met by another agent. Parts are from 0 to 1."""

    score: float
    """The one number, from 0 to 1; docs/fidelity.md has the formula."""
    user: float | None = None
    """How sure the user's lines are; None when the user said nothing."""
    tools: float | None = None
    """How sure the answers of the tools are, those from the state of the world left out; None without any."""
    state: float | None = None
    """How sure the answers from the state of the world are, and no surer than a write made more often than recorded;
    None without any."""
    clock: float | None = None
    """Whether the agent is told the recorded date; None when the recording has none."""
    prefix: float | None = None
    """Share of the turns that went as recorded before the first that did not; None without any turn."""
    chance: dict[str, int | None] = {}
    """The seed that each of those who draw by chance was given, by who it is: `model` (the agent's), `user` (the model
    that plays the user), `random` and `numpy` (those of a Python agent); None for one that takes no seed. Empty where
    nothing takes one from here. It is told, and not counted."""
    rungs: dict[Rung, int] = {}
    """How many user turns each rung answered."""
    tiers: dict[Tier, int] = {}
    """How many tool calls each tier answered; the agent's own are left out."""
    common_turns: int = 0
    """How many turns went as recorded before the first that did not."""


class Run(Value):
    """One replay of one case against one agent: the new conversation, and what answered each turn and call."""

    id: str
    """Unique."""
    case_id: str
    """The case that was replayed."""
    agent: str
    """The agent's SPEC as given."""
    started_at: datetime
    """When it began, UTC."""
    ended_at: datetime
    """When it ended, UTC."""
    conversation: Conversation
    """What was said and done."""
    ending: Ending
    """How it ended."""
    attempt: int = 1
    """Number of this replay among those of the same case, from 1."""
    revision: str | None = None
    """Git revision of the agent's code; None when not known."""
    user_answers: tuple[UserAnswer, ...] = ()
    """What answered each user turn, in order."""
    tool_answers: tuple[ToolAnswer, ...] = ()
    """What answered each tool call, in order."""
    divergences: tuple[Divergence, ...] = ()
    """Where it left the recording, in order."""
    held_turns: int = 0
    """How many turns at its beginning are the recorded ones: the agent acted only after them."""
    fidelity: Fidelity | None = None
    """How far it can be trusted; None in runs of versions that did not measure it."""
    settings: dict[str, JSON] = {}
    """How it was replayed: modes, limits, overrides."""

    @property
    def cut_short_in(self) -> int | None:
        """The turn in which it stopped before its end, from 0; None when it came to its end."""
        return None if self.ending.reason == "completed" else self.ending.turn_index

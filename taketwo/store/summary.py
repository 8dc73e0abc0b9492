"""What a listing shows: one row a conversation, a trace or a suite."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from taketwo.conversation import Conversation
from taketwo.select.fields import FIELDS, Number, tags
from taketwo.value import JSON, Value, cut_to

SAID_CHARACTERS = 200
"""How much of the first line a summary keeps: a line may be as long as a book."""


class ConversationSummary(Value):
    """One conversation in a listing."""

    id: str
    """The conversation's id."""
    project: str
    """Its project."""
    session_id: str | None
    """The session that the sender named; None when it named none."""
    user_id: str | None
    """The user that the sender named; None when it named none."""
    channel: Literal["text", "voice"]
    """How they talked."""
    started_at: datetime | None
    """Start of the first turn, UTC; None when unknown."""
    ended_at: datetime | None
    """End of the last turn, UTC; None when unknown."""
    agent: str | None
    """Name of the agent; None when unknown."""
    model: str | None
    """The model that answered; None when unknown."""
    turns: int
    """Number of turns."""
    calls: int
    """Number of tool calls."""
    tools: tuple[str, ...]
    """Names of the tools that were called, in order of the alphabet."""
    errors: int
    """Number of tool calls that failed."""
    gaps: int
    """Number of things that the capture does not say."""
    said: str | None
    """Beginning of the user's first line; None when the user said nothing."""
    latency_ms: float | None = None
    """Milliseconds of the slowest turn; None when not one is known."""
    tokens: int | None = None
    """Tokens that the model read and wrote, in all; None when not one count is known."""
    cost_usd: float | None = None
    """Cost in US dollars, in all; None when not one is known."""
    unanswered: bool = False
    """Whether it ended without an answer."""
    tags: tuple[str, ...] = ()
    """Tags that the application put on it."""
    scores: dict[str, JSON] = {}
    """Its scores, those of feedback too."""
    cursor: str = ""
    """Where a listing goes on after this row; empty outside a listing."""


class TraceSummary(Value):
    """One trace in a listing."""

    id: str
    """The trace id, 32 hex digits."""
    project: str
    """Its project."""
    conversations: tuple[str, ...]
    """Ids of the conversations that it belongs to; more than one where its spans name several sessions."""
    started_at: datetime | None
    """Start of its earliest span, UTC; None when no span says."""
    ended_at: datetime | None
    """End of its latest span, UTC; None when no span says."""
    spans: int
    """Number of spans."""
    errors: int
    """Number of spans with an error status."""
    cursor: str = ""
    """Where a listing goes on after this row; empty outside a listing."""


class SuiteSummary(Value):
    """One run of a suite in a listing."""

    id: str
    """Its id."""
    started_at: datetime
    """When its first result was kept, UTC."""
    ended_at: datetime
    """When its last result was kept, UTC."""
    counts: dict[str, int]
    """How many results of each verdict."""


def summarise(conversation: Conversation) -> ConversationSummary:
    """The row that stands for a conversation in a listing."""
    calls = [call for _, _, call in conversation.calls()]
    said = next((turn.user.text for turn in conversation.turns if turn.user), None)
    return ConversationSummary(
        id=conversation.id,
        project=conversation.project,
        session_id=conversation.session_id,
        user_id=conversation.user_id,
        channel=conversation.channel,
        started_at=conversation.started_at,
        ended_at=conversation.ended_at,
        agent=conversation.agent.name,
        model=conversation.agent.model,
        turns=len(conversation.turns),
        calls=len(calls),
        tools=tuple(sorted({call.tool for call in calls})),
        errors=sum(call.error is not None for call in calls),
        gaps=len(conversation.gaps),
        latency_ms=_number("latency", conversation),
        tokens=None if (tokens := _number("tokens", conversation)) is None else int(tokens),
        cost_usd=_number("cost", conversation),
        unanswered=bool(conversation.turns) and conversation.turns[-1].reply is None,
        tags=tuple(dict.fromkeys(tags(conversation))),
        scores=conversation.outcome.scores,
        said=None if said is None else cut_to(said, SAID_CHARACTERS),
    )


def _number(name: str, conversation: Conversation) -> float | None:
    """The figure that a filter of that name asks for."""
    field = FIELDS[name]
    assert isinstance(field, Number)  # asked for those only
    return field.number(conversation)

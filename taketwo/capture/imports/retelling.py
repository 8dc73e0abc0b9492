"""Transcripts in forms of their own, told once more as chats: every step knows where it stood and when it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, assert_never

from taketwo.capture.chat_messages import conversation_from_messages
from taketwo.capture.chat_spelling import METADATA_KEY
from taketwo.capture.imports.moment_texts import nanoseconds
from taketwo.capture.moments import moment
from taketwo.conversation import Agent, Call, Conversation, Gap, Outcome, Say, Source, Step, Tokens, Turn
from taketwo.value import JSON, canonical_json

_PLACE: Final = "messages["


class Told(NamedTuple):
    """A message in OpenAI chat form, with what its own form said besides."""

    message: dict[str, JSON]
    """The message, in our own spelling where its form has no letters to keep."""
    place: str
    """Where it stands in its file's record."""
    at: datetime | None = None
    """When it was; None when the file does not say."""
    failed: bool = False
    """Whether the tool result that it is is marked as an error."""
    tokens: Tokens = Tokens()
    """What the model read and wrote for it."""
    cost_usd: float | None = None
    """What it cost; None when the file does not say."""
    calls: Mapping[str, tuple[str, datetime | None]] = {}
    """Place and moment of its calls by their ids, where the file has them apart from the message."""


def told_conversation(
    told: Sequence[Told],
    *,
    rule: str,
    id: str,
    agent: Agent | None = None,
    outcome: Outcome | None = None,
    gaps: Sequence[Gap] = (),
    metadata: dict[str, JSON] | None = None,
) -> Conversation:
    """The conversation of these messages; `rule` names the form that they had."""
    conversation = conversation_from_messages(
        [each.message for each in told], id=id, agent=agent, outcome=outcome, gaps=gaps, metadata=metadata
    )
    results = _results(told)
    moments = [each.at for each in told if each.at is not None]
    return conversation.but(
        turns=tuple(_turn(turn, rule, told, results) for turn in conversation.turns),
        started_at=min(moments, default=None),
        ended_at=max(moments, default=None),
        metadata=_without_spelling(conversation.metadata),
    )


def moment_of(value: JSON) -> datetime | None:
    """The moment in any spelling that `nanoseconds` reads; None where it is none or out of this world."""
    try:
        return moment(nanoseconds(value))
    except (ValueError, OverflowError):
        return None


def _without_spelling(metadata: dict[str, JSON]) -> dict[str, JSON]:
    """The metadata without the letters of chat messages that no file had, except whole messages without a place."""
    kept = metadata.get(METADATA_KEY)
    if isinstance(kept, dict) and kept.get("other"):
        return metadata
    return {key: value for key, value in metadata.items() if key != METADATA_KEY}


def _results(told: Iterable[Told]) -> dict[JSON, deque[Told]]:
    """The tool results by the id of their call, in order."""
    found: dict[JSON, deque[Told]] = {}
    for each in told:
        if each.message.get("role") == "tool" and isinstance(call_id := each.message.get("tool_call_id"), str | None):
            found.setdefault(call_id, deque()).append(each)
    return found


def _turn(turn: Turn, rule: str, told: Sequence[Told], results: dict[JSON, deque[Told]]) -> Turn:
    steps = tuple(_step(step, rule, told, results) for step in turn.steps)
    spoken = [told[position] for position in dict.fromkeys(_position(step.source) for step in turn.steps)]
    user = turn.user
    if user is not None:
        origin = told[_position(user.source)]
        user = user.but(at=origin.at, source=Source(rule=rule, place=origin.place))
    costs = [each.cost_usd for each in spoken if each.cost_usd is not None]
    return turn.but(
        user=user,
        steps=steps,
        latency_ms=_between(user.at if user else None, steps[-1].at if turn.reply is not None else None),
        tokens=Tokens(
            input=_sum(each.tokens.input for each in spoken), output=_sum(each.tokens.output for each in spoken)
        ),
        cost_usd=sum(costs) if costs else None,
    )


def _step(step: Step, rule: str, told: Sequence[Told], results: dict[JSON, deque[Told]]) -> Step:
    origin = told[_position(step.source)]
    match step:
        case Say():
            return step.but(at=origin.at, source=Source(rule=rule, place=origin.place))
        case Call():
            place, at = origin.calls.get(step.call_id or "", (origin.place, origin.at))
            answered = results.get(step.call_id) if step.result is not None else None
            call = step.but(at=at, source=Source(rule=rule, place=place))
            return _answered(call, answered.popleft()) if answered else call
        case _:
            assert_never(step)


def _answered(call: Call, result: Told) -> Call:
    """The call with how long its tool took, and with an error where its result is one."""
    call = call.but(latency_ms=_between(call.at, result.at))
    if not result.failed:
        return call
    return call.but(result=None, error=call.result if isinstance(call.result, str) else canonical_json(call.result))


def _position(source: Source | None) -> int:
    """The position of the message that a chat's source names."""
    if source is None or source.place is None or not source.place.startswith(_PLACE):
        raise ValueError("a step of a chat names its message")
    return int(source.place[len(_PLACE) : -1])


def _between(one: datetime | None, other: datetime | None) -> float | None:
    """Milliseconds from one moment to another; None where one is missing, or they are the wrong way round."""
    if one is None or other is None or other < one:
        return None
    return (other - one).total_seconds() * 1000


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None

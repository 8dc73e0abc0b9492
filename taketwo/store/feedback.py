"""What people and programs thought of a conversation afterwards: scores and feedback."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.value import JSON, Value


class Feedback(Value):
    """One score. The same name from the same giver for the same turn replaces the one before."""

    name: str
    """What is judged: `csat`, `helpful`, …"""
    value: bool | float | str
    """The judgement: a flag, a number, or a word such as `good`."""
    turn: int | None = None
    """Position of the turn that is meant, from 0; None for the conversation as a whole."""
    comment: str | None = None
    """What was said about it; None when nothing was."""
    given_by: str = "user"
    """Who judges: `user`, `reviewer`, the name of an evaluator, …"""
    at: datetime | None = None
    """When it was given, UTC; None when nobody said."""


def with_scores(conversation: Conversation, given: Iterable[tuple[str, Feedback]]) -> Conversation:
    """The conversation with its feedback among the scores, the latest of a name; with each the id it was given to.

    A judge's is there only where no person gave one of that name. What was said of a trace before that turned out to be
    a part of a conversation is said of its turn.
    """
    scores: dict[str, JSON] = {}
    given = list(given)
    comments = [one.comment for _, one in given if one.comment]
    for id, one in sorted(given, key=lambda pair: not _is_a_judges(pair[1])):
        turn = one.turn
        if id != conversation.id:
            turn = next((each.index for each in conversation.turns if each.trace_id == id), None)
        scores[one.name if turn is None else f"turns[{turn}].{one.name}"] = one.value
    if not scores:
        return conversation
    outcome = conversation.outcome
    return conversation.but(outcome=outcome.but(scores={**outcome.scores, **scores}, comments=tuple(comments)))


def meant(given: Feedback, id: str, conversation: Conversation) -> Feedback:
    """Feedback with the turn that is meant: that of the trace, where it was given to a trace. Raises NotFound."""
    turns = [turn.index for turn in conversation.turns]
    if given.turn is None and id != conversation.id:
        of_trace = [turn.index for turn in conversation.turns if turn.trace_id == id.lower()]
        return given.but(turn=of_trace[0]) if len(of_trace) == 1 else given
    if given.turn is not None and given.turn not in turns:
        raise NotFound(
            f"there is no turn {given.turn} in {conversation.id!r}",
            where="turn",
            todo=f"turns count from 0, and there are {len(turns)}",
        )
    return given


def _is_a_judges(given: Feedback) -> bool:
    """Judges sign with their name and version, `csat/1 MODEL`."""
    return given.given_by.startswith(f"{given.name}/")


def names_of(conversation: Conversation) -> list[str]:
    """The ids under which its feedback may have been given."""
    traces = (turn.trace_id for turn in conversation.turns if turn.trace_id is not None)
    return list(dict.fromkeys((conversation.id, *traces)))

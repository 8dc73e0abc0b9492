"""The spans of one session to the conversation that they are about, with a gap for all that they do not say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from taketwo.capture.grown import Grown
from taketwo.capture.moments import moment
from taketwo.capture.speakers import agent_of, gaps_of_agent, other_agents
from taketwo.capture.trace_tree import Seen
from taketwo.capture.turns import Draft
from taketwo.conversation import Conversation, Gap, Outcome, Turn
from taketwo.span import LogRecord, Span
from taketwo.value import JSON


def reconstruct(
    spans: Iterable[Span],
    logs: Iterable[LogRecord] = (),
    *,
    project: str = "default",
    session_id: str | None = None,
) -> Conversation:
    """The conversation in the spans and log records of one session, whatever order they came in.

    `session_id` is the session they were filed under, when that is known better than from the spans themselves.
    A conversation without turns means that no span tells of one. Never raises for what is in the spans.
    """
    found = Grown()
    found.add(spans, logs)
    return tell(found, project=project, session_id=session_id)


def tell(found: Grown, *, project: str = "default", session_id: str | None = None) -> Conversation:
    """The conversation in all the traces that were added; see `reconstruct`."""
    about, story = found.about, found.story
    story.tell(found.transcript, found.known, found.ran)
    turns, built = story.turns, story.told
    session = session_id or about.session_id
    placed = [each for turn in turns for each in turn.speakers]
    calls = [each.call for each in placed]
    agent = agent_of(placed)
    return Conversation(
        id=session or about.trace_id or "",
        project=project,
        session_id=session,
        user_id=about.user_id,
        channel="voice" if about.has_voice or about.heard.recording else "text",
        started_at=_started(built, turns),
        ended_at=_ended(turns),
        agent=agent,
        turns=built,
        outcome=Outcome(ended_reason=about.ended_reason, scores=dict(about.scores)),
        gaps=(*story.gaps, *about.unread, *_gaps(turns), *gaps_of_agent(agent, built, calls), *about.heard.gaps()),
        metadata=about.metadata
        | about.heard.metadata()
        | other_agents(turns)
        | _side_information(turns, story.by_code),
    )


def _started(built: Sequence[Turn], turns: Sequence[Draft]) -> datetime | None:
    first = next((turn.user.at for turn in built if turn.user is not None and turn.user.at), None)
    starts = [turn.first_ns for turn in turns if turn.first_ns]
    call = moment(min(starts)) if starts else None
    return min(first, call) if first and call else first or call


def _ended(turns: Sequence[Draft]) -> datetime | None:
    ends = [turn.last_ns for turn in turns if turn.calls]
    return moment(max(ends)) if ends else None


def _gaps(turns: Sequence[Draft]) -> list[Gap]:
    """What was lost before the turns."""
    first = next((each for turn in turns for each in turn.calls), None)
    if first is not None and first.call.reading.request_lacks == "head" and not first.trimmed:
        return [Gap(where="turns[0]", why="what was said before was dropped by the sender's limit on attributes")]
    return []


def _side_information(turns: Sequence[Draft], by_code: Iterable[Seen]) -> dict[str, JSON]:
    """What is no step of the agent but part of what happened.

    Tools that the application called by itself, and turns in which the model was not told all that had been said.
    """
    listed: list[JSON] = []
    for seen in by_code:
        ran = seen.reading.execution
        if ran is not None:
            listed.append({"tool": ran.name, "arguments": ran.arguments, "span_id": seen.span.span_id})
    trimmed: list[JSON] = [index for index, turn in enumerate(turns) if turn.trimmed]
    told = {"called_by_code": listed, "context_trimmed": trimmed}
    return {name: value for name, value in told.items() if value}

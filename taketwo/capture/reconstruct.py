"""The spans of one session to the conversation that they are about, with a gap for all that they do not say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import is_

from taketwo.capture.dialects.loose_json import loosely
from taketwo.capture.executions import executions, matched
from taketwo.capture.grown import OWN, Grown, Told
from taketwo.capture.identity import session_named, user_named
from taketwo.capture.moments import moment
from taketwo.capture.speakers import agent_of, gaps_of_agent, other_agents
from taketwo.capture.steps import Notes, told_by, turn_of
from taketwo.capture.talk import choose
from taketwo.capture.trace_tree import Seen
from taketwo.capture.turns import Draft, drafts, insert_unasked, number_messages
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
    grown = Grown()
    grown.add(spans, logs)
    return tell(grown, project=project, session_id=session_id)


def tell(grown: Grown, *, project: str = "default", session_id: str | None = None) -> Conversation:
    """The conversation in all the traces that were added; see `reconstruct`."""
    found = grown.found
    turns, by_code = _talk(grown)
    notes = Notes()
    built = tuple(_turn(grown, turn, index, notes) for index, turn in enumerate(turns))
    session = session_id or _session(found)
    calls = [each.call for turn in turns for each in turn.calls]
    agent = agent_of(calls)
    return Conversation(
        id=session or (found[0].span.trace_id if found else ""),
        project=project,
        session_id=session,
        user_id=_user(found),
        channel="voice" if any(seen.reading.voice for seen in found) else "text",
        started_at=_started(built, turns),
        ended_at=_ended(turns),
        agent=agent,
        turns=built,
        outcome=Outcome(ended_reason=_ended_reason(found), scores=_scores(found)),
        gaps=(*notes.gaps, *_gaps(found, turns), *gaps_of_agent(agent, built, calls)),
        metadata=_metadata(found) | other_agents(turns) | _side_information(turns, by_code),
    )


def _talk(grown: Grown) -> tuple[list[Draft], list[Seen]]:
    """The talk in all model calls as turns, and the tools that no model asked for."""
    path = choose(grown.transcript, grown.known)
    turns = drafts(path, grown.transcript.placed)
    asked = [node for node in path if node.utterance.kind == "call"]
    spans, unasked = matched(asked, executions(grown.found))
    for turn in turns:
        for item in turn.items:
            item.ran = spans.get(id(item.node))
        turn.items = [item for item in turn.items if item.ran is not None or not item.is_nameless]
    by_code = insert_unasked(turns, unasked)
    for turn in turns:
        number_messages(turn)
    return turns, by_code


def _turn(grown: Grown, draft: Draft, index: int, notes: Notes) -> Turn:
    """The turn at that index, as it was told last where it would be told out of the very same things."""
    things = told_by(draft)
    there = grown.told.get(index)
    if there is None or len(there.by) != len(things) or not all(map(is_, there.by, things)):
        own = Notes()
        there = grown.told[index] = Told(things, turn_of(draft, index, own), own.gaps)
    notes.gaps.extend(there.gaps)
    return there.turn


def _session(found: Sequence[Seen]) -> str | None:
    """The session that the spans name under the surest key."""
    named = [name for seen in found if (name := session_named(seen.span.attributes)) is not None]
    named = named or [name for seen in found if (name := session_named(seen.span.resource)) is not None]
    named = named or [n for seen in found for e in seen.span.events if (n := session_named(e.attributes)) is not None]
    return min(named, key=lambda pair: pair[0])[1] if named else None


def _user(found: Sequence[Seen]) -> str | None:
    """The user that the spans name, else their events and log records."""
    named = (user_named(seen.span.attributes) for seen in found)
    in_events = (user_named(event.attributes) for seen in found for event in seen.span.events)
    return next((name for name in named if name), None) or next((name for name in in_events if name), None)


def _started(built: Sequence[Turn], turns: Sequence[Draft]) -> datetime | None:
    first = next((turn.user.at for turn in built if turn.user is not None and turn.user.at), None)
    starts = [each.call.span.start_ns for turn in turns for each in turn.calls if each.call.span.start_ns > 0]
    call = moment(min(starts)) if starts else None
    return min(first, call) if first and call else first or call


def _ended(turns: Sequence[Draft]) -> datetime | None:
    ends = [each.call.span.end_ns for turn in turns for each in turn.calls]
    return moment(max(ends)) if ends else None


def _ended_reason(found: Iterable[Seen]) -> str | None:
    return next((r for seen in found if isinstance(r := seen.reading.metadata.get("ended_reason"), str)), None)


def _scores(found: Iterable[Seen]) -> dict[str, JSON]:
    """Evaluations that were sent along as events."""
    scores: dict[str, JSON] = {}
    for seen in found:
        for event in seen.span.events:
            name = event.attributes.get("gen_ai.evaluation.name")
            if event.name == "gen_ai.evaluation.result" and isinstance(name, str):
                value = event.attributes.get("gen_ai.evaluation.score.value")
                scores[name] = event.attributes.get("gen_ai.evaluation.score.label") if value is None else value
    return scores


def _gaps(found: Iterable[Seen], turns: Sequence[Draft]) -> list[Gap]:
    """What was lost around the turns."""
    calls = [each for turn in turns for each in turn.calls]
    unread = ((seen.span.span_id, seen.reading.unread) for seen in found)
    gaps = [Gap(where="turns", why=f"span {span_id}: {why}") for span_id, why in unread if why is not None]
    first = calls[0] if calls else None
    if first is not None and first.call.reading.request_lacks == "head" and not first.trimmed:
        gaps.append(Gap(where="turns[0]", why="what was said before was dropped by the sender's limit on attributes"))
    return gaps


_NOT_OWN = ("session_id", "user_id", "thread_id", "sessionId", "userId", "threadId", "_integration", "_agent_name")
_KEPT = ("service.name", "service.version", "deployment.environment.name", "deployment.environment", "langfuse.release")


def _metadata(found: Sequence[Seen]) -> dict[str, JSON]:
    """What the sender says about the whole, under its own names."""
    kept: dict[str, JSON] = {}
    for seen in found:
        for key in _KEPT:
            if seen.span.resource.get(key) is not None:
                kept.setdefault(key, seen.span.resource[key])
        for key, value in seen.reading.metadata.items():
            kept.setdefault(key, value)
        if seen.parent is None:
            _keep_own(seen.span, kept)
    kept.pop("ended_reason", None)
    return kept


def _keep_own(span: Span, kept: dict[str, JSON]) -> None:
    """What the application itself put on the topmost spans, such as tags, a plan or an experiment."""
    for key, value in span.attributes.items():
        if key.startswith(OWN) and not key.endswith(_NOT_OWN) and value is not None:
            kept.setdefault(key, loosely(value))


def _side_information(turns: Sequence[Draft], by_code: Iterable[Seen]) -> dict[str, JSON]:
    """What is no step of the agent but part of what happened.

    Tools that the application called by itself, and turns in which the model was not told all that had been said.
    """
    listed: list[JSON] = []
    for seen in by_code:
        ran = seen.reading.execution
        if ran is not None:
            listed.append({"tool": ran.name, "arguments": ran.arguments, "span_id": seen.span.span_id})
    trimmed: list[JSON] = [index for index, turn in enumerate(turns) if any(each.trimmed for each in turn.calls)]
    told = {"called_by_code": listed, "context_trimmed": trimmed}
    return {name: value for name, value in told.items() if value}

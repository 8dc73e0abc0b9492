"""Selected conversations: found, copied, and accounted for one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from taketwo.canonical import canonical
from taketwo.conversation import Conversation
from taketwo.errors import AlreadyThere, NotFound, NotUnique
from taketwo.sdk.api.replay_sessions import LeftOutBecause, ReplayType, SelectedConversation
from taketwo.select.filters import Filter, parse
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.store.summary import ConversationSummary, summarise
from taketwo.value import Value, canonical_json, content_hash

TURN = re.compile(r"turns\[(\d+)\]")
"""How the place of a gap and the name of a score begin that are about a turn."""


class Selection(Value):
    """What a replay session selected, by id."""

    replay_session_id: str
    """The replay session."""
    project: str
    """Its project."""
    ids: tuple[str, ...]
    """Ids of conversations or traces, each once, in order."""


class Selected(Value):
    """One selected conversation as it was looked at."""

    replay_session_id: str
    """The replay session."""
    project: str
    """Its project."""
    conversation: SelectedConversation
    """What became of it."""
    source: str | None = None
    """Id of the captured conversation that was found; None where none was."""
    user: str | None = None
    """Id of its user; None where none was found or said."""
    twin: int | None = None
    """Position of the selected one that it repeats: not its id, which goes when that one is deleted."""
    fingerprint: str | None = None
    """The same for conversations that repeat each other; None where it cannot be replayed."""


class CopiedConversation(Value):
    """A selected conversation, which outlives what it was copied from."""

    replay_session_id: str
    """The replay session."""
    selected_id: str
    """The id as it was selected."""
    position: int
    """Its place in the selection."""
    source: str
    """Id of the captured conversation that it was copied from."""
    conversation: Conversation
    """The copy."""


SELECTIONS = Shelf("selection", Selection, lambda one: one.replay_session_id, lambda one: Place(project=one.project))
SELECTED = Shelf(
    "selected_conversation",
    Selected,
    lambda one: f"{one.replay_session_id}/{one.conversation.position}",
    lambda one: Place(
        project=one.project,
        parent=one.replay_session_id,
        state=one.conversation.status,
        outcome=one.conversation.because or "",
        position=one.conversation.position,
        source=one.source,
        user=one.user,
    ),
)
COPIES = Shelf(
    "copied_conversation",
    CopiedConversation,
    lambda one: f"{one.replay_session_id}/{one.position}",
    lambda one: Place(
        project=one.conversation.project,
        parent=one.replay_session_id,
        position=one.position,
        source=one.source,
        user=one.conversation.user_id,
    ),
)


class Part(NamedTuple):
    """Some of a selection."""

    replay_session_id: str
    """The replay session."""
    project: str
    """Its project."""
    replay_type: ReplayType
    """What one conversation is."""
    ids: Sequence[str]
    """The ids."""
    first: int
    """Position of the first one."""


def every_id(flow: Flow, project: str, replay_type: ReplayType, filter_text: str | None) -> Iterator[str]:
    """Ids of all conversations or traces of a project that match, the newest first. Raises BadFilter.

    Calls that no span tells are traces, too, and come after the others.
    """
    chosen = parse(filter_text) if filter_text else None
    if replay_type == "session":
        yield from (row.id for row in _sessions(flow, project, chosen))
        return
    listed = _sessions(flow, project, chosen or parse("channel:voice"))
    calls = dict.fromkeys(row.id for row in listed if row.channel == "voice")
    for trace in flow.store.traces(project):
        for id in trace.conversations:
            calls.pop(id, None)
        with suppress(NotFound, NotUnique):
            if chosen is None or chosen.matches(_trace(flow, project, trace.id)[1]):
                yield trace.id
    yield from calls


def copy_part(flow: Flow, part: Part, seen: dict[str, int]) -> list[Selected]:
    """Look at some selected conversations and copy those that can be replayed; what was copied before stays as it is.

    seen: what was copied before by fingerprint, with its position; grows by what is copied now.
    """
    looked = [_look_at(flow, part, id, part.first + place, seen) for place, id in enumerate(part.ids)]
    kept = [one for one, _ in looked]
    documents = [SELECTED.document(one) for one in kept]
    documents += [COPIES.document(copy) for _, copy in looked if copy is not None]
    try:
        flow.documents.add(documents)
    except AlreadyThere:
        # The process died after these were kept and before that was noted.
        kept = [_kept_before(flow, one) for one in kept]
    return _without_deleted(flow, part, kept, seen)


def _kept_before(flow: Flow, looked: Selected) -> Selected:
    try:
        return SELECTED.get(flow, SELECTED.document(looked).id)
    except NotFound:  # its conversation was deleted since
        return _gone(looked)


def _without_deleted(flow: Flow, part: Part, kept: Sequence[Selected], seen: dict[str, int]) -> list[Selected]:
    """Drop what was kept of conversations that were deleted meanwhile; gives what is left of each."""
    sources = {one.source for one in kept if one.source is not None}
    deleted = sources - flow.store.captured(sources, part.project)
    for one in kept:
        if one.source in deleted:
            place = SELECTED.document(one).id
            SELECTED.remove(flow, place)
            COPIES.remove(flow, place)
            if seen.get(one.fingerprint or "") == one.conversation.position:
                del seen[one.fingerprint or ""]
    return [_gone(one) if one.source in deleted else one for one in kept]


def _gone(looked: Selected) -> Selected:
    """What is counted of one that was deleted while it was looked at; nothing of it is kept."""
    about = SelectedConversation(id="", position=looked.conversation.position, status="usable")
    base = Selected(replay_session_id=looked.replay_session_id, project=looked.project, conversation=about)
    return _left_out(base, "not_found", "its conversation was deleted")


def fingerprint(conversation: Conversation) -> str:
    """The same for conversations in which the same is said to the agent, and its tools answer the same calls alike."""
    turns = [
        {
            "user": turn.user.text if turn.user else None,
            "attachments": [(one.kind, one.sha256 or one.url) for one in turn.user.attachments] if turn.user else [],
        }
        for turn in conversation.turns
    ]
    calls = [(call.tool, canonical(call.arguments), call.result, call.error) for _, _, call in conversation.calls()]
    return content_hash(canonical_json({"turns": turns, "calls": calls}))


def single_turn(conversation: Conversation, trace_id: str) -> Conversation:
    """The part of a conversation that one trace tells, as a conversation of its own, under the trace's id."""
    turns = [turn for turn in conversation.turns if turn.trace_id == trace_id]
    numbers = {turn.index: number for number, turn in enumerate(turns)}
    said_at = turns[0].user.at if turns and turns[0].user else None
    scores = conversation.outcome.scores.items()
    return conversation.but(
        id=trace_id,
        turns=tuple(turn.but(index=numbers[turn.index]) for turn in turns),
        gaps=tuple(
            gap.but(where=to) for gap in conversation.gaps if (to := _renumbered(gap.where, numbers)) is not None
        ),
        outcome=conversation.outcome.but(
            scores={to: value for name, value in scores if (to := _renumbered(name, numbers)) is not None}
        ),
        started_at=said_at or conversation.started_at,
    )


def _renumbered(place: str, numbers: dict[int, int]) -> str | None:
    """The place in the shorter conversation; None where its turn is not in there."""
    if (found := TURN.match(place)) is None:
        return place
    number = numbers.get(int(found[1]))
    return None if number is None else f"turns[{number}]{place[found.end() :]}"


def _sessions(flow: Flow, project: str, chosen: Filter | None) -> Iterator[ConversationSummary]:
    if chosen is None:
        return flow.store.summaries(project)
    # What came in just now is read first, or a filter would not find it.
    flow.store.settle()
    return iter(flow.store.search.conversations(chosen, project))


def _look_at(
    flow: Flow, part: Part, id: str, position: int, seen: dict[str, int]
) -> tuple[Selected, CopiedConversation | None]:
    about = SelectedConversation(id=id, position=position, status="usable")
    base = Selected(replay_session_id=part.replay_session_id, project=part.project, conversation=about)
    try:
        source, conversation = _found(flow, part, id)
    except (NotFound, NotUnique) as error:
        return _left_out(base, "not_found", str(error)), None
    summary = summarise(conversation)
    told = about.but(said=summary.said, turns=summary.turns, tools=summary.tools)
    base = base.but(conversation=told, source=source, user=conversation.user_id)
    if refusal := _refusal(conversation):
        return _left_out(base, *refusal), None
    mark = fingerprint(conversation)
    if (first := seen.setdefault(mark, position)) != position:
        twin = base.but(twin=first, fingerprint=mark)
        return _left_out(twin, "duplicate", "the user and the tools say the same as in another one"), None
    copy = CopiedConversation(
        replay_session_id=part.replay_session_id,
        selected_id=id,
        position=position,
        source=source,
        conversation=conversation,
    )
    return base.but(fingerprint=mark), copy


def _found(flow: Flow, part: Part, id: str) -> tuple[str, Conversation]:
    """Id of the captured conversation, and what is replayed of it. Raises NotFound, also for one of another project."""
    if part.replay_type == "trace":
        return _trace(flow, part.project, id)
    try:
        found = flow.store.conversation(id, part.project)
    except NotUnique:
        raise
    except NotFound as error:
        if (foreign := _foreign(flow, part.project, id)) is None:
            raise
        raise foreign from error
    return found.id, found


def _trace(flow: Flow, project: str, id: str) -> tuple[str, Conversation]:
    whole = flow.store.conversation(id, project)
    if whole.channel == "voice" and id == whole.id:
        # A platform that sends no spans tells a call as one thing: that is its trace.
        return whole.id, whole
    part = single_turn(whole, id)
    if not part.turns and whole.turns and whole.id.startswith(id):
        todo = "name its traces, or set `replay_type` to session"
        raise NotFound(f"{id!r} is a conversation and no trace", where=f"project {project}", todo=todo)
    return whole.id, part


def _foreign(flow: Flow, project: str, id: str) -> NotFound | None:
    """A better word for what is there, but in another project."""
    try:
        found = flow.store.conversation(id)
    except NotFound:
        return None
    todo = f"make a replay session of project {found.project}"
    return NotFound(f"conversation {id!r} belongs to another project", where=f"project {project}", todo=todo)


def _refusal(conversation: Conversation) -> tuple[LeftOutBecause, str] | None:
    """Why a conversation cannot be replayed; None where it can."""
    lines = [turn.user for turn in conversation.turns if turn.user]
    if any(line.text.strip() or line.audio or line.attachments for line in lines):
        return None
    hidden = [gap.why for gap in conversation.gaps if ".user" in gap.where or gap.where.startswith("turns")]
    if hidden:
        return "hidden_content", f"the user's words were not captured: {hidden[0]}"
    return "no_user_turn", "the user says nothing in it, so there is nothing to replay"


def _left_out(base: Selected, because: LeftOutBecause, why: str) -> Selected:
    return base.but(conversation=base.conversation.but(status="left_out", because=because, why=why))

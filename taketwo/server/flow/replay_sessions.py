"""Replay sessions: which conversations are to be replayed, and how far that is.

    init ─► generating ─► ready ─► completed
      └──────────┴──────────┴────► failed, cancelled ─► (retry: where it was)

Whatever takes long is a step that can be begun again where it was left, so that a server that dies loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

from taketwo.conversation import Agent
from taketwo.errors import BadSetting, NotFound, TakeTwoError, WrongState
from taketwo.freeze.variants import MANNERS
from taketwo.graph import insist_on_paths
from taketwo.sdk.api.agents import AgentType
from taketwo.sdk.api.replay_sessions import (
    MOST_IDS,
    CreateReplaySession,
    Failure,
    GenerateScenario,
    ReplaySession,
    ReplayStep,
    SelectedConversation,
    Suggestions,
)
from taketwo.server.flow.agents import AGENTS
from taketwo.server.flow.described import persona_of
from taketwo.server.flow.executor import Work
from taketwo.server.flow.gathered import Gathered, gathered
from taketwo.server.flow.projects import project_id, project_name
from taketwo.server.flow.scenarios import SCENARIOS
from taketwo.server.flow.selection import (
    COPIES,
    SELECTED,
    SELECTIONS,
    Part,
    Selected,
    Selection,
    copy_part,
    every_id,
)
from taketwo.server.flow.shelf import Flow, Listed, Place, Shelf

COPIED_AT_ONCE = 200
"""Conversations that are copied in one transaction."""
LOOKED_AT = 50
"""Copies from which suggestions are made."""
LONGEST_DESCRIPTION = 2_000
"""Characters of a recorded system prompt that make a description."""

SESSIONS = Shelf(
    "replay_session",
    ReplaySession,
    lambda one: one.id,
    lambda one: Place(project=one.project, state=one.current_step),
)


def create_replay_session(flow: Flow, asked: CreateReplaySession) -> ReplaySession:
    """Select conversations and copy them.

    Raises BadSetting for a request that contradicts itself, BadFilter, and NotFound where the project or all of the
    conversations are unknown.
    """
    project = project_name(flow, asked.project_id)
    ids = _selected_ids(flow, project, asked)
    now = flow.now()
    session = ReplaySession(
        id=flow.new_id(),
        project=project,
        project_id=project_id(project),
        replay_type=asked.replay_type,
        select_all=asked.select_all,
        filter=asked.filter,
        selected=len(ids),
        copied=0,
        usable=0,
        current_step="init",
        created_at=now,
        updated_at=now,
    )
    selection = Selection(replay_session_id=session.id, project=project, ids=ids)
    flow.documents.add([SELECTIONS.document(selection), SESSIONS.document(session)])
    copied = copy_conversations(flow, session.id)
    if set(copied.left_out) == {"not_found"} and copied.usable == 0:
        said = next(SELECTED.parts(flow, session.id), None)
        delete_replay_session(flow, session.id)
        raise NotFound(said.conversation.why if said else "what was selected is deleted by now", where="ids")
    return copied


def copy_conversations(flow: Flow, id: str) -> ReplaySession:
    """Copy what is not copied yet of a replay session; what keeps it from that is the session's failure."""
    session = SESSIONS.get(flow, id)
    ids = SELECTIONS.get(flow, id).ids if session.copied < session.selected else ()
    seen = _seen(flow, session)
    try:
        while session.current_step == "init" and session.copied < session.selected:
            some = ids[session.copied : session.copied + COPIED_AT_ONCE]
            part = Part(id, session.project, session.replay_type, some, session.copied)
            session = SESSIONS.change(flow, id, _grown(flow, copy_part(flow, part, seen)))
        if session.current_step == "init" and session.suggestions is None:
            suggestions = suggest(flow, session)
            session = SESSIONS.change(flow, id, lambda one: one.but(suggestions=suggestions, updated_at=flow.now()))
        if session.copied >= session.selected:
            SELECTIONS.remove(flow, id)  # each id stands in the account by now, and goes with its conversation
    except TakeTwoError as error:
        try:
            return fail(flow, id, "init", error)
        except NotFound:  # the session was deleted while it was copied
            _forget_parts(flow, id)
            raise
    return session


def generate_scenario(flow: Flow, id: str, asked: GenerateScenario) -> ReplaySession:
    """Have a scenario made of a replay session. Raises WrongState, AlreadyThere."""

    def generating(one: ReplaySession) -> ReplaySession:
        if one.current_step not in ("init", "ready", "completed") or one.copied < one.selected:
            raise _wrong_state(one, "have a scenario made of it")
        return one.but(
            current_step="generating",
            generate=asked,
            scenario_id=flow.new_id(),
            left_out={why: count for why, count in one.left_out.items() if why != "left_out_by_choice"},
            failure=None,
            failed_step=None,
            updated_at=flow.now(),
        )

    session = SESSIONS.get(flow, id)
    if asked.graph is not None:
        insist_on_paths(asked.graph)
    for number, persona in enumerate(asked.personas):
        speaker = persona_of(flow, session.project, persona, f"personas[{number}]")
        if not asked.by_model and speaker.manner not in MANNERS:
            raise BadSetting(
                f"only a language model can speak as {speaker.name!r}",
                where=f"personas[{number}]",
                todo=f"give it the trait `manner`: {', '.join(MANNERS)}; or set `by_model`",
            )
    if asked.by_model:
        flow.asking.insist_on_model("by_model")
    if asked.scenario_name is not None and SCENARIOS.with_key(flow, asked.scenario_name, session.project) is not None:
        raise BadSetting(
            f"there is a scenario {asked.scenario_name!r} already", where="scenario_name", todo="choose another name"
        )
    session = SESSIONS.change(flow, id, generating)
    flow.executor.begin(Work("generate_scenario", id))
    return session


def cancel_replay_session(flow: Flow, id: str) -> ReplaySession:
    """Stop what goes on with it; a retry takes it up again. Raises WrongState where nothing is left to stop."""

    def cancelled(one: ReplaySession) -> ReplaySession:
        if one.current_step not in ("init", "generating", "ready"):
            raise _wrong_state(one, "cancel it")
        return one.but(current_step="cancelled", failed_step=one.current_step, updated_at=flow.now())

    return SESSIONS.change(flow, id, cancelled)


def retry_replay_session(flow: Flow, id: str) -> ReplaySession:
    """Take it up again in the step that failed or was cancelled. Raises WrongState unless one was."""

    def again(one: ReplaySession) -> ReplaySession:
        if one.current_step not in ("failed", "cancelled") or one.failed_step is None:
            raise _wrong_state(one, "try it again")
        return one.but(current_step=one.failed_step, failure=None, failed_step=None, updated_at=flow.now())

    session = SESSIONS.change(flow, id, again)
    if session.current_step == "generating":
        flow.executor.begin(Work("generate_scenario", id))
    elif session.current_step == "init" and (session.copied < session.selected or session.suggestions is None):
        flow.executor.begin(Work("copy_conversations", id))
    return session


def delete_replay_session(flow: Flow, id: str) -> None:
    """Delete it with its copies; scenarios that were made of it stay. Raises NotFound."""
    SESSIONS.get(flow, id)
    SESSIONS.remove(flow, id)
    _forget_parts(flow, id)


def _forget_parts(flow: Flow, id: str) -> None:
    for parts in (COPIES, SELECTED):
        parts.remove_parts(flow, id)
    SELECTIONS.remove(flow, id)


def complete(flow: Flow, id: str) -> None:
    """A test of it was run to the end."""
    SESSIONS.change(
        flow,
        id,
        lambda one: one.but(current_step="completed", updated_at=flow.now()) if one.current_step == "ready" else one,
    )


def fail(flow: Flow, id: str, step: ReplayStep, error: TakeTwoError) -> ReplaySession:
    """A step could not be done; the session says why and what to do, and a retry goes on there."""
    where = f"{error.where}: " if error.where else ""
    failure = Failure(why=f"{where}{error.what}", todo=error.todo or "try it again")
    return SESSIONS.change(
        flow,
        id,
        lambda one: (
            one.but(current_step="failed", failed_step=step, failure=failure, updated_at=flow.now())
            if one.current_step == step
            else one
        ),
    )


def account(
    flow: Flow, id: str, *, limit: int, after: str | None = None, status: str | None = None, because: str | None = None
) -> Listed[SelectedConversation]:
    """What became of each selected conversation, in their order."""
    said = _said_of_rows(flow, SESSIONS.get(flow, id))
    state = "usable" if status == "row" or because == "left_out_by_choice" else status
    outcome = because if because != "left_out_by_choice" else None
    page = SELECTED.page(flow, parent=id, limit=limit, after=after, state=state, outcome=outcome, newest_first=False)
    told = [_with_choice(_with_twin(flow, one), said) for one in page.things]
    wanted = [one for one in told if status in (None, one.status) and because in (None, one.because)]
    return Listed(wanted, page.next)


def suggest(flow: Flow, session: ReplaySession) -> Suggestions:
    """What the first copies suggest for the scenario."""
    agents: list[Agent] = []
    channels: Counter[AgentType] = Counter()
    for copy in islice(COPIES.parts(flow, session.id), LOOKED_AT):
        agents.append(copy.conversation.agent)
        channels[copy.conversation.channel] += 1
    name = _most_common(agent.name for agent in agents) or f"{session.project} agent"
    known = AGENTS.with_key(flow, name, session.project)
    return Suggestions(
        agent_name=name,
        agent_description=(_most_common(agent.system_prompt for agent in agents) or "")[:LONGEST_DESCRIPTION],
        agent_type=channels.most_common(1)[0][0] if channels else "text",
        scenario_name=unused_scenario_name(flow, session.project, f"{name} {_day(session.created_at)}"),
        version_name=f"v{known.latest_version + 1 if known else 1}",
    )


def unused_scenario_name(flow: Flow, project: str, wanted: str) -> str:
    """The name, with a number behind it where it is taken."""
    name, number = wanted, 1
    while SCENARIOS.with_key(flow, name, project) is not None:
        number += 1
        name = f"{wanted} ({number})"
    return name


def _selected_ids(flow: Flow, project: str, asked: CreateReplaySession) -> tuple[str, ...]:
    if asked.select_all and asked.ids:
        raise BadSetting("`ids` and `select_all` contradict each other", where="ids", todo="give one of them")
    if not asked.select_all:
        for field, given in (("filter", asked.filter), ("exclude", asked.exclude)):
            if given:
                raise BadSetting(f"`{field}` goes with `select_all`", where=field, todo="leave it out, or select all")
        if not asked.ids:
            raise BadSetting("nothing is selected", where="ids", todo="name conversations, or set `select_all`")
        return tuple(dict.fromkeys(asked.ids))
    excluded = frozenset(asked.exclude)
    found = (id for id in every_id(flow, project, asked.replay_type, asked.filter) if id not in excluded)
    ids = tuple(islice(found, MOST_IDS + 1))
    if not ids:
        raise NotFound(f"no conversation of project {project!r} is selected", where="filter", todo="look at the filter")
    if len(ids) > MOST_IDS:
        todo = "narrow it with a filter"
        raise BadSetting(f"more than {MOST_IDS:,} conversations are selected", where="select_all", todo=todo)
    return ids


def _seen(flow: Flow, session: ReplaySession) -> dict[str, int]:
    """What was copied before, by fingerprint."""
    if session.copied == 0:
        return {}
    parts = SELECTED.parts(flow, session.id, state="usable")
    return {one.fingerprint: one.conversation.position for one in parts if one.fingerprint is not None}


def _grown(flow: Flow, looked: list[Selected]) -> Callable[[ReplaySession], ReplaySession]:
    reasons = Counter(one.conversation.because for one in looked if one.conversation.because)
    usable = sum(one.conversation.status == "usable" for one in looked)
    first = looked[0].conversation.position

    def grown(session: ReplaySession) -> ReplaySession:
        if session.copied != first:  # another process copies at the same time
            return session
        return session.but(
            copied=session.copied + len(looked),
            usable=session.usable + usable,
            left_out=dict(Counter(session.left_out) + reasons),
            updated_at=flow.now(),
        )

    return grown


def _said_of_rows(flow: Flow, session: ReplaySession) -> Gathered | None:
    """Which became rows and why the others did not; None until a scenario was made, and when it was deleted."""
    try:
        return gathered(flow, SCENARIOS.get(flow, session.scenario_id or ""))
    except NotFound:
        return None


def _with_twin(flow: Flow, selected: Selected) -> SelectedConversation:
    """What became of it, with the one that it repeats as long as that one is there."""
    if selected.twin is None:
        return selected.conversation
    try:
        first = SELECTED.get(flow, f"{selected.replay_session_id}/{selected.twin}").conversation.id
    except NotFound:
        return selected.conversation
    why = f"the user and the tools say the same in {first}"
    return selected.conversation.but(duplicate_of=first, why=why)


def _with_choice(told: SelectedConversation, said: Gathered | None) -> SelectedConversation:
    if said is None or told.status != "usable":
        return told
    if (row_id := said.rows.get(told.id)) is not None:
        return told.but(status="row", row_id=row_id)
    if (why := said.left_out.get(told.id)) is not None:
        return told.but(status="left_out", because="left_out_by_choice", why=why)
    return told


def _wrong_state(session: ReplaySession, what: str) -> WrongState:
    todo = {"failed": "retry it first", "cancelled": "retry it first", "generating": "wait until it is ready"}
    return WrongState(
        f"the replay session is {session.current_step}, so one cannot {what}",
        where="current_step",
        todo=todo.get(session.current_step),
    )


def _most_common(found: Iterable[str | None]) -> str | None:
    counts = Counter(one for one in found if one)
    return counts.most_common(1)[0][0] if counts else None


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"

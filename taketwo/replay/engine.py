"""Drives one replay: says the user's lines, lets the agent answer, until the end or until something ends it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from datetime import datetime
from typing import NamedTuple

from taketwo.conversation import Agent as KnownAgent
from taketwo.conversation import Attachment, Conversation, Gap, Outcome, Tokens, Turn, UserLine
from taketwo.errors import TakeTwoError
from taketwo.replay import current
from taketwo.replay.agents import Agent, AgentFailed, Exchange, Message, Reply
from taketwo.replay.clock import utc_now
from taketwo.replay.failure import place_of, told
from taketwo.replay.fidelity import with_fidelity
from taketwo.replay.held import agent_messages, gaps_of, held_turns
from taketwo.replay.own_spans import join_trace
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.session import Aftermath, Session
from taketwo.replay.stand_in import StandIn
from taketwo.replay.stuck import Stuck
from taketwo.replay.tools import DEFAULT_POLICY, ToolPolicy, ToolWorld
from taketwo.replay.traits import Knowledge
from taketwo.replay.user import Line, Unanswerable
from taketwo.replay.user_side import DEFAULT_USERS, Users, by_meaning, user_mode, user_side
from taketwo.replay.watch import Outcome as Watched
from taketwo.replay.watch import Watch
from taketwo.run import Ending, Run
from taketwo.scenario import Case
from taketwo.value import JSON, Value, clean_json, clean_text, stable_seed

_IDS = random.Random()
"""Makes ids that are unique without asking the system for randomness each time, which may take longer than a turn.
Its own, so that an agent that calls `random.seed` does not make them repeat."""
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_IDS.seed)


class Limits(Value):
    """What one turn may take; an agent that takes more has failed."""

    turn_timeout_s: float = 60.0
    """Time for the agent to answer one user line, in seconds."""
    tool_calls_per_turn: int = 50
    """Tool calls in one turn; more mean that the agent goes in circles."""


DEFAULT_LIMITS = Limits()


class How(NamedTuple):
    """How a case is replayed."""

    attempt: int = 1
    """Number of this replay among those of the case, from 1."""
    from_turn: int = 1
    """The first turn in which the agent acts, from 1; those before are held as they were recorded."""
    limits: Limits = DEFAULT_LIMITS
    """What one turn may take."""
    tools: ToolPolicy = DEFAULT_POLICY
    """What a tool call gets that the recording cannot answer."""
    users: Users | str = DEFAULT_USERS
    """How the user is played; a mode alone will do."""
    scope: RecordedCalls | None = None
    """Recorded calls of other conversations, which answer where the case's own do not; None for none."""
    stand_in: StandIn | None = None
    """Who answers a tool call that nothing recorded answers, where `tools` says so; None for nobody."""
    revision: str | None = None
    """Git revision of the agent's code, kept in the Run; None when not known."""
    now: Callable[[], datetime] = utc_now
    """The clock."""


AS_USUAL = How()


async def replay(case: Case, agent: Agent, how: How = AS_USUAL, *, stop: asyncio.Event | None = None) -> Run:
    """Rerun a case against an agent: the same words, the same tool results.

    Whatever the agent does wrong is the Run's `ending`, with all that was said and done until then.

    stop: once set, the replay ends as `cancelled` and returns what it has. Being cancelled as a task stops the agent,
    too, but loses the Run, as any cancelled coroutine loses its result.

    Raises AgentUnreachable when the agent could not be asked, ToolRefused when one of its tools was called where the
    replay cannot be seen, BadSetting for a mode or a turn that there is not.
    """
    one = Replay(case, agent, how)
    await one.play(stop)
    return one.run()


@functools.lru_cache(maxsize=64)
def _settings(users: str, limits: Limits, tools: ToolPolicy) -> dict[str, JSON]:
    """How it is replayed, as JSON; the same for all replays of a suite."""
    told: dict[str, JSON] = clean_json({"users": users, "limits": limits, "tools": tools})
    return told


class Replay:
    """A replay in its three parts: it is made ready, played, and told. Only the middle one keeps an agent waiting."""

    def __init__(self, case: Case, agent: Agent, how: How = AS_USUAL) -> None:
        """Make it ready; see `replay`. Raises BadSetting for a mode or a turn that there is not."""
        tools = how.tools
        users = how.users if isinstance(how.users, Users) else Users(user_mode(how.users), similarity=by_meaning)
        self.run_id = f"{_IDS.getrandbits(128):032x}"
        self._case_id = case.id
        self._recorded = case.recorded
        self._conversation_id = f"replay-{self.run_id}"
        self._agent = agent
        self._how = how
        self._user = user_side(users, case.recorded, how.attempt)
        self._settings = _settings(users.mode, how.limits, tools)
        own = RecordedCalls([case.recorded])
        recordings = [own] if how.scope is None else [own, how.scope]
        world = ToolWorld(
            own,
            how.scope,
            knowledge=Knowledge(recordings, case.recorded.agent, tools.declared, current.REGISTERED),
            own_id=case.recorded.id,
            least_confidence=tools.least_confidence,
            repeats_write=tools.repeats_write,
        )
        self.session = Session(
            world,
            tools,
            tool_calls_per_turn=how.limits.tool_calls_per_turn,
            stand_in=how.stand_in,
            now=how.now,
            run_id=self.run_id,
            seed=stable_seed(case.id, how.attempt),
            recorded=case.recorded,
        )
        self._messages: list[Message] = []
        self._known_agent = KnownAgent(name=agent.spec)
        self._hold(held_turns(case.recorded, how.from_turn) if how.from_turn != 1 else ())

    async def play(self, stop: asyncio.Event | None = None) -> None:
        """Let the user and the agent talk; see `replay`. Raises AgentUnreachable, ToolRefused."""
        self._began = self._how.now()
        with _on_stage(self.session, stop):
            try:
                self.ending = await _undisturbed(self)
            finally:
                self._aftermath = await self.session.aftermath()
        self._ended, self._ended_in_talk = self._how.now(), self.session.now()

    def run(self) -> Run:
        """What came of it, once it has been played."""
        journal = self.session.journal
        conversation = Conversation(
            id=self._conversation_id,
            project=self._recorded.project,
            started_at=self._began,
            ended_at=self._ended_in_talk,
            agent=self._known_agent,
            turns=tuple(journal.turns),
            outcome=Outcome(ended_reason=self.ending.reason),
            gaps=tuple(journal.gaps),
        )
        run = Run(
            id=self.run_id,
            case_id=self._case_id,
            agent=self._agent.spec,
            started_at=self._began,
            ended_at=self._ended,
            conversation=_with_aftermath(conversation, self._aftermath),
            ending=self.ending,
            attempt=self._how.attempt,
            revision=self._how.revision,
            user_answers=tuple(journal.user_answers),
            tool_answers=tuple(journal.tool_answers),
            divergences=tuple(journal.divergences),
            held_turns=self._how.from_turn - 1,
            settings=self._settings,
        )
        return with_fidelity(run, self._recorded, self.session.chance)

    def _hold(self, turns: Sequence[Turn]) -> None:
        """Let these turns go as they were recorded."""
        for turn in turns:
            if turn.user is not None:
                self._messages.append(self._as_message(turn.user))
            self._messages.extend(agent_messages(turn))
            self.session.hold(turn)
        self.session.journal.gaps.extend(gaps_of(self._recorded, len(turns)))

    async def until_its_end(self) -> Ending:
        """Turn by turn, until the user has nothing to say any more or something ends it."""
        watch = Watch(self._how.limits.turn_timeout_s)
        self.session.wake_with(watch.stop)
        try:
            while self.session.ending is None:
                line = await self._user.next_line(self.session.journal.turns)
                match line:
                    case None:
                        return Ending(reason="completed")
                    case Unanswerable():
                        turn_index = self.session.journal.turn_index
                        return Ending(reason="unanswerable", detail=line.why, turn_index=turn_index)
                    case Line():
                        await self._turn(line, watch)
            return self.session.ending
        finally:
            self.session.wake_with(None)
            watch.close()

    async def _turn(self, line: Line, watch: Watch) -> None:
        """The user's line and the agent's answer to it."""
        session = self.session
        user = None if line.user is None else line.user.but(at=self._how.now(), source=None)
        session.begin_turn(line, user)
        if line.rung == "simulated":
            session.drew("user", line.seed)
        new_message = None if user is None else self._as_message(user)
        if new_message is not None:
            self._messages.append(new_message)
        context = copy_context()
        context.run(current.CURRENT.set, session)
        context.run(join_trace, self.run_id)
        watched = await watch.over(_respond(self._agent, self._exchange(new_message, line, watch.deadline())), context)
        reply = watched.answer
        if session.refused is not None:
            raise session.refused
        if session.ending is None:
            self._judge(watched, line)
        if reply is None or session.ending is not None:
            session.finish_turn(None, watched.took_s * 1000, Tokens())
            return
        session.finish_turn(reply.text, watched.took_s * 1000, reply.tokens, reply.heard)
        self._messages.extend(reply.messages)
        if reply.text is not None:
            self._messages.append({"role": "assistant", "content": reply.text})
        self._known_agent = reply.agent or self._known_agent

    def _exchange(self, new_message: Message | None, line: Line, deadline: float) -> Exchange:
        """What the agent is given for this turn."""
        self.session.tell_time(self._recorded_at(line))
        return Exchange(
            self.session,
            self._recorded,
            line,
            thread_id=self._conversation_id,
            case_id=self._case_id,
            messages=list(self._messages),
            new_message=new_message,
            deadline=deadline,
        )

    def _recorded_at(self, line: Line) -> datetime | None:
        """When the line was said in the recording, else when that began."""
        position = line.recorded_turn_index
        user = None if position is None else self._recorded.turns[position].user
        return (user.at if user is not None else None) or self._recorded.started_at

    def _judge(self, watched: Watched[Reply], line: Line) -> None:
        """End the replay when the turn has not gone as a turn goes."""
        session = self.session
        if isinstance(watched.error, TakeTwoError):
            raise watched.error
        if watched.timed_out or isinstance(watched.error, Stuck):
            turn = session.journal.turn_index
            detail = f"no answer to turn {turn + 1} within {self._how.limits.turn_timeout_s:g} s"
            if watched.error is not None:
                detail += f": it blocks the event loop at {place_of(watched.error)}; use asyncio.to_thread there"
            session.end(Ending(reason="timed_out", detail=detail, turn_index=turn))
        elif watched.error is not None:
            session.failed(str(watched.error) if isinstance(watched.error, AgentFailed) else told(watched.error))
        elif watched.answer is not None and watched.answer.text is None:
            self._judge_silence(line)

    def _judge_silence(self, line: Line) -> None:
        """No reply is right where there was none; after tool calls it is a finding; with nothing at all, a failure."""
        position = line.recorded_turn_index
        if position is not None and self._recorded.turns[position].reply is None:
            return
        self.session.silent()
        if not self.session.journal.has_steps:
            self.session.failed("the agent returned nothing: no text and no tool call")

    def _as_message(self, user: UserLine) -> Message:
        """The user's line as a chat message; an image goes along where the recording has it."""
        if not user.attachments:
            return {"role": "user", "content": user.text}
        images = [attachment for attachment in user.attachments if attachment.kind == "image" and attachment.url]
        for position, attachment in enumerate(user.attachments):
            if attachment not in images:
                where = f"turns[{self.session.journal.turn_index}].user.attachments[{position}]"
                self.session.journal.gaps.append(Gap(where=where, why=_why_not_sent(attachment)))
        if not images:
            return {"role": "user", "content": user.text}
        parts = [{"type": "image_url", "image_url": {"url": image.url}} for image in images]
        return {"role": "user", "content": [{"type": "text", "text": user.text}, *parts]}


def _with_aftermath(conversation: Conversation, aftermath: Sequence[Aftermath]) -> Conversation:
    """The conversation with what is left of the call that it was, if it was one."""
    for left in aftermath:
        conversation = conversation.but(
            channel="voice",
            gaps=(*conversation.gaps, *left.gaps),
            metadata={**conversation.metadata, **left.metadata},
        )
    return conversation


async def _undisturbed(one: Replay) -> Ending:
    """Play it in a task of its own, as libraries keep things by task, and as only `Watch` may cancel that one.

    When the caller's task is cancelled, the replay is ended first; then the cancellation goes on its way.
    """
    task = asyncio.get_running_loop().create_task(one.until_its_end())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        one.session.end(Ending(reason="cancelled", turn_index=one.session.journal.turn_index))
        await asyncio.wait({task})
        raise


async def _respond(agent: Agent, exchange: Exchange) -> Reply:
    """The agent's answer, which foreign code may well have given another type."""
    reply: object = await agent.respond(exchange)
    if not isinstance(reply, Reply):
        raise AgentFailed(f"the agent returned {type(reply).__name__}, not a Reply")
    text = clean_text(reply.text) if reply.text and reply.text.strip() else None
    return reply if text == reply.text else reply.but(text=text)


def _why_not_sent(attachment: Attachment) -> str:
    why = "its content was not captured" if attachment.url is None else "it cannot be sent in a chat message"
    return f"the agent was asked without this {attachment.kind}: {why}"


@contextlib.contextmanager
def _on_stage(session: Session, stop: asyncio.Event | None) -> Iterator[None]:
    """Tools see that a replay is going on, and `stop` ends it."""
    current.enter(session)
    waiting = None if stop is None else asyncio.get_running_loop().create_task(_end_on(stop, session))
    try:
        yield
    finally:
        session.close()
        current.leave(session)
        if waiting is not None:
            waiting.cancel()


async def _end_on(stop: asyncio.Event, session: Session) -> None:
    await stop.wait()
    session.end(Ending(reason="cancelled", detail="stopped on request", turn_index=session.journal.turn_index))

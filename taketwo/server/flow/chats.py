"""Rows that are replayed by posting message after message: for clients that hold a chat and know nothing of leases.

The replay itself runs here; whoever posts is its agent. Everything posted is kept before it is answered, so that a
server that was killed goes on in the middle of a chat.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from taketwo.errors import BadSetting, TakeTwoError, WrongState
from taketwo.replay.agents import AgentFailed, Exchange, Message, Reply
from taketwo.replay.agents.shapes import read_said
from taketwo.replay.agents.tool_loop import as_text
from taketwo.replay.engine import How, Limits, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.sdk.api.executions import CallExecution, ReportRow, TestExecution
from taketwo.server.flow.executions import CALLS, EXECUTIONS
from taketwo.server.flow.hand_outs import report_row, take_call
from taketwo.server.flow.run_tests import case_of
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import JSON, Value

QUIET_S = 600.0
"""A chat that was not heard of for so long has lost its client."""
MOST_POSTS = 50
"""The client stops after so many turns without a word; what was said until then is judged."""
LOOK_EVERY_S = 5.0


class Post(Value):
    """What a client posted."""

    messages: tuple[dict[str, JSON], ...] = ()
    """What its agent said, its tool calls, and their results."""
    failed: str | None = None
    """Why its agent failed; None where it did not."""


class ChatLog(Value):
    """All that was posted in one chat."""

    call_execution_id: str
    """The row."""
    project: str
    """Its project."""
    source: str | None
    """The conversation that the row came from."""
    hand_out: int
    """Which hand-out of the row it belongs to, from 1."""
    also_of: tuple[str, ...] = ()
    """Further ones."""
    posts: tuple[Post, ...] = ()
    """Everything, in order."""


LOGS = Shelf(
    "chat_log",
    ChatLog,
    lambda one: one.call_execution_id,
    lambda one: Place(project=one.project, source=one.source, also_of=one.also_of),
)


Speaker: TypeAlias = Literal["user", "agent"]


class Said(Value):
    """What the client is answered."""

    line: str | None
    """What the user says next; None when the chat is over."""
    is_over: bool
    """Whether the chat is over."""
    so_far: tuple[tuple[Speaker, str], ...] = ()
    """All that was said before that line, by whom."""
    called_tools: bool = False
    """Whether the agent has just called tools."""


class _Posted:
    """The agent of a replay, played by whoever posts."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.posts: asyncio.Queue[Post] = asyncio.Queue()

    async def respond(self, exchange: Exchange) -> Reply:
        """The user's line goes out; the post that comes back is the turn."""
        if exchange.new_message is None:
            return Reply(text=None)  # nobody can be asked to speak first in this protocol
        self.lines.put_nowait(_text_of(exchange.new_message))
        post = await self.posts.get()
        if post.failed is not None:
            raise AgentFailed(post.failed)
        text, messages = _taken_down(post, exchange)
        return Reply(text=text, messages=tuple(messages))


@dataclass
class _Chat:
    """One chat while it goes on."""

    call: CallExecution
    worker: str
    agent: _Posted
    stop: asyncio.Event
    replay: asyncio.Task[Run]
    log: ChatLog
    so_far: list[tuple[Speaker, str]] = field(default_factory=list)
    called_tools: bool = False
    heard_at: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, post: Post) -> None:
        """What the agent said goes to the replay."""
        self.called_tools = any(message.get("tool_calls") for message in post.messages)
        self.so_far += [("agent", text) for message in post.messages if (text := _words(message))]
        self.agent.posts.put_nowait(post)


class Chats:
    """Every chat that goes on in this server. Belongs to one event loop."""

    def __init__(self, flow: Flow) -> None:
        """Begin with none."""
        self._flow = flow
        self._chats: dict[str, _Chat] = {}
        self._opening = asyncio.Lock()

    async def begin(self, call_id: str) -> Said:
        """Begin the chat of a row. Raises NotFound, WrongState where somebody has it already."""
        async with self._opening:
            worker = f"chat {self._flow.new_id()[:8]}"
            call = await asyncio.to_thread(take_call, self._flow, call_id, worker, QUIET_S)
            case = await asyncio.to_thread(case_of, self._flow, call.row_id)
            log = ChatLog(
                call_execution_id=call_id,
                project=call.project,
                source=case.origin.conversation,
                also_of=case.origin.also_of,
                hand_out=len(call.handed_out),
            )
            await asyncio.to_thread(self._flow.documents.put, LOGS.document(log))
            chat = await self._open(call, case, log)
        async with chat.lock:
            return await self._answer(chat)

    async def post(self, call_id: str, post: Post) -> Said:
        """Take what the agent said. Raises NotFound, WrongState where the chat has not begun or is over."""
        chat = await self._chat(call_id)
        async with chat.lock:
            if chat.replay.done():
                raise WrongState("the chat is over", where="call_execution_id")
            chat.log = chat.log.but(posts=(*chat.log.posts, post))
            await asyncio.to_thread(self._keep, chat)
            chat.heard_at = time.monotonic()
            chat.take(post)
            if len(chat.log.posts) >= MOST_POSTS:
                await self._next(chat)
                chat.stop.set()
            return await self._answer(chat)

    async def look_after(self) -> None:
        """End chats whose client is gone, until cancelled; what runs then is taken up by whoever posts next."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                for chat in [one for one in self._chats.values() if time.monotonic() - one.heard_at > QUIET_S]:
                    with suppress(TakeTwoError):
                        await self._lost(chat)
        finally:
            for chat in self._chats.values():
                chat.replay.cancel()
            await asyncio.gather(*(chat.replay for chat in self._chats.values()), return_exceptions=True)

    async def _chat(self, call_id: str) -> _Chat:
        """The chat, taken up again from what was posted where another process began it."""
        async with self._opening:
            if (chat := self._chats.get(call_id)) is not None:
                return chat
            call = await asyncio.to_thread(CALLS.get, self._flow, call_id)
            if call.status != "running":
                raise WrongState(f"the chat has not begun: the row is {call.status}", where="initiate_chat")
            log = await asyncio.to_thread(LOGS.get, self._flow, call_id)
            case = await asyncio.to_thread(case_of, self._flow, call.row_id)
            chat = await self._open(call, case, log)
        async with chat.lock:
            for post in log.posts:
                await self._answer(chat)
                chat.take(post)
            await self._answer(chat)
            return chat

    async def _open(self, call: CallExecution, case: Case, log: ChatLog) -> _Chat:
        execution = await asyncio.to_thread(EXECUTIONS.get, self._flow, call.test_execution_id)
        agent, stop = _Posted(execution.agent), asyncio.Event()
        task = asyncio.get_running_loop().create_task(_replayed(case, agent, execution, stop))
        chat = _Chat(call, call.handed_out[-1].worker, agent, stop, task, log)
        self._chats[call.id] = chat
        return chat

    async def _next(self, chat: _Chat) -> str | None:
        """What the user says next; None when the replay is over."""
        line = asyncio.ensure_future(chat.agent.lines.get())
        await asyncio.wait({line, chat.replay}, return_when=asyncio.FIRST_COMPLETED)
        if line.done():
            return line.result()
        line.cancel()
        return None

    async def _answer(self, chat: _Chat) -> Said:
        line = None if chat.stop.is_set() else await self._next(chat)
        if line is not None:
            so_far = tuple(chat.so_far)
            chat.so_far.append(("user", line))
            return Said(line=line, is_over=False, so_far=so_far, called_tools=chat.called_tools)
        await asyncio.wait({chat.replay})
        report = await self._report(chat)
        await self._close(chat, report)
        return Said(line=None, is_over=True)

    async def _report(self, chat: _Chat) -> ReportRow:
        try:
            return ReportRow(worker=chat.worker, runs=(await chat.replay,))
        except TakeTwoError as error:
            return ReportRow(worker=chat.worker, error=str(error))

    async def _lost(self, chat: _Chat) -> None:
        async with chat.lock:
            chat.stop.set()
            await asyncio.wait({chat.replay})
            why = f"the client was not heard of for {QUIET_S:.0f} s"
            await self._close(chat, ReportRow(worker=chat.worker, error=why))

    async def _close(self, chat: _Chat, report: ReportRow) -> None:
        self._chats.pop(chat.call.id, None)
        try:
            await asyncio.to_thread(report_row, self._flow, chat.call.id, report)
        finally:
            await asyncio.to_thread(LOGS.remove, self._flow, chat.call.id)

    def _keep(self, chat: _Chat) -> None:
        """On disk before it is answered, with the lease renewed."""
        take_call(self._flow, chat.call.id, chat.worker, QUIET_S)
        self._flow.documents.put(LOGS.document(chat.log))


async def _replayed(case: Case, agent: _Posted, execution: TestExecution, stop: asyncio.Event) -> Run:
    agent_begins = bool(case.recorded.turns) and case.recorded.turns[0].user is None
    return await replay(
        case,
        agent,
        How(
            from_turn=2 if agent_begins and len(case.recorded.turns) > 1 else 1,
            # Whether the client is still there is looked after elsewhere.
            limits=Limits(turn_timeout_s=10 * QUIET_S),
            tools=ToolPolicy(on_miss=execution.on_miss),
            users=execution.users,
            revision=execution.revision,
        ),
        stop=stop,
    )


def _words(message: dict[str, JSON]) -> str | None:
    content = message.get("content")
    return content if message.get("role") != "tool" and isinstance(content, str) and content.strip() else None


def _taken_down(post: Post, exchange: Exchange) -> tuple[str | None, list[Message]]:
    """What was said, and what the agent will see again.

    Raises AgentFailed for messages that are none.
    """
    results = [message for message in post.messages if message.get("role") == "tool"]
    others = [message for message in post.messages if message.get("role") != "tool"]
    words = []
    for message in others:
        said = read_said({**message, "tool_responses": results})
        if said.text and said.text.strip():
            words.append(said.text)
        if not said.calls:
            continue
        number = exchange.next_message()
        for position, call in enumerate(said.calls):
            exchange.own_call(call, number, result=said.results.get(position))
    calls = [dict(message) | {"role": "assistant"} for message in others if message.get("tool_calls")]
    kept = [*calls, *({"role": "tool", **message, "content": as_text(message.get("content"))} for message in results)]
    return "\n".join(words) or None, kept


def _text_of(message: Message) -> str:
    """The words of a user's line; an image alone is named, as this protocol carries none."""
    content = message["content"]
    if isinstance(content, str):
        return content or "(no words)"
    words = [part["text"] for part in content if part.get("type") == "text" and part["text"]]
    return "\n".join(words) or "(an image)"


def read_messages(given: Sequence[object]) -> tuple[dict[str, JSON], ...]:
    """Messages as they were posted. Raises BadSetting for what is none."""
    for number, message in enumerate(given):
        if not isinstance(message, dict):
            raise BadSetting("a message is an object with `role` and `content`", where=f"messages[{number}]")
    return tuple(message for message in given if isinstance(message, dict))

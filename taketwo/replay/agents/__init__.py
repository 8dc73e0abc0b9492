"""Ways of reaching the agent under test, one module each. `open_agent` is told which by a SPEC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from taketwo.conversation import Agent as KnownAgent
from taketwo.conversation import Conversation, Tokens
from taketwo.errors import BadSetting, MissingExtra
from taketwo.replay.current import AskedCall, CameBack
from taketwo.replay.session import Aftermath, Heard, Session
from taketwo.replay.user import Line
from taketwo.value import JSON, Value

if TYPE_CHECKING:
    from taketwo.replay.agents.hosts import AgentHosts

Message: TypeAlias = dict[str, Any]
"""A chat message in OpenAI's form."""

CHAT_COMPLETIONS = "/chat/completions"
SUPPORTED = (
    "package.module:callable, prompt:, https://…/chat/completions, https://…, cmd:program args, a2a:https://…, "
    "vapi:ASSISTANT, retell:AGENT"
)
"""Every kind of SPEC, as people are told."""


class Reply(Value):
    """How the agent ended its turn."""

    text: str | None
    """What the user is told; None or blank when nothing."""
    messages: tuple[Message, ...] = ()
    """What came before that and the agent will see again in its next turn: its tool calls and their results."""
    tokens: Tokens = Tokens()
    """Tokens of all model calls of the turn."""
    agent: KnownAgent | None = None
    """The agent that answered, as far as it is known here; None when only its SPEC is."""
    heard: Heard | None = None
    """Where and when the turn is heard; None when it was not spoken."""


class Exchange:
    """One turn as the agent gets it, and how it acts in it."""

    def __init__(
        self,
        session: Session,
        conversation: Conversation,
        line: Line,
        *,
        thread_id: str,
        case_id: str,
        messages: list[Message],
        new_message: Message | None,
        deadline: float,
    ) -> None:
        """Keep what the agent is given.

        conversation: the recording. line: what the user says as the user side gave it, with where to hear it.
        thread_id, case_id: the replayed conversation and the case.
        messages: everything so far, the user's new line last. new_message: that line; None when the agent speaks first.
        deadline: when the turn times out, in seconds of the event loop's clock.
        """
        self.conversation = conversation
        self.line = line
        self.thread_id = thread_id
        self.case_id = case_id
        self.messages = messages
        self.new_message = new_message
        self.deadline = deadline
        self.recorded_at = session.recorded_at
        """When this line was said in the recording; None when that is not known."""
        self._session = session

    @property
    def recorded(self) -> KnownAgent:
        """The agent of the recording."""
        return self.conversation.agent

    @property
    def recorded_tools(self) -> frozenset[str]:
        """Names of the tools that were called in the recording."""
        return self._session.recorded_tools

    @property
    def execution_id(self) -> str:
        """The run."""
        return self._session.run_id

    @property
    def seed(self) -> int:
        """Of all that draws by chance in this replay; the same when this repeat of the case is run again."""
        return self._session.seed

    def told(self, messages: list[Message]) -> Exchange:
        """The same turn for an agent that has heard something else: `messages`, the newest last."""
        return Exchange(
            self._session,
            self.conversation,
            self.line,
            thread_id=self.thread_id,
            case_id=self.case_id,
            messages=messages,
            new_message=messages[-1] if messages else None,
            deadline=self.deadline,
        )

    def next_message(self) -> int:
        """The number of the model's next message in this turn; what it holds is reported under it."""
        return self._session.next_message()

    def say(self, text: str, message: int) -> None:
        """The agent gave out a text before its reply; the reply itself is taken down from the Reply."""
        self._session.say(text, message)

    def hear(self, piece: str) -> None:
        """The agent gives out a text piece by piece; kept even when the whole is never given."""
        self._session.hear(piece)

    def call_tool(self, asked: AskedCall, message: int) -> CameBack:
        """What the recording answers; where it says `live`, see `tool_loop.run_live`."""
        return self._session.call(asked, message)

    def lived(self, call: CameBack, *, result: JSON, error: str | None, latency_ms: float) -> None:
        """A tool really ran, and gave this. call: what `call_tool` gave for it."""
        self._session.lived(call, result=result, error=error, latency_ms=latency_ms)

    async def in_thread(self, code: Callable[[], object]) -> object:
        """Run code of the agent that may block, see `OwnThread.run`."""
        return await self._session.thread.run(code)

    def drew(self, who: str, seed: int | None) -> None:
        """Somebody drew by chance, having taken this seed, or none. who: `model`, `random`, …"""
        self._session.drew(who, seed)

    def keep_time(self, now: Callable[[], datetime]) -> None:
        """From now on this clock says when things happen: a call has a time of its own."""
        self._session.keep_time(now)

    def at_end(self, finish: Callable[[], Awaitable[Aftermath]]) -> None:
        """Once the replay is over, in whatever way, call this: hang up, and tell what is left of the call."""
        self._session.at_end(finish)

    def own_call(self, asked: AskedCall, message: int, *, result: JSON) -> None:
        """The agent called a tool itself and brings the result."""
        self._session.own(asked, message, result=result)


@runtime_checkable
class Agent(Protocol):
    """The agent under test. It may serve many replays at a time; an exchange belongs to one of them."""

    @property
    def spec(self) -> str:
        """What the user named it by."""
        ...

    async def respond(self, exchange: Exchange) -> Reply:
        """Play one turn.

        Raises AgentUnreachable when the agent could not be asked at all. Anything else that it raises is a finding
        about the agent: `AgentFailed` is told in its own words, any other exception with its type and place.
        """
        ...


class AgentFailed(Exception):
    """The agent was reached and did something that no replay can go on from; the message is one line for a person."""


def open_agent(
    spec: str,
    *,
    overrides: Mapping[str, JSON] | None = None,
    api_key: str | None = None,
    llm_base_url: str | None = None,
    llm_api_key: str | None = None,
    tools_url: str | None = None,
    hosts: AgentHosts | None = None,
) -> Agent:
    """The agent that a SPEC names, see `SUPPORTED` and docs/agents.md; `close_agent` when done.

    overrides: what `prompt:` and a `/chat/completions` are sent instead of the recorded `model`, `system_prompt`,
    `tools` and settings. api_key: bearer key of an agent behind a URL.
    llm_base_url, llm_api_key: the OpenAI-compatible API that plays the model of `prompt:`; the key is also for a
    `/chat/completions` that has no other.
    tools_url: where a server or program of one's own finds the recorded tools; None when nowhere.
    hosts: those of this network that may be asked, where others say whom to ask; None for any.
    Raises AgentUnreachable when a callable cannot be imported, BadSetting when the SPEC or an override means nothing.
    """
    changes = {} if overrides is None else dict(overrides)
    match _kind(spec):
        case "chat_completions":
            from taketwo.replay.agents.chat_completions import ChatCompletionsAgent

            return ChatCompletionsAgent(spec, overrides=changes, api_key=api_key or llm_api_key, hosts=hosts)
        case "prompt":
            from taketwo.replay.agents.prompt import PromptAgent

            return PromptAgent(llm_base_url, overrides=changes, api_key=llm_api_key)
        case "http":
            from taketwo.replay.agents.http_protocol import HttpAgent

            _insist_on_no(changes, spec)
            return HttpAgent(spec, api_key=api_key, tools_url=tools_url, hosts=hosts)
        case "command":
            from taketwo.replay.agents.command import CommandAgent

            _insist_on_no(changes, spec)
            return CommandAgent(spec, tools_url=tools_url)
        case "a2a":
            _insist_on_no(changes, spec)
            return _a2a(spec, api_key, tools_url, hosts)
        case "platform":
            from taketwo.replay.agents.platforms import PlatformAgent

            _insist_on_no(changes, spec)
            return PlatformAgent(spec, api_key=api_key)
        case "callable":
            from taketwo.replay.agents.callable import open_callable

            _insist_on_no(changes, spec)
            return open_callable(spec)


def _a2a(spec: str, api_key: str | None, tools_url: str | None, hosts: AgentHosts | None) -> Agent:
    try:
        from taketwo.replay.agents.a2a import A2AAgent
    except ModuleNotFoundError as error:
        raise MissingExtra("a2a", needed_for="an agent that speaks A2A") from error
    return A2AAgent(spec, api_key=api_key, tools_url=tools_url, hosts=hosts)


async def close_agent(agent: Agent) -> None:
    """Close its connections and end its processes, where it has any."""
    if (close := getattr(agent, "aclose", None)) is not None:
        await close()


@asynccontextmanager
async def closing_agents(*agents: Agent | None) -> AsyncIterator[None]:
    """Close these agents at the end, however that comes."""
    try:
        yield
    finally:
        for agent in agents:
            if agent is not None:
                await close_agent(agent)


def _kind(spec: str) -> Literal["chat_completions", "prompt", "http", "command", "a2a", "platform", "callable"]:
    """Raises BadSetting for a SPEC that is none."""
    if spec.startswith(("http://", "https://")):
        return "chat_completions" if spec.partition("?")[0].rstrip("/").endswith(CHAT_COMPLETIONS) else "http"
    if spec == "prompt:":
        return "prompt"
    if spec.startswith("cmd:"):
        return "command"
    if spec.startswith(("a2a:http://", "a2a:https://")):
        return "a2a"
    if spec.startswith(("vapi:", "retell:")):
        return "platform"
    if "://" in spec or spec.startswith("prompt:") or ":" not in spec:
        raise BadSetting(f"this kind of agent is not supported: {spec!r}", where="agent", todo=f"give {SUPPORTED}")
    return "callable"


def _insist_on_no(changes: Mapping[str, JSON], spec: str) -> None:
    if changes:
        what = f"{', '.join(changes)} cannot be set: only `prompt:` and a /chat/completions take what is recorded"
        raise BadSetting(what, where=spec, todo="change the agent itself")

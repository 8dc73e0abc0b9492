"""Agents that live on a voice platform, asked in words: Vapi's chats and Retell's.

Their tools are called by the platform, not by us: what it says of them is taken down. See docs/voice.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

from taketwo.errors import BadSetting
from taketwo.replay.agents import AgentFailed, Exchange, Reply
from taketwo.replay.agents.endpoint import Endpoint, json_of
from taketwo.replay.current import AskedCall
from taketwo.value import JSON

BASE_URLS: Final = {"vapi": "https://api.vapi.ai", "retell": "https://api.retellai.com"}
"""Platforms and where their APIs are."""
Object: TypeAlias = dict[str, JSON]


class Named(NamedTuple):
    """An agent of a platform, as a SPEC names it."""

    platform: str
    base_url: str
    id: str

    def url(self, path: str) -> str:
        """An address of its API."""
        return self.base_url + path


def named(spec: str) -> Named:
    """The agent that `vapi:ID` names, or `vapi:https://HOST/ID` for an API elsewhere. Raises BadSetting."""
    platform, _, rest = spec.partition(":")
    base, _, last = rest.rpartition("/")
    if platform not in BASE_URLS or not last or (base and not base.startswith(("http://", "https://"))):
        todo = f"write {platform}:ID or {platform}:https://HOST/ID"
        raise BadSetting(f"this names no agent of {platform}'s: {spec!r}", where="agent", todo=todo)
    return Named(platform, base or BASE_URLS[platform], last)


class Answered(NamedTuple):
    """What a platform answers to one line."""

    texts: Sequence[str]
    """What the agent says."""
    calls: Sequence[tuple[AskedCall, JSON]] = ()
    """The tools that it called, and what came back; None where the platform does not say."""


class _Chat(Protocol):
    """One conversation on a platform."""

    async def say(self, text: str | None, exchange: Exchange) -> Answered:
        """The user's next line, None for the agent to begin."""
        ...


class PlatformAgent:
    """An agent of Vapi's or Retell's in words: a chat for each replay."""

    def __init__(self, spec: str, *, api_key: str | None = None, first_pause_s: float = 0.5) -> None:
        """spec: `vapi:ASSISTANT` or `retell:AGENT`. api_key, first_pause_s: see `Endpoint`. Raises BadSetting."""
        self.spec = spec
        self._named = named(spec)
        self._api_key = api_key
        self._first_pause_s = first_pause_s
        self._endpoints: dict[str, Endpoint] = {}
        self._chats: dict[str, _Chat] = {}

    async def respond(self, exchange: Exchange) -> Reply:
        """Say the line in this replay's chat, and take down what came of it."""
        chat = self._chats.get(exchange.execution_id)
        if chat is None:
            if len(exchange.messages) > 1:
                todo = "leave --from-turn and --each-turn out"
                raise BadSetting("a chat of a platform begins at its beginning", where=self.spec, todo=todo)
            chat = self._chats[exchange.execution_id] = _CHATS[self._named.platform](self)
        line = exchange.new_message
        answered = await chat.say(None if line is None else str(line.get("content") or ""), exchange)
        for asked, result in answered.calls:
            exchange.own_call(asked, exchange.next_message(), result=result)
        return Reply(text="\n".join(text for text in answered.texts if text.strip()) or None)

    async def ask(self, path: str, body: Object | None, exchange: Exchange) -> Object:
        """What the API answers; no body asks with GET. Raises AgentUnreachable, AgentFailed."""
        url = self._named.url(path)
        if url not in self._endpoints:
            self._endpoints[url] = Endpoint(url, api_key=self._api_key, first_pause_s=self._first_pause_s)
        answer = await self._endpoints[url].post(
            body or {}, json_of, headers={}, until=exchange.deadline, method="POST" if body else "GET"
        )
        if not isinstance(answer, dict):
            raise AgentFailed("the platform's answer is no JSON object")
        return answer

    @property
    def agent_id(self) -> str:
        """Its id on the platform."""
        return self._named.id

    async def aclose(self) -> None:
        """Close the connections."""
        for endpoint in self._endpoints.values():
            await endpoint.aclose()


class _VapiChat:
    """`POST /chat`, each with the id of the one before; what it says first is in the assistant's definition."""

    def __init__(self, agent: PlatformAgent) -> None:
        self._agent = agent
        self._previous: str | None = None

    async def say(self, text: str | None, exchange: Exchange) -> Answered:
        """One line."""
        if text is None:
            assistant = await self._agent.ask(f"/assistant/{self._agent.agent_id}", None, exchange)
            return Answered([str(assistant.get("firstMessage") or "")])
        body: Object = {"assistantId": self._agent.agent_id, "input": text, "stream": False}
        if self._previous is not None:
            body["previousChatId"] = self._previous
        answer = await self._agent.ask("/chat", body, exchange)
        self._previous = str(answer["id"]) if answer.get("id") else self._previous
        return _of_chat_messages(list(_objects(answer.get("output"))))


class _RetellChat:
    """`POST /create-chat`, then `POST /create-chat-completion` for each line."""

    def __init__(self, agent: PlatformAgent) -> None:
        self._agent = agent
        self._chat: str | None = None

    async def say(self, text: str | None, exchange: Exchange) -> Answered:
        """One line."""
        begun: Object = {}
        if self._chat is None:
            begun = await self._agent.ask("/create-chat", {"agent_id": self._agent.agent_id}, exchange)
            self._chat = str(begun.get("chat_id") or "")
        if text is None:
            return _of_retell(list(_objects(begun.get("message_with_tool_calls"))))
        body: Object = {"chat_id": self._chat, "content": text}
        return _of_retell(
            list(_objects((await self._agent.ask("/create-chat-completion", body, exchange)).get("messages")))
        )


_CHATS: Final[dict[str, Callable[[PlatformAgent], _Chat]]] = {"vapi": _VapiChat, "retell": _RetellChat}


def _of_chat_messages(messages: Sequence[Object]) -> Answered:
    """OpenAI's messages: texts, calls by `tool_calls` or `toolCalls`, results by role `tool`."""
    results = {str(one.get("tool_call_id") or one.get("toolCallId")): one.get("content") for one in messages}
    calls = []
    for message in messages:
        for call in _objects(message.get("tool_calls") or message.get("toolCalls")):
            function = call.get("function")
            if isinstance(function, dict):
                call_id = str(call.get("id"))
                calls.append((_asked(function.get("name"), function.get("arguments"), call_id), results.get(call_id)))
    texts = [str(one["content"]) for one in messages if one.get("role") in ("assistant", "bot") and one.get("content")]
    return Answered(texts, calls)


def _of_retell(messages: Sequence[Object]) -> Answered:
    """Retell's messages: `agent`, `tool_call_invocation`, `tool_call_result`."""
    results = {
        str(one.get("tool_call_id")): one.get("content") for one in messages if one.get("role") == "tool_call_result"
    }
    calls = []
    for one in messages:
        if one.get("role") == "tool_call_invocation":
            call_id = str(one.get("tool_call_id"))
            calls.append((_asked(one.get("name"), one.get("arguments"), call_id), results.get(call_id)))
    return Answered([str(one.get("content") or "") for one in messages if one.get("role") == "agent"], calls)


def _asked(name: JSON, arguments: JSON, call_id: str) -> AskedCall:
    """A call whose arguments are an object or a text that holds one."""
    given = arguments
    if isinstance(arguments, str):
        try:
            given = msgspec.json.decode(arguments)
        except msgspec.DecodeError:
            return AskedCall(str(name), {}, call_id, arguments)
    return AskedCall(str(name), given if isinstance(given, dict) else {}, call_id)


def _objects(value: JSON) -> Iterator[Object]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))

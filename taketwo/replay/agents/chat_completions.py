"""An agent behind an OpenAI-compatible endpoint: the recorded prompt, model, settings and tools, with overrides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx
import msgspec

from taketwo.conversation import Agent as KnownAgent
from taketwo.conversation import ToolDefinition
from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.agents import AgentFailed, Exchange, Message, Reply
from taketwo.replay.agents.shapes import Said, read_said
from taketwo.replay.agents.sse import StreamedMessage, chunks
from taketwo.replay.agents.tool_loop import tool_loop
from taketwo.value import JSON, clean_text

SENT_AS_RECORDED = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"),
    *("presence_penalty", "frequency_penalty", "tool_choice", "parallel_tool_calls"),
    *("response_format", "reasoning_effort"),
)
"""Recorded settings that an OpenAI-compatible endpoint understands; others belong to the recording library."""
NOT_A_SETTING = ("model", "system_prompt", "tools")
NO_ACCESS = {401: "refuses the key", 403: "refuses access", 404: "does not exist"}
"""Answers from which nothing is learnt about the agent."""
TRY_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""Answers that another try may better."""
TRIES = 5
"""How often a request is sent before its answer counts."""
CONNECT_TIMEOUT_S = 10.0
LONGEST_QUOTE = 200
"""How much of an error answer is shown."""


class ChatCompletionsAgent:
    """Asks the endpoint for each message and answers its tool calls from the recording."""

    def __init__(
        self,
        spec: str,
        *,
        overrides: Mapping[str, JSON] | None = None,
        api_key: str | None = None,
        first_pause_s: float = 0.5,
    ) -> None:
        """Keep where the agent is and how it differs from the recorded one.

        spec: URL of the endpoint.
        overrides: `model`, `system_prompt`, `tools` (definitions in OpenAI's form) and any setting of the request;
        a null leaves a recorded setting out.
        api_key: sent as bearer.
        first_pause_s: pause before the second try, in seconds; it doubles for each further one.
        """
        self.spec = spec
        self._overrides: dict[str, JSON] = dict(overrides or {})
        self._tools = _tools(self._overrides["tools"]) if "tools" in self._overrides else None
        self._first_pause_s = first_pause_s
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # The turn's own limit ends what takes too long. Replays are bounded by the caller, so connections are not.
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
        )

    async def respond(self, exchange: Exchange) -> Reply:
        """Ask the endpoint until it answers in words."""
        agent = self._agent(exchange)
        reply = await tool_loop(exchange, partial(self._ask, exchange, agent))
        return reply.but(agent=agent)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _agent(self, exchange: Exchange) -> KnownAgent:
        """The recorded agent with the overrides. Raises BadSetting when model or tools are nowhere named."""
        recorded, changes = exchange.recorded, self._overrides
        model = changes.get("model", recorded.model)
        if not model:
            raise BadSetting("the recording names no model", where=self.spec, todo="--set model=…")
        tools = recorded.tools if self._tools is None else self._tools
        if not tools and exchange.recorded_tools and self._tools is None:
            named = ", ".join(sorted(exchange.recorded_tools))
            what = f"the recording has calls of {named} but no definition of any tool"
            raise BadSetting(what, where=self.spec, todo="--set tools=@FILE with definitions in OpenAI's form")
        kept = {name: recorded.settings[name] for name in SENT_AS_RECORDED if name in recorded.settings}
        changed = {name: value for name, value in changes.items() if name not in NOT_A_SETTING}
        return KnownAgent(
            name=recorded.name,
            model=str(model),
            system_prompt=changes.get("system_prompt", recorded.system_prompt),
            tools=tools,
            settings={name: value for name, value in {**kept, **changed}.items() if value is not None},
        )

    async def _ask(self, exchange: Exchange, agent: KnownAgent, messages: list[Message]) -> Said:
        """The model's next message. Raises AgentFailed when it gives none, AgentUnreachable when it cannot be asked."""
        body = _body(agent, messages)
        pause_s = self._first_pause_s
        for tries_left in reversed(range(TRIES)):
            asked_to_wait_s, problem = 0.0, ""
            try:
                async with self._client.stream("POST", self.spec, json=body) as response:
                    if response.status_code == httpx.codes.OK:
                        return await _read(response, exchange)
                    problem = _refusal(response.status_code, await _quote(response), self.spec)
                    asked_to_wait_s = _retry_after_s(response)
                    tries_left = tries_left if response.status_code in TRY_AGAIN else 0
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise AgentUnreachable(f"cannot connect: {_words(error)}", where=self.spec) from error
            except httpx.TransportError as error:
                problem = f"the connection broke: {_words(error)}"
            wait_s = max(pause_s * random.uniform(0.75, 1.25), asked_to_wait_s)
            if not tries_left or asyncio.get_running_loop().time() + wait_s >= exchange.deadline:
                # The endpoint's trouble says nothing about the agent, so it must not look like a regression.
                raise AgentUnreachable(problem, where=self.spec)
            await asyncio.sleep(wait_s)
            pause_s *= 2
        raise AssertionError("the last try either returns or raises")


def _body(agent: KnownAgent, messages: list[Message]) -> dict[str, Any]:
    """The request."""
    prompt = [{"role": "system", "content": agent.system_prompt}] if agent.system_prompt else []
    body = {"model": agent.model, "messages": [*prompt, *messages], **agent.settings}
    if agent.tools:
        body["tools"] = [_definition(tool) for tool in agent.tools]
    if body.get("stream"):
        body.setdefault("stream_options", {"include_usage": True})
    return body


def _definition(tool: ToolDefinition) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _tools(given: JSON) -> tuple[ToolDefinition, ...]:
    """Definitions in OpenAI's form, wrapped in `function` or flat. Raises BadSetting for anything else."""
    read = []
    for item in given if isinstance(given, list) else [given]:
        function = item.get("function", item) if isinstance(item, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadSetting(
                "tools must be a list of definitions in OpenAI's form, each with a name", where="--set tools"
            )
        description = function.get("description")
        read.append(
            ToolDefinition(name=function["name"], description=description, parameters=function.get("parameters"))
        )
    return tuple(read)


async def _read(response: httpx.Response, exchange: Exchange) -> Said:
    """The message of a plain or a streamed answer."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return await _streamed(response, exchange)
    raw = await response.aread()
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise AgentFailed(f"the answer is no JSON: {_cut(raw.decode(errors='replace'))}") from error
    if not isinstance(answer, dict) or "choices" not in answer:
        raise AgentFailed(f"the answer has no `choices`: {_cut(str(answer))}")
    return read_said(answer)


async def _streamed(response: httpx.Response, exchange: Exchange) -> Said:
    """The message that the stream builds up; what comes before it breaks has been heard."""
    message = StreamedMessage()
    try:
        async for chunk in chunks(response.aiter_lines()):
            exchange.hear(message.add(chunk))
    except httpx.TransportError as error:
        raise AgentFailed(f"the stream broke off: {_words(error)}") from error
    return read_said(message.whole())


def _refusal(status: int, quote: str, spec: str) -> str:
    """What an answer other than 200 says. Raises AgentUnreachable when nothing can be learnt from it."""
    if why := NO_ACCESS.get(status):
        todo = "set TAKETWO_AGENT_KEY" if status == 401 else None
        raise AgentUnreachable(f"the endpoint {why} ({status}): {quote}", where=spec, todo=todo)
    return f"the endpoint answered {status}: {quote}" if quote else f"the endpoint answered {status}"


async def _quote(response: httpx.Response) -> str:
    """The message inside an error answer, else its beginning."""
    raw = await response.aread()
    try:
        error = msgspec.json.decode(raw)["error"]
        return _cut(str(error["message"] if isinstance(error, dict) else error))
    except (msgspec.DecodeError, KeyError, TypeError):
        return _cut(raw.decode(errors="replace"))


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds that the endpoint asks to wait; 0 when it asks for nothing, or for a date."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def _words(error: Exception) -> str:
    return _cut(str(error) or type(error).__name__)


def _cut(text: str) -> str:
    line = " ".join(clean_text(text).split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"

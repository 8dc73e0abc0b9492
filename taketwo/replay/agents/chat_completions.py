"""An agent behind an OpenAI-compatible endpoint: the recorded prompt, model, settings and tools, with overrides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx

from taketwo.conversation import Agent as KnownAgent
from taketwo.conversation import ToolDefinition
from taketwo.errors import BadSetting
from taketwo.llm.providers import refuses_seed
from taketwo.replay.agents import AgentFailed, Exchange, Message, Reply
from taketwo.replay.agents.endpoint import Endpoint, RequestRefused, json_of, pieces_of, quoted, words_of
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.replay.agents.propagation import headers
from taketwo.replay.agents.request_settings import in_words, insist_on_known, missing, settings_sent
from taketwo.replay.agents.shapes import Said, read_said
from taketwo.replay.agents.sse import StreamedMessage, chunks, lines_of
from taketwo.replay.agents.tool_loop import tool_loop
from taketwo.value import JSON


class ChatCompletionsAgent:
    """Asks the endpoint for each message and answers its tool calls from the recording."""

    def __init__(
        self,
        spec: str,
        *,
        overrides: Mapping[str, JSON] | None = None,
        url: str | None = None,
        api_key: str | None = None,
        key_setting: str = "TAKETWO_AGENT_KEY",
        needs_prompt: bool = False,
        first_pause_s: float = 0.5,
        hosts: AgentHosts | None = None,
    ) -> None:
        """Keep where the agent is and how it differs from the recorded one.

        spec: what the user named it by. url: the endpoint; the same as `spec` when left out.
        overrides: `model`, `system_prompt`, `tools` (definitions in OpenAI's form) and any setting of the request;
        a null leaves a recorded setting out. needs_prompt: whether a recording without its system prompt is refused.
        api_key, key_setting, first_pause_s, hosts: see `Endpoint`.
        """
        self.spec = spec
        self._overrides: dict[str, JSON] = dict(overrides or {})
        insist_on_known(self._overrides)
        self._needs_prompt = needs_prompt
        self._tools = _tools(self._overrides["tools"]) if "tools" in self._overrides else None
        self._without_seed: set[str | None] = set()
        self._endpoint = Endpoint(
            url or spec, api_key=api_key, key_setting=key_setting, first_pause_s=first_pause_s, hosts=hosts
        )

    async def respond(self, exchange: Exchange) -> Reply:
        """Ask the endpoint until it answers in words."""
        agent = self._agent(exchange)
        reply = await tool_loop(exchange, partial(self._ask, exchange, agent))
        return reply.but(agent=agent)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._endpoint.aclose()

    def _agent(self, exchange: Exchange) -> KnownAgent:
        """The recorded agent with the overrides. Raises BadSetting with all that is nowhere named."""
        recorded, changes = exchange.recorded, self._overrides
        if lacking := missing(recorded, exchange.recorded_tools, changes, needs_prompt=self._needs_prompt):
            what, todo = in_words(lacking)
            raise BadSetting(what, where=self.spec, todo=todo)
        return KnownAgent(
            name=recorded.name,
            model=str(changes.get("model", recorded.model)),
            system_prompt=changes.get("system_prompt", recorded.system_prompt),
            tools=recorded.tools if self._tools is None else self._tools,
            settings=settings_sent(recorded, changes),
        )

    async def _ask(self, exchange: Exchange, agent: KnownAgent, messages: list[Message]) -> Said:
        """The model's next message. Raises AgentFailed when it gives none, AgentUnreachable when it cannot be asked."""
        body = _body(agent, messages)
        if self._adds_seed(agent):
            try:
                return await self._post({**body, "seed": exchange.seed}, exchange)
            except RequestRefused as error:
                if not refuses_seed(error.answer):
                    raise
            said = await self._post(body, exchange)
            self._without_seed.add(agent.model)
            return said
        return await self._post(body, exchange)

    async def _post(self, body: dict[str, Any], exchange: Exchange) -> Said:
        said = await self._endpoint.post(
            body, partial(_read, exchange), headers=headers(exchange), until=exchange.deadline
        )
        exchange.drew("model", body.get("seed"))
        return said

    def _adds_seed(self, agent: KnownAgent) -> bool:
        """Whether it is sent the seed of the replay: where none is recorded, set or left out, until it refuses one."""
        return "seed" not in {*agent.settings, *self._overrides} and agent.model not in self._without_seed


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


async def _read(exchange: Exchange, response: httpx.Response) -> Said:
    """The message of a plain or a streamed answer."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return await _streamed(response, exchange)
    answer = await json_of(response)
    if not isinstance(answer, dict) or "choices" not in answer:
        raise AgentFailed(f"the answer has no `choices`: {quoted(str(answer))}")
    return read_said(answer)


async def _streamed(response: httpx.Response, exchange: Exchange) -> Said:
    """The message that the stream builds up; what comes before it breaks has been heard."""
    message = StreamedMessage()
    try:
        async for chunk in chunks(lines_of(pieces_of(response))):
            exchange.hear(message.add(chunk))
    except httpx.TransportError as error:
        raise AgentFailed(f"the stream broke off: {words_of(error)}") from error
    return read_said(message.whole())

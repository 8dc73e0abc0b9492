"""An agent behind a URL of its own, asked with one POST for each message: see docs/agents.md."""

from __future__ import annotations

from taketwo.replay.agents import Exchange, Message, Reply
from taketwo.replay.agents.endpoint import Endpoint, json_of
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.replay.agents.propagation import headers
from taketwo.replay.agents.shapes import Said, read_said
from taketwo.replay.agents.tool_loop import tool_loop
from taketwo.replay.agents.turn_protocol import asked

FAILED = (500,)
"""What servers answer when the code behind them raised: the agent's own failure, and no trouble of the network."""


class HttpAgent:
    """Posts each turn to the URL; the tools that an answer asks for are answered in the next request."""

    def __init__(
        self,
        spec: str,
        *,
        api_key: str | None = None,
        tools_url: str | None = None,
        first_pause_s: float = 0.5,
        hosts: AgentHosts | None = None,
    ) -> None:
        """spec: the URL. tools_url: of the gateway. api_key, first_pause_s, hosts: see `Endpoint`."""
        self.spec = spec
        self._tools_url = tools_url
        self._endpoint = Endpoint(spec, api_key=api_key, first_pause_s=first_pause_s, failures=FAILED, hosts=hosts)

    async def respond(self, exchange: Exchange) -> Reply:
        """Ask until the answer has no tool calls."""

        async def ask(messages: list[Message]) -> Said:
            body = asked(exchange, messages, self._tools_url)
            answer = await self._endpoint.post(body, json_of, headers=headers(exchange), until=exchange.deadline)
            return read_said(answer)

        return await tool_loop(exchange, ask)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._endpoint.aclose()

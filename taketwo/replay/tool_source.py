"""The recorded tools as something elsewhere can have them: what they are, and what a call of one gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import msgspec

from taketwo.conversation import Conversation, ToolDefinition
from taketwo.errors import AgentUnreachable
from taketwo.replay.agents.propagation import moment
from taketwo.replay.agents.tool_loop import run_live
from taketwo.replay.current import AskedCall, ReplayStopped
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.session import Session
from taketwo.replay.tools import ToolPolicy, ToolWorld
from taketwo.replay.traits import Knowledge
from taketwo.replay.user import Line
from taketwo.value import JSON, clean_json, clean_text

NO_RUN = "no such replay is going on"
ANY_CALLS = 1_000_000
"""Calls that one who is in no replay may make."""


class Answered(NamedTuple):
    """What a call of a recorded tool got."""

    result: JSON
    """The result; None when there is an error."""
    error: str | None
    """The error as the agent reads it; None when the call succeeded."""
    is_over: bool = False
    """Whether the replay has ended, with this call or before it."""


class ToolSource(Protocol):
    """Recorded tools, wherever they are."""

    async def now(self) -> str | None:
        """When the user's line was said in the recording, as RFC 3339; None where nobody knows."""
        ...

    async def definitions(self) -> Sequence[ToolDefinition]:
        """The tools as the recorded agent knew them."""
        ...

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answered:
        """What this call gets."""
        ...


class SessionTools:
    """The tools of a replay in this process."""

    def __init__(self, session: Session) -> None:
        """session: the replay."""
        self._session = session

    async def now(self) -> str | None:
        """When the user's line was said in the recording."""
        there = self._session.recorded_at
        return None if there is None else moment(there)

    async def definitions(self) -> Sequence[ToolDefinition]:
        """The tools as the recorded agent knew them."""
        return self._session.offered

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answered:
        """Answer from the recording."""
        asked = AskedCall(clean_text(tool), clean_json(arguments))
        try:
            came_back = self._session.call(asked)
        except ReplayStopped:
            ending = self._session.ending
            return Answered(None, f"the replay has ended: {(ending and ending.detail) or 'it is over'}", is_over=True)
        if came_back.live:
            came_back = await run_live(self._session, asked, came_back)
        if came_back.wait_s:
            await asyncio.sleep(came_back.wait_s)
        return Answered(came_back.result, came_back.error)


class GatewayTools:
    """The tools of a replay in another process, behind its gateway."""

    def __init__(self, url: str) -> None:
        """url: the `tools_url` of the replay."""
        self._url = url.rstrip("/")

    async def now(self) -> str | None:
        """When the user's line was said in the recording."""
        given = await self._asked("GET", "/clock")
        return None if given.get("now") is None else str(given["now"])

    async def definitions(self) -> Sequence[ToolDefinition]:
        """The tools as the recorded agent knew them."""
        given = await self._asked("GET", "/tools")
        return msgspec.convert(given["tools"], tuple[ToolDefinition, ...])

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answered:
        """Ask the replay."""
        given = await self._asked("POST", f"/tools/{quote(tool, safe='')}", arguments)
        return Answered(given.get("result"), given.get("error"), bool(given.get("is_over")))

    async def _asked(self, method: str, path: str, body: JSON = None) -> dict[str, Any]:
        """Raises AgentUnreachable when there is no replay behind the URL."""
        import httpx  # takes a fifth of the start of a server

        try:
            async with httpx.AsyncClient(timeout=None) as client:
                response = await client.request(method, self._url + path, json=body)
            given: object = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise AgentUnreachable(f"no recorded tools there: {error}", where=self._url) from error
        if not isinstance(given, dict) or response.status_code == 404:
            raise AgentUnreachable(NO_RUN, where=self._url)
        return given


def tools_alone(recorded: Conversation) -> Session:
    """The tools of a recording without a replay around them: whoever calls them is told of a miss, and goes on."""
    own = RecordedCalls([recorded])
    policy = ToolPolicy(on_miss="error")
    knowledge = Knowledge([own], recorded.agent)
    world = ToolWorld(own, knowledge=knowledge, own_id=recorded.id, repeats_write=policy.repeats_write)
    session = Session(
        world,
        policy,
        tool_calls_per_turn=ANY_CALLS,
        now=lambda: datetime.now(UTC),
        recorded=recorded,
    )
    session.tell_time(recorded.started_at)
    session.begin_turn(Line(None, "recorded", "nobody speaks here", None), None)
    return session

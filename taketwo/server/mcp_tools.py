"""The recorded tools as an MCP server, so that any MCP client can be, or be part of, the agent under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from taketwo.conversation import ToolDefinition
from taketwo.errors import AgentUnreachable
from taketwo.replay.agents.tool_loop import as_text
from taketwo.replay.tool_source import NO_RUN, Answered, SessionTools, ToolSource
from taketwo.server.nearby import bound, serving
from taketwo.server.tool_routes import session_of

Find: TypeAlias = Callable[[Request | None], ToolSource | None]
"""The tools that a request is about; None for none."""

ANYTHING = {"type": "object"}
"""The schema of arguments where none was recorded."""
CLOCK = types.Tool(
    name="taketwo_clock",
    description="The time at which this conversation was recorded: what `now` is in it.",
    input_schema={"type": "object", "properties": {}},
    annotations=types.ToolAnnotations(read_only_hint=True),
)
"""Tells an MCP client the recorded time, which it gets by no header; no call of it counts as one of the agent's."""


def recorded_server(find: Find) -> Server[Any]:
    """An MCP server with the tools that `find` gives for each request."""

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        source = find(context.request)
        definitions = () if source is None else await source.definitions()
        tools = [_as_tool(definition) for definition in definitions]
        has_own = any(tool.name == CLOCK.name for tool in tools)
        return types.ListToolsResult(tools=tools if source is None or has_own else [*tools, CLOCK])

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        source = find(context.request)
        if source is None:
            return _as_result(Answered(None, NO_RUN))
        try:
            if await _is_clock(source, params.name):
                return _as_result(Answered({"now": await source.now()}, None))
            return _as_result(await source.call(params.name, dict(params.arguments or {})))
        except AgentUnreachable as error:
            return _as_result(Answered(None, str(error)))

    return Server("taketwo", version=version("taketwo"), on_list_tools=list_tools, on_call_tool=call_tool)


async def _is_clock(source: ToolSource, tool: str) -> bool:
    """Whether ours is asked for, and not one of that name that was recorded."""
    return tool == CLOCK.name and not any(one.name == tool for one in await source.definitions())


async def serve_stdio(source: ToolSource) -> None:
    """Serve these tools on standard input and output until that ends."""
    server = recorded_server(lambda request: source)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def serve_http(source: ToolSource, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve these tools at `/mcp` on this machine until cancelled; `on_ready` is told the URL."""
    async with mcp_routes(lambda request: source) as routes, serving(routes, bound(port)) as url:
        on_ready(f"{url}/mcp")
        await asyncio.Event().wait()


@asynccontextmanager
async def mcp_routes(find: Find | None = None) -> AsyncIterator[list[BaseRoute]]:
    """Streamable HTTP at `/runs/RUN/mcp`, and at `/mcp`. find: of the replays of this process when left out."""
    server = recorded_server(find or _in_this_process)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    app = StreamableHTTPASGIApp(manager)
    async with manager.run():
        yield [Route(path, app) for path in ("/runs/{run_id}/mcp", "/mcp")]


def _in_this_process(request: Request | None) -> ToolSource | None:
    session = None if request is None else session_of(request)
    return None if session is None else SessionTools(session)


def _as_tool(definition: ToolDefinition) -> types.Tool:
    hints = None
    if definition.writes is not None:
        hints = types.ToolAnnotations(read_only_hint=not definition.writes)
    schema = definition.parameters if isinstance(definition.parameters, dict) else ANYTHING
    return types.Tool(
        name=definition.name,
        description=definition.description,
        input_schema={**schema, "type": "object"},
        annotations=hints,
    )


def _as_result(answered: Answered) -> types.CallToolResult:
    """The recorded text as it is; a recorded object as structured content, too."""
    if answered.error is not None:
        return types.CallToolResult(content=[types.TextContent(type="text", text=answered.error)], is_error=True)
    structured = answered.result if isinstance(answered.result, dict) else None
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=as_text(answered.result))]
    return types.CallToolResult(content=content, structured_content=structured)

"""Where agents in other processes find the recorded tools while this process replays."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taketwo.server.nearby import serving
from taketwo.server.tool_routes import gateway_routes


@asynccontextmanager
async def gateway(listening: socket.socket) -> AsyncIterator[str]:
    """Serve the tools of this process's replays on a bound socket; its URL. MCP, too, where that is installed."""
    async with AsyncExitStack() as stack:
        routes = gateway_routes()
        with contextlib.suppress(ModuleNotFoundError):
            from taketwo.server.mcp_tools import mcp_routes

            routes = [*await stack.enter_async_context(mcp_routes()), *routes]
        yield await stack.enter_async_context(serving(routes, listening))

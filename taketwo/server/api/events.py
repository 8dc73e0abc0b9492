"""Progress as server-sent events: the whole thing each time it has changed, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from taketwo.server.api.operation import Operation, Stream
from taketwo.server.flow import executions, replay_sessions
from taketwo.server.flow.shelf import Flow
from taketwo.value import content_hash

LOOK_EVERY_S = 0.3
"""How often it is looked at."""
SILENT_AT_MOST_S = 15.0
"""After so long without news a comment is sent, so that proxies keep the connection open."""
ENDED = ("completed", "failed", "cancelled", "ready")
"""States after which nothing changes by itself."""

OPERATIONS = (
    Operation(
        "GET",
        "/api/test-executions/{id}/events",
        "Test executions",
        "watch_test_execution",
        "Progress as server-sent events, until the execution has ended.",
        None,
        Stream,
    ),
    Operation(
        "GET",
        "/api/replay-sessions/{id}/events",
        "Replay sessions",
        "watch_replay_session",
        "Progress as server-sent events, until nothing changes by itself.",
        None,
        Stream,
    ),
)
"""The two things that can be watched."""


def routes(flow: Flow) -> list[Route]:
    """The two addresses."""

    def execution(id: str) -> tuple[Any, str]:
        found = executions.execution_now(flow, id)
        return found, "judging" if found.judging_until is not None else found.status

    def session(id: str) -> tuple[Any, str]:
        found = replay_sessions.SESSIONS.get(flow, id)
        # A session that waits for somebody to ask for a scenario does not change by itself either.
        is_idle = found.current_step == "init" and found.suggestions is not None
        return found, "ready" if is_idle else found.current_step

    return [
        Route(path, _endpoint(look))
        for path, look in zip((one.path for one in OPERATIONS), (execution, session), strict=True)
    ]


def _endpoint(look: Callable[[str], tuple[Any, str]]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        id, seen = request.path_params["id"], request.headers.get("last-event-id", "")
        thing, state = await run_in_threadpool(look, id)  # what is not there is answered so, before the stream begins
        if state in ENDED and _mark(msgspec.json.encode(thing)) == seen:
            # Browsers ask again for ever, unless they are told in this way that nothing will come.
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return StreamingResponse(
            _stream(look, id, seen),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return endpoint


async def _stream(look: Callable[[str], tuple[Any, str]], id: str, seen: str) -> AsyncIterator[bytes]:
    """seen: mark of what a client that comes back was told last."""
    quiet_s = 0.0
    while True:
        thing, state = await run_in_threadpool(look, id)
        body = msgspec.json.encode(thing)
        if (mark := _mark(body)) != seen:
            yield _event("progress", mark, body)
            seen, quiet_s = mark, 0.0
        elif quiet_s >= SILENT_AT_MOST_S:
            yield b": still going on\n\n"
            quiet_s = 0.0
        if state in ENDED:
            yield _event("end", mark, body)
            return
        await asyncio.sleep(LOOK_EVERY_S)
        quiet_s += LOOK_EVERY_S


def _event(name: str, mark: str, body: bytes) -> bytes:
    return f"event: {name}\nid: {mark}\ndata: ".encode() + body + b"\n\n"


def _mark(body: bytes) -> str:
    return content_hash(body)[:32]

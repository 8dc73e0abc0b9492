"""The recorded tools over HTTP, for agents in other processes and languages: see docs/tools-elsewhere.md."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from taketwo.replay import current
from taketwo.replay.agents.propagation import RUN, moment
from taketwo.replay.session import Session
from taketwo.replay.tool_source import NO_RUN, SessionTools

OVER = 409
"""Status of a call that ended the replay, or came when it was over."""


def session_of(request: Request) -> Session | None:
    """The replay that a request belongs to: named in its path, else in its baggage; None when that is not going on."""
    run_id = request.path_params.get("run_id") or run_in_baggage(request.headers.get("baggage", ""))
    scene = current.scene_of(run_id) if run_id else None
    return scene if isinstance(scene, Session) else None


def run_in_baggage(baggage: str) -> str | None:
    """The run that W3C baggage names; None when it names none."""
    for member in baggage.split(","):
        key, _, value = member.partition(";")[0].partition("=")
        if key.strip() == RUN:
            return unquote(value.strip()) or None
    return None


def gateway_routes() -> list[BaseRoute]:
    """Tools and clock of each replay of this process, under `/runs/RUN`, or without it where the baggage names it."""
    return [
        route
        for prefix in ("/runs/{run_id}", "")
        for route in (
            Route(f"{prefix}/tools", _definitions, methods=["GET"]),
            Route(f"{prefix}/tools/{{tool:path}}", _call, methods=["POST"]),
            Route(f"{prefix}/clock", _clock, methods=["GET"]),
        )
    ]


async def _definitions(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return _no_run()
    definitions = await SessionTools(session).definitions()
    return JSONResponse({"tools": msgspec.to_builtins(definitions)})


async def _call(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return _no_run()
    try:
        arguments = msgspec.json.decode(await request.body() or b"{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return JSONResponse({"error": "the body must be a JSON object: the arguments by name"}, 400)
    answered = await SessionTools(session).call(request.path_params["tool"], arguments)
    return JSONResponse(answered._asdict(), OVER if answered.is_over else 200)


async def _clock(request: Request) -> Response:
    session = session_of(request)
    if session is None:
        return _no_run()
    return JSONResponse({"now": None if session.recorded_at is None else moment(session.recorded_at)})


def _no_run() -> Response:
    todo = "use the `tools_url` of the request, or pass its `baggage` header on"
    return JSONResponse({"error": f"{NO_RUN}: {todo}"}, 404)

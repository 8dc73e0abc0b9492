"""All of the API over one flow, and the document that describes it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.server.api import agents, captured, events, executions, keys, run_tests, scenarios, serving, sessions
from taketwo.server.api.documentation import openapi
from taketwo.server.api.examples import EXAMPLES
from taketwo.server.flow.shelf import Flow

OPERATIONS = (
    *captured.OPERATIONS,
    *sessions.OPERATIONS,
    *agents.OPERATIONS,
    *scenarios.OPERATIONS,
    *run_tests.OPERATIONS,
    *executions.OPERATIONS,
    *events.OPERATIONS,
    *keys.OPERATIONS,
)
"""Everything that can be asked."""


def routes(flow: Flow, *, body_bytes: int) -> list[Route]:
    """The addresses of the API; bodies may have so many bytes."""
    return [
        Route("/api/openapi.json", _openapi),
        *events.routes(flow),
        *serving.routes(OPERATIONS, flow, body_bytes=body_bytes),
    ]


def _openapi(request: Request) -> Response:
    """GET /api/openapi.json; in a thread, as it takes a second to make the first time."""
    return Response(_document(), media_type="application/json")


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi(OPERATIONS, EXAMPLES, version("taketwo")))

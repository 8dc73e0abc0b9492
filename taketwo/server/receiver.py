"""The OTLP/HTTP receiver: spans and log records come in here, and are answered when they are on disk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import StoreBusy, TooLarge
from taketwo.server.access import only_project
from taketwo.server.answers import Answer, Signal, busy, not_kept, refused
from taketwo.server.dispatch import Intake
from taketwo.server.intake import Delivery
from taketwo.server.limits import Limits
from taketwo.server.metrics import Metrics
from taketwo.server.room import Place, Room

PREFIXES = ("", "/api/public/otel", "/tracer", "/otel")
"""Where senders put /v1/traces: OTLP itself, Langfuse, traceAI, LangSmith."""

PROJECT_HEADERS = ("x-taketwo-project", "x-project-name")
"""Headers that name the project; they win over the resource."""


class Receiver:
    """Takes OTLP requests as long as there is room for them."""

    def __init__(self, intake: Intake, limits: Limits, room: Room, metrics: Metrics) -> None:
        """Keep what is needed; the room is shared with whoever else receives."""
        self._metrics = metrics
        self._intake = intake
        self._limits = limits
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses that senders use."""
        endpoints = (
            ("/v1/traces", self.traces),
            ("/v1/logs", self.logs),
            ("/v1/metrics", _metrics),
            ("/v1development/profiles", _profiles),
        )
        return [Route(prefix + path, endpoint, methods=["POST"]) for prefix in PREFIXES for path, endpoint in endpoints]

    async def traces(self, request: Request) -> Response:
        """POST /v1/traces."""
        return await self._counted(request, "traces")

    async def logs(self, request: Request) -> Response:
        """POST /v1/logs."""
        return await self._counted(request, "logs")

    async def _counted(self, request: Request, signal: Signal) -> Response:
        begin = time.perf_counter()
        answer = await self._take(request, signal)
        self._metrics.received(signal, "http", answer, time.perf_counter() - begin)
        return _response(answer)

    async def _take(self, request: Request, signal: Signal) -> Answer:
        headers = request.headers
        content_type = headers.get("content-type", "")
        only, named = only_project(), named_project(headers)
        if only is not None and named not in (None, only):
            return refused(403, f"this key is for project {only!r} and not for {named!r}", content_type)
        delivery = Delivery(
            signal=signal,
            content_type=content_type,
            encoding=headers.get("content-encoding"),
            project=only or named,
        )
        sender = only or (request.client.host if request.client else "")
        announced = headers.get("content-length", "")
        try:
            wanted = int(announced) if announced.isdigit() else 0
            async with self._room.place_within(self._limits.waiting_s, wanted, sender) as place:
                return await self._intake.take(delivery, _pieces(request, place))
        except TooLarge as error:
            return refused(413, str(error), content_type)
        except StoreBusy as error:
            return busy(error, content_type, self._limits)
        except ClientDisconnect:
            return refused(400, "the body ended too early", content_type)


def named_project(headers: Mapping[str, str]) -> str | None:
    """The project that headers name; None where they name none."""
    return next((headers[name].strip() for name in PROJECT_HEADERS if headers.get(name, "").strip()), None)


async def _metrics(request: Request) -> Response:
    return _response(not_kept("metrics", request.headers.get("content-type", "")))


async def _profiles(request: Request) -> Response:
    return _response(not_kept("profiles", request.headers.get("content-type", "")))


async def _pieces(request: Request, place: Place) -> AsyncIterator[bytes]:
    """The body as it comes, counted while it comes: it may be longer than announced, or nothing was announced."""
    received = 0
    async for piece in request.stream():
        received += len(piece)
        place.grow(received)
        if piece:
            yield piece


def _response(answer: Answer) -> Response:
    headers = {"retry-after": str(answer.retry_after_s)} if answer.retry_after_s is not None else {}
    return Response(answer.body, answer.status, {**headers, "content-type": answer.content_type})

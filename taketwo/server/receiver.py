"""The OTLP/HTTP receiver: spans and log records come in here, and are answered when they are on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.errors import StoreBusy, TooLarge
from taketwo.server.answers import Answer, Signal, refused
from taketwo.server.dispatch import Intake
from taketwo.server.intake import Delivery
from taketwo.server.limits import Limits

PREFIXES = ("", "/api/public/otel", "/tracer", "/otel")
"""Where senders put /v1/traces: OTLP itself, Langfuse, traceAI, LangSmith."""

PROJECT_HEADERS = ("x-taketwo-project", "x-project-name")
"""Headers that name the project; they win over the resource."""


class Receiver:
    """Takes OTLP requests as long as there is room for them."""

    def __init__(self, intake: Intake, limits: Limits) -> None:
        """Begin with nothing in flight."""
        self._intake = intake
        self._limits = limits
        self._in_flight = 0

    def routes(self) -> list[Route]:
        """The addresses that senders use."""
        return [
            Route(f"{prefix}/v1/{signal}", endpoint, methods=["POST"])
            for prefix in PREFIXES
            for signal, endpoint in (("traces", self.traces), ("logs", self.logs))
        ]

    async def traces(self, request: Request) -> Response:
        """POST /v1/traces."""
        return _response(await self._take(request, "traces"))

    async def logs(self, request: Request) -> Response:
        """POST /v1/logs."""
        return _response(await self._take(request, "logs"))

    async def _take(self, request: Request, signal: Signal) -> Answer:
        headers = request.headers
        content_type = headers.get("content-type", "")
        delivery = Delivery(
            signal=signal,
            content_type=content_type,
            encoding=headers.get("content-encoding"),
            project=next((headers[name].strip() for name in PROJECT_HEADERS if headers.get(name, "").strip()), None),
        )
        room = _Room()
        try:
            announced = headers.get("content-length", "")
            self._grow(room, int(announced) if announced.isdigit() else 0)
            return await self._intake.take(delivery, self._pieces(request, room))
        except TooLarge as error:
            return refused(413, str(error), content_type)
        except StoreBusy as error:
            return refused(503, str(error), content_type, retry_after_s=self._limits.retry_after_s)
        except ClientDisconnect:
            return refused(400, "the body ended too early", content_type)
        finally:
            self._in_flight -= room.taken

    async def _pieces(self, request: Request, room: _Room) -> AsyncIterator[bytes]:
        """The body as it comes, counted while it comes: it may be longer than announced, or nothing was announced."""
        received = 0
        async for piece in request.stream():
            received += len(piece)
            self._grow(room, received)
            if piece:
                yield piece

    def _grow(self, room: _Room, wanted: int) -> None:
        """Make room for so many bytes. Raises TooLarge, StoreBusy."""
        if wanted > self._limits.body_bytes:
            raise TooLarge(f"the body is larger than {self._limits.body_bytes:,} bytes", todo="send smaller batches")
        more = max(0, wanted - room.taken)
        if self._in_flight + more > self._limits.bytes_in_flight:
            raise StoreBusy("too much is being received just now", todo="send it again in a moment")
        self._in_flight += more
        room.taken += more


class _Room:
    """What one request takes of the bytes in flight."""

    taken: int = 0


def _response(answer: Answer) -> Response:
    headers = {"retry-after": str(answer.retry_after_s)} if answer.retry_after_s is not None else {}
    return Response(answer.body, answer.status, {**headers, "content-type": answer.content_type})

"""The OTLP/gRPC receiver: the same intake, the same room and the same answers as over HTTP, in gRPC's own words.

Needs grpcio, which only the extra `grpc` brings. What cannot be taken at once waits a while before it is refused: some
senders, JavaScript's among them, never send again what gRPC refuses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from grpc import aio

from taketwo.errors import StoreBusy, StoreUnavailable, TooLarge, TraceUnreadable
from taketwo.server.access import Keys, Refused
from taketwo.server.answers import PROTOBUF, Answer, Signal, busy, grpc_code, not_kept, refused, status_message
from taketwo.server.dispatch import Intake
from taketwo.server.intake import Delivery
from taketwo.server.limits import Limits
from taketwo.server.metrics import Metrics
from taketwo.server.receiver import named_project
from taketwo.server.room import Room

EXPORTS: Final[dict[str, Signal]] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}
"""The methods that are answered, and the signal that each takes."""

OTHER_SIGNALS: Final = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export": "profiles",
}
"""The methods that are OTLP's too, and refused with a reason."""

MOST_STREAMS: Final = 100
"""Requests at the same time on one connection; senders wait with more. HTTP/2 advises no fewer."""

READ_WITHIN_S: Final = 15.0
"""How long a message may take from the beginning to the end of it."""

SHARE_OF_DEADLINE: Final = 0.5
"""How much of the time that a sender waits may pass before it is refused, so that it can still try again."""

PIECE_BYTES: Final = 256 * 1024
"""Messages go on in pieces of this size, so that others get their turn between them."""

REASON_BYTES: Final = 1_000
"""A reason travels as a header, and of those gRPC takes 8 KiB in all."""

RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

_log = logging.getLogger("taketwo.server")

Context: TypeAlias = "aio.ServicerContext[bytes, bytes]"  # generic only in its stubs


class GrpcDoor:
    """The port where OTLP/gRPC comes in; one of a kind for one event loop."""

    def __init__(self, host: str, port: int, limits: Limits) -> None:
        """Keep what is needed; nothing is bound before `bind`."""
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._limits = limits
        self._server: aio.Server | None = None

    def bind(self) -> int:
        """Take the port, with no more than that; gives the number of it. Raises StoreUnavailable where it is taken."""
        server = aio.server(
            options=[
                ("grpc.max_receive_message_length", self._limits.body_bytes),
                ("grpc.max_concurrent_streams", MOST_STREAMS),
                # Else two servers could listen on one port, each with half of the spans.
                ("grpc.so_reuseport", 0),
            ]
        )
        try:
            port = server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise StoreUnavailable(f"cannot listen on {self._address} for gRPC", where="--grpc-port") from error
        self._server = server
        return port

    async def open(self, intake: Intake, room: Room, tasks: asyncio.TaskGroup, keys: Keys, metrics: Metrics) -> None:
        """Answer from now on whoever the keys let in. The tasks end what senders have stopped waiting for."""
        assert self._server is not None  # bound before
        exports = _Exports(intake, room, self._limits, tasks, keys, metrics)
        self._server.add_generic_rpc_handlers([_Methods(exports)])
        await self._server.start()

    async def close(self, within_s: float) -> None:
        """Take nothing more, and finish what is under way."""
        if self._server is not None:
            await self._server.stop(within_s)


class _Methods(grpc.GenericRpcHandler):
    """Finds who answers a method. Bytes stay bytes; they are read where all bodies are."""

    def __init__(self, exports: _Exports) -> None:
        self._exports = exports

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method
        if signal := EXPORTS.get(method):
            # Taken as a stream of one message, so that the message is read only when there is room for it.
            return grpc.stream_unary_rpc_method_handler(partial(self._exports.export, signal))
        if other := OTHER_SIGNALS.get(method):
            return grpc.stream_unary_rpc_method_handler(partial(_not_kept, other))
        return None


class _Exports:
    """Takes requests: one message each, and of those no more are read at a time than would fill the room."""

    def __init__(
        self,
        intake: Intake,
        room: Room,
        limits: Limits,
        tasks: asyncio.TaskGroup,
        keys: Keys,
        metrics: Metrics,
    ) -> None:
        self._keys = keys
        self._metrics = metrics
        self._intake = intake
        self._room = room
        self._limits = limits
        self._tasks = tasks
        self._reading = asyncio.Semaphore(max(1, limits.bytes_in_flight // limits.body_bytes))

    async def export(self, signal: Signal, requests: AsyncIterator[bytes], context: Context) -> bytes:
        """The method itself: gives the response, or ends with a status."""
        begin = time.perf_counter()
        answer = await self._answered(signal, context)
        self._metrics.received(signal, "grpc", answer, time.perf_counter() - begin)
        return answer.body if answer.status == 200 else await _end(answer, context)

    async def _answered(self, signal: Signal, context: Context) -> Answer:
        try:
            project = await self._admitted(context)
        except Refused as error:
            return refused(error.status, error.why, PROTOBUF)
        delivery = Delivery(signal=signal, content_type=PROTOBUF, project=project)
        async with AsyncExitStack() as held:
            try:
                pieces = await self._received(context, held)
            except TooLarge as error:
                return refused(413, str(error), PROTOBUF)
            except TraceUnreadable as error:
                return refused(400, str(error), PROTOBUF)
            except StoreBusy as error:
                return busy(error, PROTOBUF, self._limits)
            # A sender that stops waiting cancels the waiting alone: its bytes take room until they are worked on.
            work = self._tasks.create_task(self._work(delivery, pieces, held.pop_all()))
        return await asyncio.shield(work)

    async def _admitted(self, context: Context) -> str | None:
        """The project that the key or the metadata name. Raises Refused."""
        given = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        named = named_project(given)
        key = await asyncio.to_thread(self._keys.admit, given, None, "ingest", context.peer())
        if key is None or key.project is None:
            return named
        if named not in (None, key.project):
            raise Refused(403, f"this key is for project {key.project!r} and not for {named!r}")
        return key.project

    async def _received(self, context: Context, held: AsyncExitStack) -> AsyncIterator[bytes]:
        """The message in pieces, once there is a place for it. Raises StoreBusy where there is none for too long."""
        until = asyncio.get_running_loop().time() + self._patience(context)
        try:
            async with asyncio.timeout_at(until):
                await self._reading.acquire()
        except TimeoutError:
            raise StoreBusy("too many requests are being read just now", todo="send it again in a moment") from None
        try:
            message = await _read(context)
            left = until - asyncio.get_running_loop().time()
            await held.enter_async_context(self._room.place_within(left, len(message), _sender(context)))
            return _pieces(message)
        finally:
            self._reading.release()

    def _patience(self, context: Context) -> float:
        left: float | None = context.time_remaining()  # None without a deadline, against what its type says
        return self._limits.waiting_s if left is None else min(self._limits.waiting_s, left * SHARE_OF_DEADLINE)

    async def _work(self, delivery: Delivery, pieces: AsyncIterator[bytes], held: AsyncExitStack) -> Answer:
        async with held:
            try:
                return await self._intake.take(delivery, pieces)
            except Exception as error:  # whatever it was, the sender must get an answer, and the others theirs
                _log.exception("a gRPC request failed")
                return refused(500, f"internal error: {error!r}", PROTOBUF)


def _sender(context: Context) -> str:
    """The address without the port, such as `ipv4:127.0.0.1`: one sender opens several connections."""
    return str(context.peer()).rpartition(":")[0]


async def _read(context: Context) -> bytes:
    """The message of the request. Raises TraceUnreadable, StoreBusy where it does not come."""
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            message = await context.read()
    except TimeoutError:
        raise StoreBusy(f"no message came within {READ_WITHIN_S:.0f} s", todo="send it again") from None
    # Also where it is too large, which gRPC itself has then answered already.
    if not isinstance(message, bytes):
        raise TraceUnreadable("the request has no message")
    return message


async def _pieces(message: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(message), PIECE_BYTES):
        yield message[begin : begin + PIECE_BYTES]


async def _not_kept(signal: str, requests: AsyncIterator[bytes], context: Context) -> bytes:
    return await _end(not_kept(signal, PROTOBUF), context)


async def _end(answer: Answer, context: Context) -> NoReturn:
    """End a request with the status that says the same as the answer."""
    code = grpc_code(answer.status)
    reason = answer.reason.encode()[:REASON_BYTES].decode(errors="ignore")
    trailers: tuple[tuple[str, bytes], ...] = (("grpc-status-details-bin", status_message(code, reason)),)
    if answer.retry_after_s is not None:
        again = _retry_info(answer.retry_after_s)
        detail = AnyMessage(type_url=RETRY_INFO, value=again).SerializeToString()
        # The second is where the Python exporter looks for it, and no other.
        trailers = (
            ("grpc-status-details-bin", status_message(code, reason, detail)),
            ("google.rpc.retryinfo-bin", again),
        )
    await context.abort(_CODES[code], reason, trailers)


def _retry_info(after_s: int) -> bytes:
    """A google.rpc.RetryInfo by hand: `Duration retry_delay = 1;`, which is not worth a dependency either."""
    delay = Duration(seconds=after_s).SerializeToString()
    return b"\x0a" + bytes([len(delay)]) + delay

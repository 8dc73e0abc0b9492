"""Runs the server until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from taketwo.errors import BadSetting, MissingExtra, StoreUnavailable
from taketwo.server.app import FINISH_WITHIN_S, Means, Telling, create_app
from taketwo.server.limits import Limits
from taketwo.store import Store
from taketwo.store.keys import keys
from taketwo.value import Value

if TYPE_CHECKING:
    from taketwo.server.otlp_grpc import GrpcDoor

GRPC_PORT = 4317
"""Where exporters send OTLP/gRPC by default."""
KEPT_OPEN_S = 75
"""How long a connection stays open without a request."""
SWITCH_S = 0.0005
"""How long a thread may have to wait for another; Python's own is ten times that."""


class Listening(Value):
    """Where the server answers."""

    http: str
    """URL of receiver and page."""
    grpc: str | None = None
    """Host and port for OTLP/gRPC; None when there is none."""
    without_grpc: str | None = None
    """Why there is none, and what to do about it; None when there is one."""


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int = 4318,
    grpc_port: int | None = None,
    on_ready: Callable[[Listening], None] = lambda listening: None,
    limits: Limits = Limits(),  # noqa: B008  # a value, never changed
    require_keys: bool = False,
    means: Means = Means(),  # noqa: B008  # a value, never changed
    drain_s: float = 0.0,
    telling: Callable[[str, int], Telling] = lambda host, port: Telling(),
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way.

    `on_ready` is told as soon as requests are answered; a port of 0 is any free one. Without a `grpc_port` OTLP/gRPC is
    served on 4317 where that can be had. Keys are needed with `require_keys`, and wherever others than this machine
    reach the server. `means`: what it has for what it does by itself. `drain_s`: for so long the server goes on as
    before when it was told to stop, and says that it is not ready, so that others notice in time. `telling`: what it
    tells about itself, given where it answers.

    Raises BadSetting for a host that others reach where there are no keys, and for a port that is taken, MissingExtra
    for a `grpc_port` without grpcio, StoreUnavailable.
    """
    keys_required = require_keys or not _is_own(host)
    if keys_required:
        _insist_on_keys(store, host, "--require-keys" if require_keys else "--host")
    # A page waits for the thread that reads captures each time that it comes back from the store.
    sys.setswitchinterval(SWITCH_S)
    with _bound(host, port) as listening:
        door, without = _grpc_door(host, grpc_port, limits)
        draining = threading.Event()
        app = create_app(
            store,
            limits=limits,
            grpc_door=door,
            keys_required=keys_required,
            means=means,
            draining=draining,
            telling=telling(host, listening.getsockname()[1]),
        )
        http = Listening(http=f"http://{_named(host, listening.getsockname()[1])}", without_grpc=without)
        server = _Server(
            _config(app),
            door,
            lambda at: on_ready(http if at is None else http.but(grpc=_named(host, at))),
            draining=draining,
            drain_s=drain_s,
        )
        server.run_until_told(listening)


def _config(app: Starlette) -> uvicorn.Config:
    """How it is served; whoever started the process says how logs are written."""
    return uvicorn.Config(
        app,
        # Where uvloop is installed a pipe that is closed raises RuntimeError, and the sender would be told 500.
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
        # uvicorn closes after 5 s, which is how often exporters send: each time anew, or into a line just closed.
        timeout_keep_alive=KEPT_OPEN_S,
    )


def _insist_on_keys(store: Store, host: str, option: str) -> None:
    """Raises BadSetting where nobody has a key."""
    if not any(key.revoked_at is None for key in keys(store.documents)):
        raise BadSetting(
            f"there are no keys yet, so nobody could use a server on {host} that needs one",
            where=option,
            todo="make one with: taketwo keys create --role admin",
        )


class _Server(uvicorn.Server):
    """Says when it is ready, with the port for gRPC if there is one, and when it is about to stop."""

    def __init__(
        self,
        config: uvicorn.Config,
        door: GrpcDoor | None,
        on_ready: Callable[[int | None], None],
        *,
        draining: threading.Event | None = None,
        drain_s: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._door = door
        self._on_ready = on_ready
        self._draining = draining or threading.Event()
        self._drain_s = drain_s
        self._stop_at: float | None = None

    def run_until_told(self, listening: socket.socket) -> None:
        """Serve until a signal. Raises StoreUnavailable."""
        if threading.current_thread() is threading.main_thread():
            # uvicorn raises the signal again when it has finished, which must not end the process before the store is.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            self.run(sockets=[listening])
        if not self.started:
            raise StoreUnavailable("the server did not start", todo="see the lines above")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal once there was time to notice, and at the second at once."""
        self._draining.set()
        if self._drain_s and self._stop_at is None:
            self._stop_at = time.monotonic() + self._drain_s
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        grpc_port = self._door.bind() if self._door is not None else None
        await super().startup(sockets)
        if self.started:
            self._on_ready(grpc_port)


def _grpc_door(host: str, port: int | None, limits: Limits) -> tuple[GrpcDoor | None, str | None]:
    """The door for gRPC, else why there is none. Raises BadSetting, MissingExtra where one was asked for."""
    try:
        from taketwo.server.otlp_grpc import GrpcDoor
    except ModuleNotFoundError as error:
        missing = MissingExtra("grpc", needed_for="OTLP/gRPC")
        if port is not None:
            raise missing from error
        return None, str(missing)
    try:
        # Tried with a socket of our own: what gRPC finds wrong with a port it prints, and does not tell.
        _bound(host, GRPC_PORT if port is None else port, "--grpc-port").close()
    except BadSetting as error:
        if port is not None:
            raise
        return None, str(error)
    return GrpcDoor(host, GRPC_PORT if port is None else port, limits), None


def _bound(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket on an address of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay only on sockets that say they are TCP; on others every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        todo = "is another server running? Name another port"
        raise BadSetting(f"cannot listen on port {port}: {reason}", where=option, todo=todo) from error
    return listening


def _is_own(host: str) -> bool:
    """Whether nobody but this machine reaches a server there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""Runs the server until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.server.app import create_app
from taketwo.server.limits import Limits
from taketwo.store import Store

FINISH_WITHIN_S = 30
"""How long requests that are under way may take when the server is told to stop."""


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int = 4318,
    on_ready: Callable[[str], None] = lambda address: None,
    limits: Limits = Limits(),  # noqa: B008  # a value, never changed
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way.

    `on_ready` gets the address as soon as requests are answered; `port` 0 takes any free one. Raises BadSetting for a
    host that is not this machine alone and for a port that is taken, StoreUnavailable.
    """
    with _bound(host, port) as listening:
        config = uvicorn.Config(
            create_app(store, limits=limits),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
        )
        server = _Server(config, lambda: on_ready(_address(host, listening)))
        if threading.current_thread() is threading.main_thread():
            # uvicorn raises the signal again when it has finished, which must not end the process before the store is.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    if not server.started:
        raise StoreUnavailable("the server did not start", todo="see the lines above")


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _bound(host: str, port: int) -> socket.socket:
    """A socket on this machine's own address. Until there are keys, nobody else may read what is captured."""
    if host != "localhost" and not _is_loopback(host):
        raise BadSetting(
            f"cannot listen on {host}: there are no keys yet, so only this machine may connect",
            where="--host",
            todo="use 127.0.0.1, and a tunnel such as `ssh -L 4318:127.0.0.1:4318` from elsewhere",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay only on sockets that say they are TCP; on others every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise BadSetting(f"cannot listen on port {port}: {reason}", where="--port", todo="name another one") from error
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str, listening: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"

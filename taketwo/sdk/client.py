"""Talks to the API of a server: tries again what did not arrive, and raises what the server refuses."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from taketwo.config import load_settings
from taketwo.errors import BadSetting, NotAllowed, NotFound, ServerUnreachable, TakeTwoError, WrongState
from taketwo.value import Value, prepared

Answer = TypeVar("Answer")

DEFAULT_URL = "http://127.0.0.1:4318"
"""Where `taketwo serve` listens unless told otherwise."""
PATIENCE_S = 60.0
"""So long a request is tried again while the server cannot be reached or is busy: it may be restarting."""
TIMEOUT_S = 60.0
"""How long one answer may take."""

ERRORS: dict[int, type[TakeTwoError]] = {
    400: BadSetting,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: WrongState,
    412: WrongState,
    413: BadSetting,
}
"""What a refusal of the server is here."""


def asking(ask: Callable[[Client], Awaitable[Answer]], server: str | None, key: str | None) -> Answer:
    """Ask a server something, that of the settings where none is named. Blocks; raises what `ask` raises."""
    if is_in_a_loop():
        raise BadSetting(
            "an event loop is running here, which this would stop", todo="use: await asyncio.to_thread(…, …)"
        )

    async def asked() -> Answer:
        here = load_settings(os.environ, Path.cwd())
        client = Client(server or here.server or DEFAULT_URL, key=key or here.server_key)
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(asked())


def is_in_a_loop() -> bool:
    """Whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Problem(Value):
    detail: str = ""
    field: str | None = None
    todo: str | None = None


class Client:
    """A server's API, over connections that are kept."""

    def __init__(self, url: str, *, key: str | None = None, connections: int = 20, patience_s: float = PATIENCE_S):
        """key: a key of the server, where it needs one. patience_s: how long a request is tried again."""
        self.url = url.rstrip("/")
        self._patience_s = patience_s
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api",
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # The server is named on purpose; a proxy of the environment is for the rest of the world.
            trust_env=False,
        )

    async def get(self, path: str, kind: type[Answer], **query: Any) -> Answer:
        """Ask for a thing. Raises NotFound, NotAllowed, ServerUnreachable, …"""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._ask("GET", path, kind, params=given)

    async def post(
        self,
        path: str,
        kind: type[Answer],
        body: Value | None = None,
        *,
        once: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """Have something done. `once`: a key under which it is done once, however often it is sent."""
        headers = {"idempotency-key": once} if once else {}
        content = b"{}" if body is None else body.to_json()
        return await self._ask("POST", path, kind, content=content, headers=headers, timeout=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, kind: type[Answer], **how: Any) -> Answer:
        until = asyncio.get_running_loop().time() + self._patience_s
        pause_s = 0.1
        while True:
            try:
                response = await self._http.request(method, path, **how)
                if response.status_code != 503:
                    return self._read(response, kind)
                why = f"the server at {self.url} is busy"
            except httpx.HTTPError as error:
                why = f"no answer from {self.url}: {str(error) or type(error).__name__}"
            except httpx.InvalidURL as error:
                raise BadSetting(f"{self.url!r} is no address: {error}", where="server") from error
            if asyncio.get_running_loop().time() + pause_s > until:
                raise ServerUnreachable(why, todo="is it running? `taketwo serve` starts one")
            # Not all at the same moment: many may be waiting for the same server.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(2.0, pause_s * 2)

    def _read(self, response: httpx.Response, kind: type[Answer]) -> Answer:
        if response.is_success:
            try:
                return msgspec.json.decode(response.content, type=prepared(kind))
            except msgspec.DecodeError as error:
                raise ServerUnreachable(f"{self.url} does not answer as Take Two does: {error}") from error
        try:
            problem = _Problem.from_json(response.content)
        except msgspec.DecodeError:
            problem = _Problem(detail=f"{self.url} answers {response.status_code}")
        raise ERRORS.get(response.status_code, TakeTwoError)(problem.detail)

"""Takes the recordings of new calls from those who make them on other machines: `PUT /api/recordings/HASH`."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from threading import Semaphore
from typing import IO, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.blobs import is_name, suffix_of
from taketwo.errors import BadSetting, StoreBusy, TooLarge
from taketwo.server.flow.shelf import Flow
from taketwo.server.limits import Limits

IN_MEMORY: Final = 2
"""So many are in memory at a time; while they come they lie on disk."""


class SentRecordings:
    """Keeps what is sent, once it is whole and is what its name says."""

    def __init__(self, flow: Flow, limits: Limits) -> None:
        """Keep them beside the store of that flow."""
        self._flow = flow
        self._limits = limits
        self._coming = 0
        self._in_memory = Semaphore(IN_MEMORY)

    def routes(self) -> list[Route]:
        """The address."""
        return [Route("/api/recordings/{id}", self.take, methods=["PUT"])]

    async def take(self, request: Request) -> Response:
        """PUT /api/recordings/HASH; sent again it is the same."""
        name = request.path_params["id"]
        if not is_name(name):
            raise BadSetting("this is no SHA-256 in hexadecimal", where="id")
        if self._coming >= self._limits.recordings_in_flight:
            raise StoreBusy("too many recordings are being received just now", todo="send it again in a moment")
        self._coming += 1
        try:
            with tempfile.TemporaryFile() as file:
                if await self._received(request, file) != name:
                    raise BadSetting("the bytes have another SHA-256 than the address says", where="id")
                await run_in_threadpool(self._keep, file)
        finally:
            self._coming -= 1
        return Response(status_code=204)

    async def _received(self, request: Request, file: IO[bytes]) -> str:
        """Write the body to a file that is gone with the request; gives its hash."""
        most, hashed, received = self._limits.recording_bytes, hashlib.sha256(), 0
        announced = request.headers.get("content-length", "")
        wanted = int(announced) if announced.isdigit() and len(announced) < 19 else 0
        patience_s, now = self._limits.recording_patience_s, asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(patience_s) as patience:
                async for piece in request.stream():
                    received += len(piece)
                    if max(wanted, received) > most:
                        raise TooLarge(f"the recording is larger than {most:,} bytes", where="body")
                    hashed.update(piece)
                    await run_in_threadpool(file.write, piece)
                    patience.reschedule(now() + patience_s)
        except ClientDisconnect as error:
            raise HTTPException(400, "the body ended too early") from error
        except TimeoutError as error:  # a machine that was switched off says no more
            raise HTTPException(408, f"nothing came for {patience_s:g} s") from error
        return hashed.hexdigest()

    def _keep(self, file: IO[bytes]) -> None:
        with self._in_memory:
            file.seek(0)
            body = file.read()
            if not suffix_of(body):
                raise BadSetting("this is no recording", where="body", todo="send WAV, OGG, FLAC or MP3")
            self._flow.store.recordings(None).receive(body, self._flow.now())

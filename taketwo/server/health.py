"""Whether the server is there, and whether it should be sent anything."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taketwo.errors import StoreBusy, StoreUnavailable
from taketwo.server.disk import free_bytes
from taketwo.server.dispatch import Intake
from taketwo.server.limits import Limits
from taketwo.store import Store
from taketwo.store.documents import Document

KNOWN_FOR_S: Final = 5.0
"""How long the store is believed to be as it was found: each look writes to the disk."""

_PROBE: Final = "probe"

_log = logging.getLogger("taketwo.server")


class Health:
    """Answers those who watch over the server. What they may not know stands in the log."""

    def __init__(self, store: Store, intake: Intake, limits: Limits, draining: threading.Event) -> None:
        """draining: set when the server has been told to stop."""
        self._store = store
        self._intake = intake
        self._limits = limits
        self._draining = draining
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._found: list[str] = []

    def routes(self) -> list[Route]:
        """The addresses."""
        return [Route("/health", _health), Route("/ready", self.ready)]

    async def ready(self, request: Request) -> Response:
        """200 where requests are welcome; 503 with the reasons where they had better go elsewhere."""
        reasons = await asyncio.to_thread(self.reasons)
        headers = {"cache-control": "no-store"}
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, 503, headers)
        return JSONResponse({"status": "ready"}, headers=headers)

    def reasons(self) -> list[str]:
        """Why nothing should be sent here just now. Blocks for a write."""
        reasons = ["it was told to stop"] if self._draining.is_set() else []
        if not self._intake.is_up:
            reasons.append("the process that writes to the store is being started again")
        with self._lock:  # whoever asks meanwhile waits for the same look
            if time.monotonic() - self._looked_at > KNOWN_FOR_S:
                self._found = self._look()
                self._looked_at = time.monotonic()
            return reasons + self._found

    def _look(self) -> list[str]:
        found = []
        free, wanted = free_bytes(self._store.url), self._limits.free_bytes
        if free is not None and free < wanted:
            found.append(f"the disk is nearly full: {free >> 20:,} MiB are left, and {wanted >> 20:,} are wanted")
        try:
            now = datetime.now(UTC).isoformat().encode()
            self._store.documents.put(Document(kind=_PROBE, id=_PROBE, body=b'{"at": "%s"}' % now))
        except StoreBusy:
            pass  # whoever sends hears that for himself, and when to come back
        except StoreUnavailable as error:
            _log.warning("the store cannot be written: %s", error)
            found.append("the store cannot be written: see the log")
        return found


async def _health(request: Request) -> Response:
    """That the server answers; on the event loop itself, so that it also says how busy that is."""
    return JSONResponse({"status": "ok"})

"""Deletes in the background what is older than its project keeps it, and answers that are not given again."""

from __future__ import annotations

import asyncio
import logging

from taketwo.errors import TakeTwoError
from taketwo.server.flow.idempotency import forget_old_requests
from taketwo.server.flow.shelf import Flow

EVERY_S = 3600.0
"""Settings count days, so an hour is soon enough."""

_log = logging.getLogger("taketwo.server")


async def expire_regularly(flow: Flow, every_s: float = EVERY_S) -> None:
    """Look now and then every so many seconds, until cancelled; what cannot be done now is done the next time."""
    while True:
        try:
            done = await asyncio.to_thread(flow.store.expire, flow.now())
            if done.conversations:
                _log.info("%s conversations were older than their projects keep them", done.conversations)
            await asyncio.to_thread(forget_old_requests, flow)
        except TakeTwoError as error:
            _log.warning("what is too old could not be deleted: %s", error)
        await asyncio.sleep(every_s)

"""Ctrl-C, as the commands that replay take it."""

from __future__ import annotations

import asyncio
import signal


def stop_on_interrupt(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The first Ctrl-C ends the suite in order; a second one ends it at once, even where an agent blocks the loop."""

    def interrupt(number: int, frame: object) -> None:
        if stop.is_set() or loop.is_closed():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(stop.set)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, interrupt)

"""Reading behind the back of whoever asks: it is waited for, but not longer than a person likes to.

Where more comes all the time than is read, each who asks would find something to read, and wait for it: one page after
the other would take most of a processor, and none would show all. So after each time it rests, and nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Final

REST: Final = 2
"""So many times as long as the work took is rested after it,"""
LONGEST_REST_S: Final = 2.0
"""but never longer than this: what waited for somebody else must not wait for long after that."""


class Behind:
    """Does one piece of work for a project at a time, in a thread of its own, whoever asks for it meanwhile."""

    def __init__(self, work: Callable[[str | None], object], clock: Callable[[], float] = time.monotonic) -> None:
        """Start no thread before there is something to do. What the work raises, nobody hears."""
        self._work = work
        self._clock = clock
        self._rests_until: dict[str | None, float] = {}
        self._lock = Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: dict[str | None, Future[object]] = {}

    def wait(self, project: str | None, within_s: float, *, at_once: bool = False) -> None:
        """See that it is being done, and wait for it at most so long.

        Neither while it rests, nor for what somebody else has begun to wait for, unless `at_once`.
        """
        with self._lock:
            self._thread = self._thread or ThreadPoolExecutor(1, "taketwo-behind")
            now = self._under_way.get(project)
            is_begun = now is not None and not now.done()
            if not at_once and (is_begun or self._clock() < self._rests_until.get(project, 0.0)):
                return
            if now is None or now.done():
                now = self._under_way[project] = self._thread.submit(self._do, project)
        wait([now], within_s)

    def _do(self, project: str | None) -> None:
        began = self._clock()
        try:
            self._work(project)
        finally:
            ended = self._clock()
            self._rests_until[project] = ended + min(LONGEST_REST_S, REST * (ended - began))

    def close(self) -> None:
        """Finish what is under way."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(cancel_futures=True)

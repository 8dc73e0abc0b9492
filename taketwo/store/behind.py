"""Reading behind the back of whoever asks: it is waited for, but not longer than a person likes to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock


class Behind:
    """Does one piece of work for a project at a time, in a thread of its own, whoever asks for it meanwhile."""

    def __init__(self, work: Callable[[str | None], object]) -> None:
        """Start no thread before there is something to do. What the work raises, nobody hears."""
        self._work = work
        self._lock = Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: dict[str | None, Future[object]] = {}

    def wait(self, project: str | None, within_s: float) -> None:
        """See that it is being done, and wait for it at most so long."""
        with self._lock:
            self._thread = self._thread or ThreadPoolExecutor(1, "taketwo-behind")
            now = self._under_way.get(project)
            if now is None or now.done():
                now = self._under_way[project] = self._thread.submit(self._work, project)
        wait([now], within_s)

    def close(self) -> None:
        """Finish what is under way."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(cancel_futures=True)

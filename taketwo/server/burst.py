"""What is done where requests come faster than they can be stored: they are kept in a journal, and stored afterwards.

A request that comes alone is stored at once, and answered when it can be read. Only where others are being worked on or
wait already is it checked and appended, which is a sixth of the work, and answered when that is on disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Final

from taketwo.errors import StoreUnavailable
from taketwo.store import Store
from taketwo.store.journal import Entry, Journal
from taketwo.store.requests import TOGETHER_BYTES, keep_requests, take_over

STORED_AT_ONCE: Final = 2
"""With so many requests being stored, further ones go to the journal."""
PATIENCE_S: Final = 4.0
"""Where requests never cease, what waits is stored after so long all the same."""
MOST_UNSTORED_BYTES: Final = 256 * 1024 * 1024
"""And where so much waits."""
PAUSE_S: Final = 0.1
"""How long nothing must have come before what waits is stored: to store it would take half of a burst's time."""
LATER_S: Final = 0.25
"""How long to wait before trying again where nothing can be stored: a database may be away for minutes."""

_log = logging.getLogger("taketwo.server")


class Burst:
    """The journal of a process that receives, and the thread that stores what is in it."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        on_stored: Callable[[], object] = lambda: None,
        may_wait: Callable[[str], bool] = lambda project: True,
    ) -> None:
        """Begin with nothing. `on_stored` is told whenever something of it was stored.

        may_wait: whether spans of a project may be on disk as they came.
        """
        self._store = store
        self._journal = journal
        self.may_wait = may_wait
        self._on_stored = on_stored
        self._lock = Lock()
        self._storing = 0
        self._last_came = 0.0
        self._ended = Event()
        self._thread = Thread(target=self._run, name="taketwo-burst", daemon=True)
        self._thread.start()

    def append(self, entry: Entry) -> None:
        """Keep a request until it is stored. Raises StoreBusy where too much waits, StoreUnavailable."""
        self._last_came = time.monotonic()
        self._journal.append(entry)

    @contextmanager
    def storing(self) -> Iterator[bool]:
        """Whether the caller is to store a request itself, in the block; else it is to be appended."""
        with self._lock:
            alone = self._storing < STORED_AT_ONCE and not self._journal.waiting_bytes
            self._storing += alone
        try:
            yield alone
        finally:
            with self._lock:
                self._storing -= alone

    def close(self) -> None:
        """Store all that waits, if that can be done now."""
        self._ended.set()
        self._thread.join()
        self._journal.close()

    def _run(self) -> None:
        take_over(self._store, self._journal.folder)
        self._on_stored()
        while (waits := self._journal.wait(PAUSE_S)) or not self._ended.is_set():
            if waits and self._is_quiet() and not self._store_some() and self._ended.wait(LATER_S):
                return

    def _is_quiet(self) -> bool:
        """Wait a little for senders to be done; False where they are not, and nothing waits too long yet."""
        if self._journal.waiting_s > PATIENCE_S or self._journal.waiting_bytes > MOST_UNSTORED_BYTES:
            return True
        came = self._last_came
        rest = came + PAUSE_S - time.monotonic()
        return rest <= 0 or self._ended.wait(rest) or came == self._last_came

    def _store_some(self) -> bool:
        """Store the oldest of what waits; False where that cannot be done now."""
        entries = self._journal.next(TOGETHER_BYTES)
        try:
            keep_requests(self._store, self._journal.folder, entries)
        except (StoreUnavailable, OSError) as error:
            _log.warning("what was acknowledged cannot be stored just now: %s", error)
            return False
        self._journal.stored(len(entries))
        self._on_stored()
        return True

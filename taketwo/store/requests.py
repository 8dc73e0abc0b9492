"""From requests as they came to the store: those that a journal kept while more came than could be stored."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taketwo.errors import NotFound, StoreBusy, StoreUnavailable
from taketwo.span import RawLog, RawSpan
from taketwo.store.journal import Entry, is_stored, left_over, set_aside, waiting

if TYPE_CHECKING:
    from taketwo.store import Store

PROTOBUF: Final = "application/x-protobuf"
TOGETHER_BYTES: Final = 4 * 1024 * 1024
"""So much of a journal is read and stored together: read, spans take several times their size."""
LOOK_AGAIN_S: Final = 0.01
"""How long to wait before looking again whether something was stored."""

_log = logging.getLogger("taketwo.store")


def keep_requests(store: Store, folder: Path, entries: Sequence[Entry]) -> None:
    """Store what requests hold that were found good before. Raises StoreUnavailable.

    One that is not good after all is set aside in the folder, and a line says so: the others must not wait for it.
    """
    try:
        _keep(store, entries)
    except StoreUnavailable:
        raise
    except Exception:  # whatever it was, it was acknowledged
        if len(entries) > 1:
            for entry in entries:
                keep_requests(store, folder, [entry])
            return
        _log.exception(
            "a request that was acknowledged cannot be read; it is kept as %s", set_aside(folder, entries[0])
        )


class Acknowledged:
    """What processes that receive have acknowledged and not stored yet, for whoever is to find it."""

    def __init__(self, store: Store, folder: Path | None) -> None:
        """folder: that of the journals; None where there are none."""
        self._store = store
        self._folder = folder
        self._is_behind = False

    def wait(self, within_s: float) -> bool:
        """Store what killed processes had acknowledged, and wait for those that are about to store theirs.

        False where not all of it is stored by then: whoever has it stores it later. That is said once.
        """
        if self._folder is None or _caught_up(self._store, self._folder, within_s):
            self._is_behind = False
            return True
        if not self._is_behind:
            _log.warning("%s: not all that was acknowledged is stored yet; until it is, it is not found", self._folder)
        self._is_behind = True
        return False

    @contextmanager
    def before_deleting(self, within_s: float) -> Iterator[None]:
        """What is deleted in the block is gone: what waits would bring it back.

        Raises StoreBusy after the block where something may come yet.
        """
        is_whole = self.wait(within_s)
        try:
            yield
        except NotFound:
            if is_whole:
                raise
        if not is_whole:
            raise StoreBusy(
                "what is stored of it is deleted, but more of it may have been acknowledged and not stored yet",
                where=str(self._folder),
                todo="see that the server runs, and delete it again in a moment",
            )


def _caught_up(store: Store, folder: Path, within_s: float) -> bool:
    if not (there := waiting(folder)):
        return True
    until = time.monotonic() + within_s
    can_be_stored = take_over(store, folder)
    while not is_stored(there):
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_AGAIN_S)
        # Whoever had it may have been killed meanwhile, or was not quite dead before.
        can_be_stored = can_be_stored and take_over(store, folder)
    return True


def take_over(store: Store, folder: Path) -> bool:
    """Store what processes that were killed had acknowledged.

    What cannot be stored now stays for the next time; False where there is such.
    """
    try:
        for entries in left_over(folder):
            number = 0
            for some in _together(entries):
                keep_requests(store, folder, some)
                number += len(some)
            if number:
                _log.warning("%s: requests that were acknowledged and not stored before a kill: %s", folder, number)
    except (StoreUnavailable, OSError) as error:
        _log.warning("%s: what was acknowledged cannot be stored now: %s", folder, error)
        return False
    return True


def _keep(store: Store, entries: Sequence[Entry]) -> None:
    from taketwo.capture.otlp import read_logs, read_spans
    from taketwo.capture.projects import by_project

    spans: dict[str, list[RawSpan]] = {}
    logs: dict[str, list[RawLog]] = {}
    for entry in entries:
        if entry.is_logs:
            of_traces = [log for log in read_logs(entry.body, PROTOBUF).logs if log.trace_id]
            for project, some_logs in by_project(of_traces, entry.project).items():
                logs.setdefault(project, []).extend(some_logs)
        else:
            for project, some in by_project(read_spans(entry.body, PROTOBUF).spans, entry.project).items():
                spans.setdefault(project, []).extend(some)
    for project, together in spans.items():
        store.add_spans(project, together)
    for project, logs_together in logs.items():
        store.add_logs(project, logs_together)


def _together(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    some: list[Entry] = []
    size = 0
    for entry in entries:
        some.append(entry)
        size += len(entry.body)
        if size >= TOGETHER_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some

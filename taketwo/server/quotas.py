"""How much a project may send, and keep: a measure that fills with every record and empties with time, and its disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from taketwo.errors import TooFast
from taketwo.store import Store
from taketwo.store.project import ProjectSettings

KNOWN_FOR_S: Final = 1.0
"""How long the settings of a project are believed to hold without a look."""
AHEAD_S: Final = 5.0
"""So many seconds' worth may come at once: senders collect before they send."""
MEASURED_FOR_S: Final = 10.0
"""How long a measured size is believed; longer where measuring takes long."""
SHARE_OF_TIME: Final = 0.02
"""Of its time a server spends so much at most on measuring."""
FULL_FOR_S: Final = 60
"""After so many seconds somebody may have made room, or raised the quota."""


class Quotas:
    """Counts what projects send and keep."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing counted."""
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, tuple[float, ProjectSettings]] = {}
        self._owed: dict[str, tuple[float, float]] = {}
        self._measured: dict[str, tuple[float, int]] = {}

    def refusals(self, counts: Mapping[str, int]) -> dict[str, TooFast]:
        """Count so many records for each project; those that may send none now are not counted, and told why.

        One that is over its quota keeps no other out that comes in the same request, as from a collector.
        """
        settings = {project: self._settings(project) for project in counts}
        found = {
            project: refusal
            for project, said in settings.items()
            if (refusal := self._full(project, said) or self._too_fast(project, said)) is not None
        }
        with self._lock:
            for project, said in settings.items():
                if project not in found and said.spans_per_s is not None:
                    self._owed[project] = (self._clock(), self._owing(project, said.spans_per_s) + counts[project])
        return found

    def _too_fast(self, project: str, said: ProjectSettings) -> TooFast | None:
        if said.spans_per_s is None:
            return None
        with self._lock:
            # What is owed is looked at and not what comes: a large request must pass at some time.
            late_s = self._owing(project, said.spans_per_s) / said.spans_per_s - AHEAD_S
        if late_s <= 0:
            return None
        return TooFast(
            f"project {project!r} may send {said.spans_per_s:,} spans a second, and has sent more",
            todo="send it again later, or raise it with `taketwo project set --spans-per-s`",
            after_s=math.ceil(late_s),
        )

    def _full(self, project: str, said: ProjectSettings) -> TooFast | None:
        if said.stored_bytes is None or self._stored(project) < said.stored_bytes:
            return None
        return TooFast(
            f"project {project!r} may keep {said.stored_bytes:,} bytes, and keeps them",
            todo="delete something, or raise it with `taketwo project set --stored`",
            after_s=FULL_FOR_S,
        )

    def _owing(self, project: str, limit: int) -> float:
        at, owed = self._owed.get(project, (0.0, 0.0))
        return max(0.0, owed - (self._clock() - at) * limit)

    def _stored(self, project: str) -> int:
        until, found = self._measured.get(project, (float("-inf"), 0))
        begin = self._clock()
        if begin >= until:
            found = self._store.stored_bytes(project)
            end = self._clock()
            self._measured[project] = (end + max(MEASURED_FOR_S, (end - begin) / SHARE_OF_TIME), found)
        return found

    def _settings(self, project: str) -> ProjectSettings:
        at, said = self._known.get(project, (float("-inf"), ProjectSettings()))
        if self._clock() - at > KNOWN_FOR_S:
            said = self._store.project(project)
            self._known[project] = (self._clock(), said)
        return said

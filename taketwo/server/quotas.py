"""How fast a project may send: a measure that fills with every span and empties with time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from taketwo.errors import TooFast
from taketwo.store.project import ProjectSettings

KNOWN_FOR_S: Final = 1.0
"""How long the settings of a project are believed to hold without a look."""
AHEAD_S: Final = 5.0
"""So many seconds' worth may come at once: senders collect before they send."""


class Quotas:
    """Counts what projects send."""

    def __init__(
        self, settings_of: Callable[[str], ProjectSettings], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing counted."""
        self._settings_of = settings_of
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, tuple[float, int | None]] = {}
        self._owed: dict[str, tuple[float, float]] = {}

    def take(self, counts: dict[str, int]) -> None:
        """Count so many spans for each project, or none at all. Raises TooFast where one has sent too many."""
        limits = {project: limit for project in counts if (limit := self._limit(project)) is not None}
        with self._lock:
            owed = {project: self._owing(project, limit) for project, limit in limits.items()}
            for project, limit in limits.items():
                # What is owed is looked at and not what comes: a large request must pass at some time.
                if (late_s := owed[project] / limit - AHEAD_S) > 0:
                    raise TooFast(
                        f"project {project!r} may send {limit:,} spans a second, and has sent more",
                        todo="send it again later, or raise it with `taketwo project set`",
                        after_s=math.ceil(late_s),
                    )
            for project in limits:
                self._owed[project] = (self._clock(), owed[project] + counts[project])

    def _owing(self, project: str, limit: int) -> float:
        at, owed = self._owed.get(project, (0.0, 0.0))
        return max(0.0, owed - (self._clock() - at) * limit)

    def _limit(self, project: str) -> int | None:
        at, limit = self._known.get(project, (float("-inf"), None))
        if self._clock() - at > KNOWN_FOR_S:
            limit = self._settings_of(project).spans_per_s
            self._known[project] = (self._clock(), limit)
        return limit

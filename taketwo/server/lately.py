"""How much came in lately, second by second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MINUTE_S: Final = 60
MINUTES: Final = 60
"""How many minutes back is remembered."""


class Lately:
    """Counts what comes in, and forgets it after an hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: deque[tuple[int, int]] = deque()

    def add(self, number: int) -> None:
        """So many have come just now."""
        with self._lock:
            now = self._forget()
            if self._counted and self._counted[-1][0] == now:
                number += self._counted.pop()[1]
            self._counted.append((now, number))

    def minutes(self) -> list[int]:
        """How many came in each of the last sixty minutes, the last of which ends now."""
        found = [0] * MINUTES
        with self._lock:
            now = self._forget()
            for second, number in self._counted:
                found[-1 - (now - second) // MINUTE_S] += number
        return found

    def _forget(self) -> int:
        """What second it is, and nothing is kept that is an hour old by then."""
        now = int(self._clock())
        while self._counted and self._counted[0][0] <= now - MINUTES * MINUTE_S:
            self._counted.popleft()
        return now

"""Ends a step of the agent's code that blocks the event loop: `time.sleep`, or a synchronous client, in an `async def`.

While such a step runs, nothing else in the loop does: no timeout, no other replay. So a thread looks on, and when one
step has taken as long as a whole turn may, a signal raises `Stuck` in the very line that blocks. Where there are no
such signals (outside the main thread, on Windows, or where the agent uses this one itself) a stuck step stays stuck.
"""

from __future__ import annotations

import signal
import threading
import time

LOOK_EVERY_S = 0.25
"""How often the thread looks, in seconds."""
SIGNAL: signal.Signals | None = getattr(signal, "SIGURG", None)
"""Ignored unless somebody asks for it, and hardly anybody does."""


class Stuck(BaseException):
    """The agent's code keeps the event loop from turning. No `Exception`, so that agents do not swallow it."""


class Lookout:
    """Looks on while the agent's code runs; there is one for the process."""

    def __init__(self) -> None:
        """Start no thread before there is something to look at."""
        self.step_ends_at: float | None = None
        """When the step of the agent's code that runs now must be over, by `time.monotonic`; None when none does."""
        self._watches = 0
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """A replay begins that wants to be looked after."""
        self._watches += 1
        if self._thread is None and self._can_interrupt():
            self._thread = threading.Thread(target=self._look_on, name="taketwo-lookout", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """A replay is over."""
        self._watches -= 1

    def _can_interrupt(self) -> bool:
        if SIGNAL is None or threading.current_thread() is not threading.main_thread():
            return False
        if signal.getsignal(SIGNAL) not in (signal.SIG_DFL, signal.SIG_IGN, self._interrupt):
            return False
        signal.signal(SIGNAL, self._interrupt)
        return True

    def _look_on(self) -> None:
        main = threading.main_thread().ident
        while self._watches > 0 and SIGNAL is not None and main is not None:
            time.sleep(LOOK_EVERY_S)
            if self._is_stuck():
                signal.pthread_kill(main, SIGNAL)
        self._thread = None

    def _interrupt(self, number: int, frame: object) -> None:
        # The step may have ended between the look and the signal.
        if self._is_stuck():
            raise Stuck

    def _is_stuck(self) -> bool:
        ends_at = self.step_ends_at
        return ends_at is not None and time.monotonic() > ends_at


LOOKOUT = Lookout()

"""Whether this process is recorded. Production code imports this: nothing but the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taketwo.replay.current import is_near

if TYPE_CHECKING:
    from taketwo.sdk.recorder import Recorder

_recorder: Recorder | None = None


def recorder() -> Recorder | None:
    """What takes turns and calls down; None when nothing is recorded, and in a replay, which is no production."""
    return _recorder if _recorder is not None and not is_near() else None


def use(recorder: Recorder | None) -> None:
    """Record with this one from now on; None to stop."""
    global _recorder
    _recorder = recorder

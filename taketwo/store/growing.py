"""Sessions as they were read last, so that one that goes on is not read from its beginning again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from taketwo.conversation import Conversation
from taketwo.store.database import Connection
from taketwo.store.grouping import Material, groups, together
from taketwo.store.statements import SQL

if TYPE_CHECKING:
    from taketwo.capture.grown import Grown

MOST_BYTES: Final = 32 * 2**20
"""About the memory of what is kept."""

Version: TypeAlias = tuple[bytes, int, int, int]
"""What tells whether anything came for a trace: its id, number of spans and of chunks, and the newest of these."""


class Kept(NamedTuple):
    """A session as it was read."""

    name: str
    """Its id."""
    versions: Mapping[int, Version]
    """Its traces as they were, by key."""
    grown: Grown
    """All that was found in them."""


class KeptSessions:
    """As many as fit, those that went on lately; used by several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._lock = Lock()

    def take(self, key: int) -> Kept | None:
        """Take one out, for it may be grown by one thread only; None where it is not kept."""
        with self._lock:
            kept = self._kept.pop(key, None)
            self._bytes -= kept.grown.size if kept is not None else 0
        return kept

    def put(self, key: int, kept: Kept) -> None:
        """Keep one, and forget those that went on longest ago where it is too much."""
        self.take(key)
        with self._lock:
            self._kept[key] = kept
            self._bytes += kept.grown.size
            while self._bytes > self._most_bytes:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.grown.size

    def forget(self) -> None:
        """Forget all, as when something is deleted."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def versions_of(connection: Connection, key: int) -> dict[int, Version]:
    """The traces of a conversation as they are now."""
    found = connection.execute(SQL["versions_of_traces"], (key,)).fetchall()
    return {trace: (bytes(trace_id), spans, chunks, newest) for trace, trace_id, spans, chunks, newest in found}


def grow(
    kept: Kept, versions: Mapping[int, Version], material: Callable[[int, bytes], Material], project: str
) -> Conversation | None:
    """The session with what came since; None where that does not simply follow, so that all must be read together."""
    from taketwo.capture.reconstruct import tell

    if any(versions.get(trace) != version for trace, version in kept.versions.items()):
        return None
    new = {trace: version[0] for trace, version in versions.items() if trace not in kept.versions}
    if new:
        found = groups(together([material(trace, trace_id) for trace, trace_id in new.items()]))
        ids = frozenset(trace_id.hex() for trace_id in new.values())
        if len(found) != 1 or (found[0].name, found[0].is_session, found[0].trace_ids) != (kept.name, True, ids):
            return None
        if not kept.grown.add(found[0].spans, found[0].logs):
            return None
    return tell(kept.grown, project=project, session_id=kept.name)

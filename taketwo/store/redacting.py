"""Takes out of what comes in what its project does not want stored: nothing gets past it on its way into a store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from taketwo.conversation import Conversation
from taketwo.errors import StoreUnavailable
from taketwo.span import RawLog, RawSpan
from taketwo.store.project import ProjectSettings, Redact

if TYPE_CHECKING:
    from taketwo.capture.redact import Redactor

KNOWN_FOR_S: Final = 1.0
"""How long the settings of a project are believed to hold without looking; another process may have changed them."""
KEY_BYTES: Final = 32
"""Length of a key."""


class Redacting:
    """Redacts by the settings of each project."""

    def __init__(self, settings_of: Callable[[str], ProjectSettings], key: Callable[[], bytes]) -> None:
        """Read neither the key nor the redaction itself before a project wants it."""
        self._settings_of = settings_of
        self._key = key
        self._lock = Lock()
        self._wanted: dict[str, tuple[float, Redact]] = {}
        self._redactors: dict[Redact, Redactor] = {}

    def spans(self, project: str, spans: Sequence[RawSpan]) -> Sequence[RawSpan]:
        """The spans as they may be stored. Raises StoreUnavailable, TraceUnreadable."""
        if (redactor := self._redactor(project)) is None:
            return spans
        from taketwo.capture.redact_raw import redact_span_body

        return [redact_span_body(span, redactor) for span in spans]

    def logs(self, project: str, logs: Sequence[RawLog]) -> Sequence[RawLog]:
        """The log records as they may be stored. Raises StoreUnavailable, TraceUnreadable."""
        if (redactor := self._redactor(project)) is None:
            return logs
        from taketwo.capture.redact_raw import redact_log_body

        return [redact_log_body(log, redactor) for log in logs]

    def conversation(self, conversation: Conversation) -> Conversation:
        """The conversation as it may be stored. Raises StoreUnavailable."""
        if (redactor := self._redactor(conversation.project)) is None:
            return conversation
        from taketwo.capture.redact import redact_conversation

        return redact_conversation(conversation, redactor)

    def finished(self, conversation: Conversation) -> Conversation:
        """A conversation that was read out of stored spans, without what only all of them together betray."""
        if (redactor := self._redactor(conversation.project)) is None:
            return conversation
        from taketwo.capture.redact import redact_texts_by_pseudonyms

        return redact_texts_by_pseudonyms(conversation, redactor)

    def spellings(self, id: str) -> list[str]:
        """An id as it is, and as it is stored where redaction took it for a secret or for personal data."""
        from taketwo.capture.redact import redact_text

        modes: tuple[Redact, ...] = ("secrets", "personal")
        redacted = (redact_text(id, redactor) for mode in modes if (redactor := self._made(mode)) is not None)
        return list(dict.fromkeys((id, *redacted)))

    def is_wanted(self, project: str) -> bool:
        """Whether anything of the project is replaced before it is on disk."""
        return self._redactor(project) is not None

    def forget(self, project: str) -> None:
        """Look at the settings again next time."""
        with self._lock:
            self._wanted.pop(project, None)

    def _redactor(self, project: str) -> Redactor | None:
        at, wanted = self._wanted.get(project, (float("-inf"), "none"))
        if time.monotonic() - at > KNOWN_FOR_S:
            wanted = self._settings_of(project).redact
            with self._lock:
                self._wanted[project] = (time.monotonic(), wanted)
        return self._made(wanted)

    def _made(self, mode: Redact) -> Redactor | None:
        if mode == "none":
            return None
        with self._lock:
            if mode not in self._redactors:
                self._redactors[mode] = _redactor(mode, self._key())
            return self._redactors[mode]


def store_key(path: Path, wanted: bytes | None = None) -> bytes:
    """The key of the pseudonyms, from a file that nobody else may read; made where it is missing, as it is wanted.

    Raises StoreUnavailable.
    """
    try:
        if (found := _made_key(path, wanted or new_key())) is None:
            # Whoever makes the file writes it in one go, a moment after.
            for _ in range(100):
                if len(found := path.read_bytes()) >= KEY_BYTES:
                    break
                time.sleep(0.01)
    except OSError as error:
        raise StoreUnavailable(
            f"the key of the pseudonyms cannot be read: {error.strerror}", where=str(path)
        ) from error
    if found is None or len(found) < KEY_BYTES:
        raise StoreUnavailable("this is no key of pseudonyms", where=str(path), todo="restore it from a backup")
    return found


def new_key() -> bytes:
    """A key that nobody else has."""
    return os.urandom(KEY_BYTES)


def _made_key(path: Path, key: bytes) -> bytes | None:
    """A new key; None where there is one."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    with os.fdopen(file, "wb") as opened:
        opened.write(key)
        opened.flush()
        os.fsync(opened.fileno())
    return key


def _redactor(mode: Redact, key: bytes) -> Redactor:
    from taketwo.capture.redact import Redactor
    from taketwo.redaction.detectors import installed_detectors

    return Redactor(key, detectors=installed_detectors()) if mode == "personal" else Redactor(key, kinds=())

"""Audio files that conversations refer to by the hash of their bytes; they lie in a folder beside the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from taketwo.conversation import Conversation, Say

_HASH = re.compile(r"[0-9a-f]{64}")


def recordings_folder(store: Path) -> Path:
    """Where the recordings of a store lie: `HASH`, or `HASH.wav` and the like."""
    return store.with_name(f"{store.name}.audio")


def recordings_of(conversation: Conversation) -> frozenset[str]:
    """Hashes of the recordings that a conversation refers to."""
    return frozenset(name for name in _named(conversation) if name is not None and _HASH.fullmatch(name))


def remove(folder: Path, hashes: Iterable[str]) -> int:
    """Remove recordings; gives how many files there were. Raises OSError."""
    files = [file for name in hashes for file in folder.glob(f"{name}*")]
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def _named(conversation: Conversation) -> Iterator[str | None]:
    for turn in conversation.turns:
        if turn.user is not None:
            yield turn.user.audio.file if turn.user.audio else None
            yield from (attachment.sha256 for attachment in turn.user.attachments)
        yield from (step.audio.file for step in turn.steps if isinstance(step, Say) and step.audio is not None)
    for value in conversation.metadata.values():
        yield value if isinstance(value, str) else None

"""Recordings that conversations refer to by the hash of their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from taketwo.blobs import Blobs, is_name
from taketwo.conversation import Conversation, Say
from taketwo.errors import StoreUnavailable
from taketwo.value import content_hash


def recordings_folder(store: Path) -> Path:
    """Where the recordings of a file lie unless its address says otherwise."""
    return store.with_name(f"{store.name}.audio")


def recordings_of(conversation: Conversation) -> frozenset[str]:
    """Hashes of the recordings that a conversation refers to."""
    return frozenset(name for name in _named(conversation) if name is not None and is_name(name))


def copy_blobs(source: Blobs, target: Blobs, names: Iterable[str]) -> list[str]:
    """Copy what is not there yet, and read it again; gives the names of what was. Raises StoreUnavailable."""
    new = []
    for name in names:
        # What somebody deletes meanwhile is not missed.
        if target.exists(name) or (body := source.get(name)) is None:
            continue
        if target.put(body) != name:
            target.delete(content_hash(body))
            raise StoreUnavailable(
                f"{name} is not what its name says", where=source.where, todo="is the disk sound? Remove it"
            )
        if target.get(name) != body:
            raise StoreUnavailable(f"the copy of {name} is not the same", where=target.where, todo="is the disk sound?")
        new.append(name)
    return new


def _named(conversation: Conversation) -> Iterator[str | None]:
    for turn in conversation.turns:
        if turn.user is not None:
            yield turn.user.audio.file if turn.user.audio else None
            yield from (attachment.sha256 for attachment in turn.user.attachments)
        yield from (step.audio.file for step in turn.steps if isinstance(step, Say) and step.audio is not None)
    for value in conversation.metadata.values():
        yield value if isinstance(value, str) else None

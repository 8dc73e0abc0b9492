"""Recordings in folders, named after the hash of their bytes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taketwo.conversation import Conversation, Gap, Say
from taketwo.value import content_hash

AUDIO_FOLDER: Final = "audio"
"""Where recordings of kept calls lie beside the scenario files."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIXES: Final = {b"RIFF": ".wav", b"OggS": ".ogg", b"fLaC": ".flac", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


class Recordings:
    """Recordings that are looked for in several folders, and kept in the first of them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """The folders need not be there yet."""
        self._folders = tuple(folders)

    def keep(self, body: bytes) -> str:
        """Keep a recording; gives its hash. The same bytes are kept once. Raises OSError."""
        name = content_hash(body)
        if self.find(name) is None:
            folder = self._folders[0]
            folder.mkdir(parents=True, exist_ok=True)
            # Under another name first, so that nobody finds half of it.
            handle, written = tempfile.mkstemp(dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                Path(written).replace(folder / f"{name}{suffix_of(body)}")
            finally:
                Path(written).unlink(missing_ok=True)
        return name

    def find(self, name: str | None) -> Path | None:
        """The file of that hash; None where there is none."""
        if name is None or not _HASH.fullmatch(name):
            return None
        found = (file for folder in self._folders for file in sorted(folder.glob(f"{name}*")))
        return next(found, None)

    def of(self, conversation: Conversation) -> Path | None:
        """The recording of a conversation; None where it is not kept here."""
        return next((file for name in names_of(conversation) if (file := self.find(name)) is not None), None)


def names_of(conversation: Conversation) -> Sequence[str]:
    """What a conversation calls its recordings: hashes and URLs, the whole call first."""
    whole = conversation.metadata.get("recording")
    named = [whole] if isinstance(whole, str) else []
    for turn in conversation.turns:
        named += [turn.user.audio.file] if turn.user and turn.user.audio and turn.user.audio.file else []
        named += [step.audio.file for step in turn.steps if isinstance(step, Say) and step.audio and step.audio.file]
    return list(dict.fromkeys(named))


def with_recording(conversation: Conversation, was: str, name: str) -> Conversation:
    """The conversation with a recording under its new name."""
    changed = _renamed(conversation, was, name)
    return changed.but(metadata={**conversation.metadata, "recording": name})


def without_recording(conversation: Conversation, name: str) -> Conversation:
    """The conversation without that recording, and with a gap that says so."""
    changed = _renamed(conversation, name, None)
    metadata = {key: value for key, value in conversation.metadata.items() if key != "recording" or value != name}
    gap = Gap(where="metadata.recording", why="the recording was left out: it says what was taken out of the words")
    return changed.but(metadata=metadata, gaps=(*conversation.gaps, gap))


def _renamed(conversation: Conversation, was: str, name: str | None) -> Conversation:
    turns = []
    for turn in conversation.turns:
        user = turn.user
        if user is not None and user.audio is not None and user.audio.file == was:
            user = user.but(audio=user.audio.but(file=name))
        steps = tuple(
            step.but(audio=step.audio.but(file=name))
            if isinstance(step, Say) and step.audio is not None and step.audio.file == was
            else step
            for step in turn.steps
        )
        turns.append(turn.but(user=user, steps=steps))
    return conversation.but(turns=tuple(turns))


def suffix_of(body: bytes) -> str:
    """The ending that files of this kind have; empty where the kind is not known."""
    return next((suffix for magic, suffix in _SUFFIXES.items() if body.startswith(magic)), "")

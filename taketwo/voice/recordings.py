"""Recordings of calls, named after the hash of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from taketwo.blobs import Blobs, suffix_of
from taketwo.conversation import Conversation, Gap, Say
from taketwo.errors import TakeTwoError
from taketwo.value import content_hash

AUDIO_FOLDER: Final = "audio"
"""Where recordings of kept calls lie beside the scenario files."""


class Recording(NamedTuple):
    """A recording that was found."""

    name: str
    """Its hash."""
    body: bytes
    """The sound, as it came."""

    @property
    def file_name(self) -> str:
        """What a file with it is called."""
        return f"{self.name}{suffix_of(self.body)}"


class Server(Protocol):
    """Where recordings are looked for that are not here, and those of new calls are sent."""

    def get(self, name: str) -> bytes | None:
        """The recording of that hash; None where there is none. Raises StoreUnavailable, TraceUnreadable."""

    def put(self, body: bytes) -> str:
        """Send a recording; gives its hash. Raises NotAllowed, StoreUnavailable."""


class Recordings:
    """Recordings that are looked for in several places, and kept in the first of them.

    Every method may raise StoreUnavailable.
    """

    def __init__(self, places: Sequence[Blobs], servers: Sequence[Server] = ()) -> None:
        """The first is where new ones go. servers: where what is in none of them may be, and new ones are sent."""
        self._places = tuple(places)
        self._servers = tuple(servers)

    def keep(self, body: bytes) -> str:
        """Keep a recording; gives its hash. The same bytes are kept once."""
        name = content_hash(body)
        return name if self.has(name) else self._places[0].put(body)

    def share(self, body: bytes) -> list[Gap]:
        """Send a new recording that is kept here; a gap for each server that does not take it: the call took place."""
        gaps = []
        for server in self._servers:
            try:
                server.put(body)
            except TakeTwoError as error:
                why = f"the recording is kept where the call was made, and not on the server: {error}"
                gaps.append(Gap(where="metadata.recording", why=why))
        return gaps

    def has(self, name: str) -> bool:
        """Whether there is one of that hash."""
        return any(place.exists(name) for place in self._places)

    def find(self, name: str | None) -> Recording | None:
        """The recording of that hash; None where there is none. Raises TraceUnreadable for what is elsewhere."""
        found = (source.get(name) for source in (*self._places, *self._servers) if name is not None)
        body = next((one for one in found if one is not None), None)
        return None if name is None or body is None else Recording(name, body)

    def of(self, conversation: Conversation) -> Recording | None:
        """The recording of a conversation; None where it is not kept here."""
        found = (self.find(name) for name in names_of(conversation))
        return next((one for one in found if one is not None), None)


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

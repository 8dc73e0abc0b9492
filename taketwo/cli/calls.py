"""Calls that come in: their recordings, recordings without any platform, and calls asked for from a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from taketwo.capture.fetch import FetchLimits, fetch
from taketwo.config import Settings
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, MissingExtra, TraceUnreadable
from taketwo.store import Store
from taketwo.store.importing import Tally, kept_already
from taketwo.value import content_hash
from taketwo.voice.keeping import with_kept_recordings
from taketwo.voice.recordings import Recordings

SOUNDS = (".wav", ".mp3", ".ogg", ".opus", ".flac")
"""How the names of recordings end."""


def keeping_recordings(
    store: Store, project: str, limits: FetchLimits | None
) -> Callable[[Conversation], Conversation]:
    """What fetches and keeps the recordings of a conversation; with no limits it leaves them where they are."""
    recordings = Recordings([store.recordings(project)])

    def keep(conversation: Conversation) -> Conversation:
        if limits is None:
            return conversation
        before = kept_already(store, conversation.id, project)
        return with_kept_recordings(conversation, recordings, lambda one: fetch(one, limits), before)

    return keep


def import_recording(
    store: Store, path: Path, project: str, tally: Tally, here: Settings, *, caller_channel: int = 0
) -> None:
    """Hear a recording and keep what was said. Raises TraceUnreadable, MissingExtra."""
    try:
        from taketwo.voice.audio import read_sound
        from taketwo.voice.hearing import hear
        from taketwo.voice.opening import open_recogniser
    except ModuleNotFoundError as error:
        raise MissingExtra("voice", needed_for="hearing a recording") from error
    sound = read_sound(path)
    body = path.read_bytes()
    recogniser = open_recogniser(here.speech_url, here.speech_key)
    name = content_hash(body)
    try:
        heard = hear(
            sound,
            name,
            recogniser,
            id=f"{path.stem}-{name[:12]}",
            transcript=_beside(path),
            caller_channel=caller_channel,
        )
    except TraceUnreadable as error:
        raise TraceUnreadable(error.what, where=str(path), todo=error.todo) from error
    store.recordings(project).put(body)
    tally.take(store, heard, project)


def import_from(
    store: Store, platform: str, project: str, tally: Tally, here: Settings, *, base_url: str | None, most: int | None
) -> None:
    """Ask a platform for its calls. Raises BadSetting, TraceUnreadable."""
    from taketwo.capture.platforms import pull

    key = {"vapi": here.vapi_key, "retell": here.retell_key}.get(platform)
    if not key:
        variable = f"TAKETWO_{platform.upper()}_KEY"
        raise BadSetting(f"no key for {platform}", where="--from", todo=f"set {variable} to a private key")
    for item in pull(platform, key, base_url=base_url, most=most):
        tally.take(store, item, project)


def _beside(path: Path) -> list[tuple[str, str]]:
    """The lines of the transcript that lies beside a recording: `User: …` and `Agent: …`, in NAME.txt."""
    file = path.with_suffix(".txt")
    if not file.is_file():
        return []
    try:
        return list(_lines(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise TraceUnreadable(f"the transcript cannot be read: {error}", where=str(file)) from error


def _lines(text: str) -> Iterator[tuple[str, str]]:
    from taketwo.capture.imports.spoken import lines_of_transcript

    for role, words in lines_of_transcript(text, ("user", "caller", "customer", "human")):
        yield "caller" if role == "user" else "agent", words

"""Recordings that captured calls refer to, fetched and kept beside the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from taketwo.conversation import Conversation, Gap
from taketwo.errors import TraceUnreadable
from taketwo.voice.recordings import Recordings, names_of, with_recording


def with_kept_recordings(
    conversation: Conversation,
    recordings: Recordings,
    fetch: Callable[[str], bytes],
    before: Conversation | None = None,
) -> Conversation:
    """The conversation with its recordings kept and called by their hash; a gap for each that cannot be had.

    before: the same call as it was kept when it came before; its recording is not fetched again, as its address may
    have expired by now. Raises StoreUnavailable where they cannot be written.
    """
    known = None if before is None else before.metadata.get("recording")
    named = conversation.metadata.get("recording")
    if isinstance(named, str) and isinstance(known, str) and recordings.has(known):
        return with_recording(conversation, named, known)
    for url in _urls(names_of(conversation)):
        try:
            name = recordings.keep(fetch(url))
        except TraceUnreadable as error:
            gap = Gap(where="metadata.recording", why=f"the recording was not kept: {error.what}")
            conversation = conversation.but(gaps=(*conversation.gaps, gap))
        else:
            conversation = with_recording(conversation, url, name)
    return conversation


def _urls(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if name.startswith(("http://", "https://")))

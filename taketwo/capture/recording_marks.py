"""The recording of a call where its spans name one: by its address, as a file, or with its bytes inside."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from taketwo.capture.dialects.loose_json import loosely, text_of
from taketwo.conversation import Gap
from taketwo.span import Span
from taketwo.value import JSON

KEPT: Final = "taketwo.recording"
"""Names a recording; senders may set it to an address or a path, and the server to the hash under which it is kept."""
NOT_KEPT: Final = "taketwo.recording.missing"
"""Says why the recording that a call names could not be kept."""
INSIDE: Final = "span:"
"""How a reference to bytes inside a span begins: `span:TRACE/SPAN/ATTRIBUTE`."""
FILE: Final = "file:"
"""How a reference to a file begins."""
_HTTP: Final = ("http://", "https://")
REFERENCES: Final = (*_HTTP, INSIDE, FILE)
"""How names of recordings begin that are not kept yet."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_DATA: Final = re.compile(r"data:audio/[^,;]+(?:;[^,;]+)*;base64,")
_ATTACHMENTS: Final = "langsmith.attachments"
_NAMES: Final = (
    KEPT,
    *("conversation.recording.stereo", "gen_ai.voice.recording.stereo_url", "stereo_recording_url"),
    _ATTACHMENTS,
    *("conversation.recording.mono.combined", "gen_ai.voice.recording.url", "recording_url", "voice_recording_url"),
    *("recording.url", "audio_recording_path", "recording_path"),
)
"""Attributes that name the recording of a whole call, those first in which each party has a channel of its own."""


class Named(NamedTuple):
    """What spans say of the recording of their call."""

    recording: str | None = None
    """Its hash, its address, or a reference to a file or into a span; None where none is named."""
    missing: str | None = None
    """Why it could not be kept; None where nobody has said that."""
    rank: int = 0
    """How good its name is; a lower one is better, and that of one that is kept the best."""

    def by(self, span: Span) -> Named:
        """What is known with a further span."""
        found = min([*([] if self.recording is None else [(self.rank, self.recording)]), *_named(span)], default=None)
        missing = self.missing or text_of(span.attributes.get(NOT_KEPT))
        return Named(None, missing) if found is None else Named(found[1], missing, found[0])

    def gaps(self) -> list[Gap]:
        """What is missing of it."""
        is_missing = self.missing is not None and not is_hash(self.recording or "")
        return [Gap(where="metadata.recording", why=self.missing or "")] if is_missing else []

    def metadata(self) -> dict[str, JSON]:
        """Where conversations have it."""
        return {} if self.recording is None else {"recording": self.recording}


def is_hash(reference: str) -> bool:
    """Whether it is the name of a recording that is kept."""
    return _HASH.fullmatch(reference) is not None


def sound_inside(attributes: Mapping[str, JSON], name: str) -> bytes | None:
    """The bytes of a recording that an attribute holds; None where it holds none."""
    text = _encoded(attributes.get(name), name)
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _named(span: Span) -> Iterator[tuple[int, str]]:
    for rank, name in enumerate(_NAMES):
        value = span.attributes.get(name)
        if value is None:
            continue
        if _encoded(value, name) is not None:
            yield rank, f"{INSIDE}{span.trace_id}/{span.span_id}/{name}"
        elif (text := text_of(value)) is not None and (reference := _reference(text)) is not None:
            yield -1 if is_hash(reference) else rank, reference


def _reference(text: str) -> str | None:
    """An address, a path or a hash; None for what is none of them."""
    if text.startswith(_HTTP) or is_hash(text):
        return text
    path = text.removeprefix("file://")
    return f"{FILE}{path}" if path.startswith("/") else None


def _encoded(value: JSON, name: str) -> str | None:
    """The base64 text of a sound in an attribute; None where there is none."""
    if isinstance(value, str) and (head := _DATA.match(value)):
        return value[head.end() :]
    if name != _ATTACHMENTS or not isinstance(listed := loosely(value), list):
        return None
    sounds = (one for one in listed if isinstance(one, dict) and str(one.get("mime_type")).startswith("audio/"))
    return next((text for one in sounds if isinstance(text := one.get("content"), str)), None)

"""The content of a chat message: text alone, or a list of parts with images, audio and files among them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Sequence

from taketwo.conversation import Attachment
from taketwo.value import JSON

_DATA_URL = re.compile(r"data:(?P<media>[\w.+/-]*)[^,]*;base64,(?P<bytes>.*)", re.DOTALL)


def text_and_attachments(content: JSON) -> tuple[str | None, tuple[Attachment, ...]]:
    """The texts of the content, one a line, and what came with them; no text at all is None."""
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        return None, ()
    texts = [text for part in content if (text := _text(part)) is not None]
    attachments = tuple(_attachment(part) for part in content if isinstance(part, dict) and _text(part) is None)
    return "\n".join(texts) if texts else None, attachments


def content_of(text: str, attachments: Sequence[Attachment]) -> JSON:
    """The text, or a list of parts where something came with it that can be shown again."""
    parts = [part for attachment in attachments if (part := _part(attachment))]
    if not parts:
        return text
    return [*([{"type": "text", "text": text}] if text else []), *parts]


def _text(part: JSON) -> str | None:
    match part:
        case str():
            return part
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text
        case {"type": "refusal", "refusal": str(text)}:
            return text
        case _:
            return None


def _attachment(part: dict[str, JSON]) -> Attachment:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return _at("image", url)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            return _at("audio", f"data:audio/{form};base64,{data}")
        case {"type": "file", "file": {"file_data": str(data)}}:
            return _at("file", data)
        case {"type": str(kind)}:
            return Attachment(kind=kind)
        case _:
            return Attachment(kind="unknown")


def _at(kind: str, url: str) -> Attachment:
    if not (found := _DATA_URL.fullmatch(url)):
        return Attachment(kind=kind, url=url)
    return Attachment(kind=kind, url=url, media_type=found["media"] or None, sha256=_hash(found["bytes"]))


def _hash(base64_text: str) -> str | None:
    try:
        return hashlib.sha256(b64decode(base64_text, validate=True)).hexdigest()
    except ValueError:
        return None


def _part(attachment: Attachment) -> JSON:
    """The part that shows it; None where its content is not known."""
    match attachment:
        case Attachment(url=None):
            return None
        case Attachment(kind="image", url=str(url)):
            return {"type": "image_url", "image_url": {"url": url}}
        case Attachment(kind="audio", url=str(url)) if found := _DATA_URL.fullmatch(url):
            form = found["media"].removeprefix("audio/")
            return {"type": "input_audio", "input_audio": {"data": found["bytes"], "format": form}}
        case Attachment(kind="file", url=str(url)):
            return {"type": "file", "file": {"file_data": url}}
        case _:
            return None

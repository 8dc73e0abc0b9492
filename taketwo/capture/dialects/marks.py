"""The marks that senders leave where they took content out."""

from __future__ import annotations

import re

HIDDEN = "the sender hid it"
LEFT_OUT = "the sender does not capture content"
CUT = "the sender cut it off"
DROPPED = "the sender's limit on attributes threw it away"

DEEPER = "[MaxDepth]"
"""What stands for everything that is nested too deeply."""

_HIDDEN_WORDS = {
    "__redacted__",
    "[redacted]",
    "<redacted>",
    "redacted-by-litellm",
    "redacted by litellm. 'litellm.turn_off_message_logging=true'",
    "<not serializable>",
    "<hidden>",
    "[hidden]",
}
_SCRUBBED = re.compile(r"\[Scrubbed due to '[^']*'\]")
_CUT_AT_END = re.compile(r"[\s.…]*[\[<(][^\[\]<>()]{0,40}\btruncated\b[^\[\]<>()]{0,40}[\])>][\s.…]*$", re.IGNORECASE)


def why_hidden(text: str) -> str | None:
    """Why the content is gone if a text is nothing but a mark, else None."""
    if len(text) < 80:
        lowered = text.strip().lower()
        if lowered in _HIDDEN_WORDS or _SCRUBBED.fullmatch(text.strip()):
            return HIDDEN
    return None


def without_cut_mark(text: str) -> tuple[str, bool]:
    """The text without a sender's note at its end that it was truncated, and whether there was one."""
    if "runcated" in text[-100:] and (note := _CUT_AT_END.search(text, max(0, len(text) - 120))):
        return text[: note.start()], True
    return text, False


def is_cut_inside(value: object) -> bool:
    """Whether a value has a mark where its sender did not go deeper."""
    if isinstance(value, dict):
        return any(map(is_cut_inside, value.values()))
    return any(map(is_cut_inside, value)) if isinstance(value, list) else value == DEEPER


def is_mark(value: object) -> bool:
    """Whether a value stands for no value: hidden, not given."""
    return value in ("", "NOT_GIVEN", "N/A", "None", "null") or (
        isinstance(value, str) and why_hidden(value) is not None
    )

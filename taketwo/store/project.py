"""How a project wishes its data to be treated, and what a deletion has removed."""

from __future__ import annotations

from typing import Literal, TypeAlias

from taketwo.value import Value

Redact: TypeAlias = Literal["none", "secrets", "personal"]
"""What is replaced before it is stored: nothing, secrets, or secrets and personal data."""


class ProjectSettings(Value):
    """How long a project keeps its conversations, and what is replaced in them before they are stored."""

    keep_for_days: int | None = None
    """Days after which a conversation is deleted, counted from its last span; None for ever."""
    spans_per_s: int | None = None
    """How many spans and log records a second a project may send in the long run; None for as many as are taken."""
    stored_bytes: int | None = None
    """How many bytes of spans and log records a project may keep; None for as many as there is room for."""
    replays: int | None = None
    """How many of its replays may run at a time; None for any number."""
    model_usd_a_day: float | None = None
    """US dollars that a server may spend on language models for it in a day, UTC; None for any sum."""
    redact: Redact = "none"
    """What is replaced by pseudonyms in whatever comes from now on."""
    score_share: float = 0.0
    """Which share of what is captured, from 0 to 1, a server judges by its evaluators as it comes in."""


class Deleted(Value):
    """What a deletion has removed."""

    conversations: int = 0
    """Number of conversations."""
    spans: int = 0
    """Number of spans."""
    results: int = 0
    """Number of results of their replays."""
    recordings: int = 0
    """Number of audio files."""
    copies: int = 0
    """Number of things that a server kept of them: copies, rows, replays of rows."""

    def __add__(self, other: Deleted) -> Deleted:
        """Both together."""
        return Deleted(
            conversations=self.conversations + other.conversations,
            spans=self.spans + other.spans,
            results=self.results + other.results,
            recordings=self.recordings + other.recordings,
            copies=self.copies + other.copies,
        )

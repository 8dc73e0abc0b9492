"""Projects."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from taketwo.sdk.api.asked import Asked, Name
from taketwo.value import Value


class Project(Value):
    """A project and how it wishes its data to be treated."""

    id: str
    """Made from the name, so that both name the same project everywhere."""
    name: str
    """Its name."""
    keep_for_days: int | None = None
    """Days after which a conversation is deleted; None for ever."""
    redact: Literal["none", "secrets", "personal"] = "none"
    """What is replaced by pseudonyms before it is stored."""


class CreateProject(Asked):
    """A project that is to be made."""

    name: Name
    """Its name."""
    keep_for_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days after which a conversation is deleted; null for ever."""
    redact: Literal["none", "secrets", "personal"] = "none"
    """What is replaced by pseudonyms before it is stored."""

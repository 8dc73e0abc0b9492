"""What is asked of the server, and the kinds of text in it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from taketwo.value import Value

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
"""What people call a thing; the only one of its kind in its project."""
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1000)]
"""Id of a thing, or where it says so its name."""
Text: TypeAlias = Annotated[str, Meta(max_length=1_000_000)]
"""Text of any length that a person would read."""


class Asked(Value, forbid_unknown_fields=True):
    """Something that the server is asked for."""

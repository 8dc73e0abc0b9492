"""What an update asks to change."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from taketwo.sdk.api.asked import Asked


def changed_fields(asked: Asked) -> dict[str, Any]:
    """The fields that were given, also those given as null."""
    given = ((name, getattr(asked, name)) for name in asked.__struct_fields__)
    return {name: value for name, value in given if value is not UNSET}

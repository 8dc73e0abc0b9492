"""Detectors that other packages bring, for instance for names in texts: entry points of `taketwo.detectors`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from taketwo.errors import BadSetting
from taketwo.redaction.kinds import Detector

GROUP: Final = "taketwo.detectors"


def installed_detectors() -> dict[str, Detector]:
    """By name, every detector that is installed. Raises BadSetting where one cannot be imported."""
    found: dict[str, Detector] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found[entry.name] = entry.load()
        except Exception as error:  # foreign code
            raise BadSetting(f"detector {entry.name!r} cannot be loaded: {error}", where=entry.value) from error
    return found

"""Older forms of the scenario file, lifted to the present one step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from taketwo.freeze.typed import Misplaced, plain
from taketwo.freeze.yaml_reader import Document
from taketwo.scenario import FORMAT_VERSION

Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a document of one version and gives that of the next; what it hands on keeps its line in the file."""

UPGRADES: Mapping[int, Upgrade] = {}
"""The version that a document has, and what lifts it to the next. Version 1 is the first, so there is none yet."""


def upgraded(document: Document, upgrades: Mapping[int, Upgrade] = UPGRADES, newest: int = FORMAT_VERSION) -> Document:
    """The document in the newest version. Raises Misplaced when it is no scenario or of a version still to come."""
    version = _version(document)
    if version > newest:
        raise Misplaced(
            f"was written by a newer taketwo (format {version}; this one reads up to {newest})", todo="upgrade taketwo"
        )
    for step in range(version, newest):
        document = upgrades[step](document)
        document["taketwo"] = step + 1
    return document


def _version(document: Document) -> int:
    if not isinstance(document, dict) or "taketwo" not in document:
        raise Misplaced("is no scenario", todo=f"a scenario file begins with `taketwo: {FORMAT_VERSION}`")
    version = plain(document["taketwo"])
    if type(version) is not int or version < 1:
        raise Misplaced("should be the version of the form, a whole number from 1", "taketwo")
    return version

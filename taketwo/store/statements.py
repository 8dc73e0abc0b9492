"""SQL is kept as SQL: reads the named statements of a .sql file."""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = re.compile(r"^-- name: (?P<name>\w+)$", re.MULTILINE)


def named_statements(file: Path) -> dict[str, str]:
    """The statements of a file by name, each with its reason as a comment.

    A statement begins with `-- name: NAME` and ends where the next one begins.
    """
    parts = _HEAD.split(file.read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


SQL = named_statements(Path(__file__).with_name("queries.sql"))
"""Every statement that the SQLite store runs, by name."""

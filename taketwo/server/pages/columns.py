"""The columns of the lists: which there are, which are shown, and by which a list can be sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One column of a list."""

    name: str
    """Its name in addresses; the template knows how it is drawn."""
    title: str
    """Its head."""
    shown: bool = True
    """Whether it is shown unless one chooses otherwise."""
    kind: str = ""
    """Its class in the style: `number`, `time`, `main`, `clip`."""
    sort: str | None = None
    """What the store sorts by; None where it cannot."""


SESSIONS = (
    Column("said", "The user's first line", kind="main"),
    Column("started", "Started, UTC", kind="time", sort="started"),
    Column("turns", "Turns", kind="number", sort="turns"),
    Column("tools", "Tools", kind="clip"),
    Column("trouble", "Trouble", sort="errors"),
    Column("latency", "Slowest", kind="number", sort="latency"),
    Column("model", "Model", kind="clip"),
    Column("user", "User", kind="clip"),
    Column("scores", "Scores", shown=False, kind="clip"),
    Column("tags", "Tags", shown=False, kind="clip"),
    Column("agent", "Agent", shown=False, kind="clip"),
    Column("calls", "Calls", shown=False, kind="number", sort="calls"),
    Column("gaps", "Gaps", shown=False, kind="number", sort="gaps"),
    Column("tokens", "Tokens", shown=False, kind="number", sort="tokens"),
    Column("cost", "Cost, $", shown=False, kind="number", sort="cost"),
    Column("length", "Length", shown=False, kind="number"),
    Column("id", "Id", shown=False, kind="clip"),
    Column("project", "Project", shown=False, kind="clip"),
)
TRACES = (
    Column("id", "Trace", kind="main"),
    Column("started", "Started, UTC", kind="time"),
    Column("length", "Length", kind="number"),
    Column("spans", "Spans", kind="number"),
    Column("errors", "Errors", kind="number"),
    Column("conversations", "Conversation", kind="clip"),
)
USERS = (
    Column("id", "User", kind="main"),
    Column("conversations", "Conversations", kind="number"),
    Column("errors", "With failed calls", kind="number"),
    Column("turns", "Turns", kind="number"),
    Column("first", "First seen, UTC", kind="time"),
    Column("last", "Last seen, UTC", kind="time"),
)


def chosen(columns: Sequence[Column], asked: Sequence[str]) -> tuple[Column, ...]:
    """The columns to show: those asked for, the first one always; the usual ones where nothing is asked."""
    names = set(asked)
    if not names & {column.name for column in columns}:
        return tuple(column for column in columns if column.shown)
    return tuple(column for place, column in enumerate(columns) if place == 0 or column.name in names)

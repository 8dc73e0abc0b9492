"""What stands around every page: where one is, where one can go, and the project that is looked at."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """A place to go to."""

    name: str
    """Its name in addresses and code."""
    title: str
    """Its name for people."""
    path: str
    """Its address."""


NAVIGATION: tuple[tuple[str, tuple[Section, ...]], ...] = (
    (
        "Observe",
        (
            Section("sessions", "Sessions", "/sessions"),
            Section("traces", "Traces", "/traces"),
            Section("calls", "Calls", "/calls"),
            Section("users", "Users", "/users"),
        ),
    ),
    (
        "Replay",
        (
            Section("replays", "Replays", "/replays"),
            Section("scenarios", "Scenarios", "/scenarios"),
            Section("tests", "Tests", "/tests"),
            Section("schedules", "Schedules", "/schedules"),
        ),
    ),
    (
        "Set up",
        (
            Section("agents", "Agents", "/agents"),
            Section("evaluators", "Evaluators", "/evaluators"),
            Section("settings", "Projects", "/settings"),
            Section("keys", "Keys", "/keys"),
            Section("start", "Send data", "/start"),
            Section("status", "Health", "/status"),
        ),
    ),
)
"""Every section, in groups."""

LOGIN = "login"
"""The section in which one has yet to sign in: there is nowhere else to go."""


class Shell(NamedTuple):
    """What a page tells the frame around it."""

    section: str = ""
    """The section that the page belongs to; empty for none."""
    project: str | None = None
    """The project that is looked at; None for all of them."""
    projects: tuple[str, ...] = ()
    """All projects."""
    live: bool = False
    """Whether the page asks for itself again while it is open."""

"""What is remembered of each case from run to run: where it was last green, and since where it is red.

A CI job keeps the file between runs. What it does not say is not known, and is never guessed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from taketwo.errors import BadSetting
from taketwo.events import CaseFinished, Event
from taketwo.report import Writer, close_writers
from taketwo.report.gathered import replace_file
from taketwo.value import Value
from taketwo.verdict import Past, SeenAt, VerdictKind

GIT_TIMEOUT_S = 30.0


class History(Value):
    """What a history file holds."""

    version: int = 1
    """Version of the file; it grows when a field changes its meaning or goes."""
    cases: dict[str, Past] = {}
    """By file and id of the case, as in `tests/replays/a.scenario.yaml::dana`."""


class Remembering:
    """A writer that tells other writers where each case was green and red before, and keeps that for the next run."""

    def __init__(self, writers: Sequence[Writer], path: Path, revision: str | None) -> None:
        """revision: what is replayed; None where no commit says what the agent is. Raises BadSetting."""
        self._writers = writers
        self._path = path
        self._cases = dict(load_history(path).cases)
        self._seen = None if revision is None else SeenAt(revision=revision, at=datetime.now(UTC))

    def write(self, event: Event) -> None:
        """Hand it on, a finished case with its past."""
        if isinstance(event, CaseFinished) and event.result.file is not None:
            key = f"{Path(event.result.file).as_posix()}::{event.result.case_id}"
            self._cases[key] = after(self._cases.get(key, Past()), event.result.verdict.kind, self._seen)
            event = event.but(result=event.result.but(past=self._cases[key]))
        for writer in self._writers:
            writer.write(event)

    def close(self) -> None:
        """Write the file, and close the others."""
        try:
            replace_file(self._path, History(cases=dict(sorted(self._cases.items()))).to_json() + b"\n")
        finally:
            close_writers(self._writers)


def after(past: Past, verdict: VerdictKind, seen: SeenAt | None) -> Past:
    """The past of a case once it has got this verdict. seen: None where it is not known of what revision."""
    match verdict:
        case "pass":
            return Past(green=seen or past.green, red=None)
        case "fail":
            return past.but(red=past.red or seen)
        case _:  # neither green nor red
            return past


def load_history(path: Path) -> History:
    """What the file says; nothing where there is none yet. Raises BadSetting where it cannot be read."""
    try:
        history = History.from_json(path.read_bytes())
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise BadSetting(f"cannot be read: {error.strerror}", where=str(path)) from error
    except msgspec.DecodeError as error:
        raise BadSetting(f"is no history: {error}", where=str(path), todo="delete it to begin anew") from error
    if history.version > History().version:
        raise BadSetting("was written by a newer taketwo", where=str(path), todo="upgrade taketwo")
    return history


def committed_revision(folder: Path) -> str | None:
    """The commit that is checked out; None where tracked files differ from it, or there is no repository."""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if changed != "" else _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *command], cwd=folder, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

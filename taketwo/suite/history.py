"""Where a case was last green, and since where it is red; what nobody knows is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from taketwo.errors import NotFound
from taketwo.suite.revision import git
from taketwo.verdict import Past, SeenAt, VerdictKind


def after(past: Past, verdict: VerdictKind, seen: SeenAt | None) -> Past:
    """The past of a case once it has got this verdict. seen: None where it is not known of what revision."""
    match verdict:
        case "pass":
            return Past(green=seen or past.green, red=None)
        case "fail":
            return past.but(red=past.red or seen)
        case _:  # neither green nor red
            return past


def seen_at(root: Path, revision: str | None) -> SeenAt | None:
    """What is replayed now; None where no commit says what the agent is.

    revision: how somebody names it; None for the commit that is checked out.
    """
    revision = revision or committed_revision(root)
    return None if revision is None else SeenAt(revision=revision, at=datetime.now(UTC))


def committed_revision(folder: Path) -> str | None:
    """The commit that is checked out; None where tracked files differ from it, or there is no repository."""
    try:
        told = git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no").splitlines()
    except NotFound:
        return None
    if any(not line.startswith("#") for line in told):
        return None
    commit = next((line.split()[2] for line in told if line.startswith("# branch.oid ")), "(initial)")
    return None if commit == "(initial)" else commit

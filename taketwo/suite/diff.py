"""What differs between a revision and the working tree, file by file and hunk by hunk."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from taketwo.errors import BadSetting, NotFound
from taketwo.suite.revision import git

MOST_BYTES = 2_000_000
"""A longer file is compared as a whole."""


class Hunk(NamedTuple):
    """Lines that are others now; each range is from 0, its end not included, and may be empty."""

    old: range
    """Lines of the file as it was."""
    new: range
    """Lines of the file as it is."""


class FileChange(NamedTuple):
    """A file that is not as it was."""

    path: str
    """Its place in the project."""
    old: str | None
    """Its text as it was; None where there was none, or no text."""
    new: str | None
    """Its text as it is; None where there is none, or no text."""

    def hunks(self) -> list[Hunk]:
        """What differs."""
        matcher = SequenceMatcher(None, (self.old or "").splitlines(), (self.new or "").splitlines(), autojunk=False)
        return [Hunk(range(a, b), range(c, d)) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]


def parted_from(root: Path, ref: str) -> str:
    """The revision from which this one and `ref` have parted. Raises BadSetting where there is none."""
    try:
        return git(root, "merge-base", "--end-of-options", ref, "HEAD").strip()
    except NotFound as error:
        raise _incomparable(ref, error) from error


def contents_at(root: Path, revision: str) -> dict[str, str]:
    """Git's name of the content of each file, as it was then. Raises NotFound."""
    told = (entry.partition("\t") for entry in git(root, "ls-tree", "-r", "-z", revision).split("\0") if entry)
    return {path: about.split()[2] for about, _, path in told}


def changes_since(root: Path, ref: str) -> list[FileChange]:
    """The files that differ from the revision from which this one and `ref` have parted, new ones too.

    Raises BadSetting where there is no such revision.
    """
    base = parted_from(root, ref)
    try:
        names = git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base).split("\0")
        names += git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    except NotFound as error:
        raise _incomparable(ref, error) from error
    return list(_changes(root, base, [name for name in names if name]))


def _incomparable(ref: str, error: NotFound) -> BadSetting:
    todo = "give a revision, as in --changed=origin/main"
    return BadSetting(f"{ref!r} cannot be compared with: {error.what}", where="--changed", todo=todo)


def text_at(root: Path, thing: str) -> str | None:
    """The text of what git knows by a name; None where it knows none, or it is no text."""
    try:
        return _text(git(root, "show", thing))
    except NotFound:
        return None


def _changes(root: Path, base: str, names: list[str]) -> Iterator[FileChange]:
    for name in dict.fromkeys(names):
        yield FileChange(name, text_at(root, f"{base}:./{name}"), text_of(root / name))


def text_of(path: Path) -> str | None:
    """The text of a file; None where there is none, or it is no text."""
    try:
        return _text(path.read_bytes().decode(errors="surrogateescape"))
    except OSError:
        return None


def _text(content: str) -> str | None:
    """None for what is no text, or too long to be compared line by line."""
    if len(content) > MOST_BYTES or "\0" in content:
        return None
    return None if any("\udc80" <= sign <= "\udcff" for sign in content) else content

"""What an agent's answers follow from, as far as it can be seen from here: the tracked files, the packages, the
environment. The same revision means that nothing of it has changed; where it cannot be told, that is said.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from taketwo.errors import NotFound
from taketwo.value import canonical_json, content_hash

GIT_TIMEOUT_S = 30.0
"""A repository on a slow disk takes some seconds."""

NOT_THE_AGENT = (".scenario.yaml", ".scenario.yml")
"""Scenario files are no part of an agent: each case counts by itself."""
BLOBS, SCHEMA = ".blobs", "scenario.schema.json"
"""What lies beside scenario files."""

OF_THE_SHELL = (
    *("_", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES", "DISPLAY", "WINDOWID", "HOSTNAME", "LS_COLORS", "PS1"),
    *("NO_COLOR", "FORCE_COLOR", "PAGER", "LESS", "EDITOR", "INVOCATION_ID", "JOURNAL_STREAM", "MAIL"),
)
"""Variables that no agent answers by."""
OF_THE_JOB = (
    *("TAKETWO_", "GITHUB_", "GITLAB_", "CI_", "RUNNER_", "BUILD_", "JENKINS_", "BUILDKITE_", "CIRCLE_", "PYTEST_"),
    *("COV_", "SSH_", "XDG_SESSION", "TERM", "COLORTERM", "VSCODE_", "TMUX", "DBUS_", "MAKE", "MFLAGS"),
)
"""Beginnings of such variables: they differ from job to job, or are in the settings."""


def project_root(folder: Path) -> Path:
    """The repository that a folder is in, else the folder of the nearest pyproject.toml at or above, else itself."""
    above = (folder, *folder.parents)
    for mark in (".git", "pyproject.toml"):
        if (found := next((one for one in above if (one / mark).exists()), None)) is not None:
            return found
    return folder


def agent_of(spec: str, overrides: Mapping[str, object], endpoint: str | None) -> str | None:
    """The agent's name with all that is given to it; None for one that is somewhere else.

    `prompt:` is an agent by what it is sent. Whatever else is behind a URL or in another program may change unseen.
    """
    if spec == "prompt:" or (":" in spec and "://" not in spec and not spec.startswith("cmd:")):
        return canonical_json([spec, dict(overrides), endpoint if spec == "prompt:" else None])
    return None


class Tracked(NamedTuple):
    """The files that git tracks, as they lie in the working tree, scenario files left out."""

    contents: dict[str, str] = {}
    """Git's name of the content of each, by its path."""
    edited: frozenset[str] = frozenset()
    """Those whose content git has not got."""


def tree_state(root: Path) -> str:
    """One hash of every tracked file as it lies in the working tree, scenario files left out.

    It does not depend on what is committed or staged. Raises NotFound where there is no repository, or no git.
    """
    return content_hash("\n".join(f"{blob} {path}" for path, blob in sorted(tracked_files(root).contents.items())))


def tracked_files(root: Path) -> Tracked:
    """Which files there are, and what is in them. Raises NotFound."""
    found: dict[str, str] = {}
    for entry in git(root, "ls-files", "-s", "-z", "--", ".").split("\0"):
        if entry:
            (_, blob, _), path = entry.partition("\t")[0].split(), entry.partition("\t")[2]
            if not is_of_scenarios(path):
                found[path] = blob
    touched = git(root, "diff-files", "-z", "--name-only", "--relative").split("\0")
    lying = {path: _as_it_lies(root / path, len(found[path])) for path in touched if path in found}
    edited = frozenset(path for path, content in lying.items() if content != found[path])
    return Tracked({**found, **lying}, edited)


def git(root: Path, *command: str) -> str:
    """What git says. Raises NotFound with git's own words."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, timeout=GIT_TIMEOUT_S, check=True, env=environment
        )
    except FileNotFoundError as error:
        raise NotFound("git is not installed", where=str(root)) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        if said and "not a git repository" in said[0]:
            raise NotFound("this folder is in no git repository", where=str(root)) from error
        raise NotFound(said[0] if said else f"git {command[0]} failed", where=str(root)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFound(f"git cannot be asked: {error}", where=str(root)) from error
    # Any bytes may be a path, and what a file holds is compared, not read.
    return done.stdout.decode(errors="surrogateescape")


def is_of_scenarios(path: str) -> bool:
    """Whether it is a scenario file, or lies beside one and belongs to it."""
    *folders, name = path.replace(os.sep, "/").split("/")
    return name.endswith(NOT_THE_AGENT) or name == SCHEMA or any(folder.endswith(BLOBS) for folder in folders)


def surroundings(environment: Mapping[str, str]) -> str:
    """One hash of the interpreter, the installed packages, this package and the environment variables."""
    told = sorted(
        f"{name}={value}"
        for name, value in environment.items()
        if name not in OF_THE_SHELL and not name.startswith(OF_THE_JOB)
    )
    return content_hash("\n".join([sys.version, platform.platform(), *_packages(), *_own_sources(), *told]))


def file_hash(path: Path) -> str | None:
    """The content of a file as a hash; None where there is none to read."""
    try:
        return content_hash(path.read_bytes())
    except OSError:
        return None


def _as_it_lies(path: Path, digits: int) -> str:
    """The content as git would name it, so that what was touched and not changed is the same."""
    try:
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    except IsADirectoryError:  # a repository within this one
        return tree_state(path)
    except OSError:
        return "gone"
    algorithm = hashlib.sha1 if digits == 40 else hashlib.sha256
    return algorithm(b"blob %d\0%s" % (len(content), content)).hexdigest()


def _packages() -> Iterator[str]:
    """Name and version of what is installed, by the folders that say it: reading them all would take too long."""
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        yield from sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))


def _own_sources() -> Iterable[str]:
    """The sources of this package where it is worked on; an installed one is known by its version."""
    package = Path(__file__).resolve().parent.parent
    if "site-packages" in package.parts or "dist-packages" in package.parts:
        return ()
    return [f"{file.name} {file_hash(file)}" for file in sorted(package.rglob("*.py"))]

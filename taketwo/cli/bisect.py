"""`taketwo bisect`: the revision of the agent, or of its prompt, since which a case fails."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import click

from taketwo.cli.gateway import ELSEWHERE
from taketwo.cli.one_case import agent_option, journal_option, noise_option, one_case
from taketwo.cli.settings import settings, store_option
from taketwo.cli.targets import agent_spec_of
from taketwo.errors import BadSetting, NotFound
from taketwo.report.words import counted, plain
from taketwo.suite.locate import Journal, first_bad
from taketwo.suite.revision import file_hash, git

Looks = list[bool | None]
"""What each replay of a version said: fails, does not, or no conclusion."""


class Versions(Protocol):
    """What is searched in, oldest first."""

    names: Sequence[str]
    good: str | None
    """One before them that does not fail; None where there is none."""

    def key(self, name: str) -> str:
        """A version's name in the journal."""

    def in_words(self, name: str) -> str:
        """The version as people know it."""

    def look(self, name: str) -> Looks:
        """Replay it."""

    def why_not(self) -> str:
        """What to do where the last one does not fail."""

    def further(self, name: str) -> str | None:
        """What else can be looked into where it is this one; None where nothing can."""


@click.command("bisect")
@click.argument("target", metavar="FILE[::CASE]")
@click.argument("replay_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTION…]")
@agent_option
@click.option("--good", metavar="REVISION", help="A git revision of the agent that does not fail.")
@click.option("--bad", metavar="REVISION", default="HEAD", show_default=True, help="One that does, after it.")
@click.option(
    "--repository",
    default=".",
    show_default=True,
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="The git repository that the agent lives in.",
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Instead of revisions: versions of the system prompt, oldest first; the last one fails. Repeated.",
)
@click.option(
    "--runs", default=3, show_default=True, type=click.IntRange(1), metavar="N", help="Replays of each version."
)
@click.option(
    "--most", default=12, show_default=True, type=click.IntRange(1), metavar="N", help="Versions to look at, at most."
)
@noise_option
@journal_option
@store_option
def bisect_command(
    target: str,
    replay_options: tuple[str, ...],
    agent_spec: str | None,
    good: str | None,
    bad: str,
    repository: str,
    prompts: tuple[str, ...],
    runs: int,
    most: int,
    noise: float,
    journal: Path | None,
    store_url: str | None,
) -> None:
    """Find the revision of the agent, or the version of its prompt, since which a case fails, although single replays
    may say otherwise now and then.

    What stands behind `--` is passed on to `taketwo replay`.
    """
    one = one_case(target, store_url)
    spec = agent_spec_of(agent_spec, settings())
    if one.file is None:
        raise BadSetting("a captured conversation expects nothing", where=target, todo="`taketwo freeze` it first")
    arguments = [str(Path(one.file).resolve()), "--agent", spec, "--repeat", str(runs), *replay_options]
    if prompts and good is None:
        found: Versions = _Prompts(prompts, arguments, one.case.id)
    elif good is not None and not prompts:
        if spec.startswith(tuple(kind for kind in ELSEWHERE if kind != "cmd:")):
            raise BadSetting(
                "this agent runs elsewhere: checking out a revision here does not change it",
                where=spec,
                todo="name it as a Python agent or as cmd:, or bisect its --prompt",
            )
        found = _Revisions(Path(repository), good, bad, arguments, one.case.id)
    else:
        raise BadSetting(
            "bisect needs something to search in", todo="give --good REVISION, or --prompt FILE repeatedly"
        )
    asyncio.run(_search(found, noise, most, Journal(journal)))


async def _search(versions: Versions, noise: float, most: int, journal: Journal) -> None:
    names = versions.names

    async def looks(index: int) -> Looks:
        return await asyncio.to_thread(versions.look, names[index])

    if len(names) == 1:
        click.echo(f"there is only one version to choose from: {versions.in_words(names[0])}")
        return
    click.echo(f"{counted(len(names), 'version')} to choose from")
    await asyncio.to_thread(_insist_on_ends, versions, journal)
    found = None
    async for step in first_bad(
        len(names), looks, noise=noise, most=most, key=lambda index: versions.key(names[index]), journal=journal
    ):
        found = step.so_far
        if step.version is not None:
            click.echo(f"  {versions.in_words(names[step.version])}: {_said(step.looks)}")
    if found is None:
        raise BadSetting("no version between the ends could be judged", todo="the lines above say why")
    click.echo(f"first bad: {versions.in_words(names[found.index])}  (probability {found.probability:.2f})")
    if len(found.candidates) > 1:
        others = ", ".join(versions.in_words(names[index]) for index in found.candidates[1:4])
        click.echo(f"  with 95 % it is among {counted(len(found.candidates), 'version')}: this one, {others}")
    elif (further := versions.further(names[found.index])) is not None:
        click.echo(f"  {further}")


def _insist_on_ends(versions: Versions, journal: Journal) -> None:
    """Raises BadSetting where the search would find something although there is nothing to find."""
    last = versions.names[-1]
    if (looks := _looked(versions, last, journal)).count(True) == 0:
        what = "does not fail" if any(one is not None for one in looks) else "cannot be judged"
        raise BadSetting(f"the case {what} in the last version", where=versions.in_words(last), todo=versions.why_not())
    if versions.good is None:
        return
    looks = [one for one in _looked(versions, versions.good, journal) if one is not None]
    if looks and all(looks):
        where = versions.in_words(versions.good)
        raise BadSetting("the case fails in the good version, too", where=where, todo="name an earlier one: --good")


def _looked(versions: Versions, name: str, journal: Journal) -> Looks:
    key = versions.key(name)
    if key not in journal.known:
        looks = versions.look(name) or [None]
        click.echo(f"  {versions.in_words(name)}: {_said(looks)}")
        for one in looks:
            journal.note(key, one)
    return journal.known[key]


def _said(looks: Sequence[bool | None]) -> str:
    clear = sum(one is not None for one in looks)
    return f"fails in {looks.count(True)} of {clear}" if clear else "cannot be judged"


class _Prompts:
    """Versions of the system prompt, a file each."""

    good: str | None = None

    def __init__(self, files: Sequence[str], arguments: Sequence[str], case: str) -> None:
        self.names = files
        self._arguments, self._case = arguments, case

    def key(self, name: str) -> str:
        return f"{name} {file_hash(Path(name))}"

    def in_words(self, name: str) -> str:
        return plain(name)

    def look(self, name: str) -> Looks:
        return _looks([*self._arguments, "--set", f"system_prompt=@{name}"], self._case, Path.cwd(), [])

    def why_not(self) -> str:
        return "the last --prompt is one that fails"

    def further(self, name: str) -> str | None:
        return None


class _Revisions:
    """Revisions of a repository from the first one after the good one on, along the first parents of the bad one."""

    def __init__(self, repository: Path, good: str, bad: str, arguments: Sequence[str], case: str) -> None:
        """Raises BadSetting where there is nothing to search in."""
        self._root = Path(_git(repository, "rev-parse", "--show-toplevel"))
        self.good: str | None = self._commit(good)
        last = self._commit(bad)
        # Along all parents a side branch without the fault stands among those that have it.
        line = _git(self._root, "rev-list", "--reverse", "--first-parent", f"{self.good}..{last}")
        self.names: Sequence[str] = line.splitlines()
        if not self.names:
            raise BadSetting(f"there is no revision between {good} and {bad}", where=str(self._root))
        if _git(self._root, "rev-list", "--max-count=1", f"{last}..{self.good}"):
            todo = "name one that it grew from: --good"
            raise BadSetting(f"{good} is not before {bad}", where=str(self._root), todo=todo)
        self._arguments, self._case = arguments, case

    def key(self, name: str) -> str:
        return name

    def in_words(self, name: str) -> str:
        return plain(_git(self._root, "log", "-1", "--format=%h %s", name))

    def look(self, name: str) -> Looks:
        with _checked_out(self._root, name) as folder:
            # The agent is named as seen from where the command was given.
            inside = _moved(Path.cwd(), self._root, folder) or folder
            importing = [there for one in sys.path if (there := _moved(Path(one), self._root, folder))]
            return _looks(self._arguments, self._case, inside if inside.is_dir() else folder, [folder, *importing])

    def why_not(self) -> str:
        if _git(self._root, "status", "--porcelain", "--untracked-files=no"):
            return "commit what has been changed: only revisions are looked at"
        return "name one that fails: --bad"

    def further(self, name: str) -> str | None:
        parents = _git(self._root, "log", "-1", "--format=%P", name).split()
        if len(parents) < 2:
            return None
        with suppress(BadSetting):  # two histories that have nothing in common
            base = _git(self._root, "merge-base", *parents[:2])
            return f"it is a merge; what it brought: --good {base[:12]} --bad {parents[1][:12]}"
        return None

    def _commit(self, name: str) -> str:
        try:
            return git(self._root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        except NotFound:
            is_shallow = _git(self._root, "rev-parse", "--is-shallow-repository") == "true"
            todo = "this clone is shallow: git fetch --unshallow" if is_shallow else None
            raise BadSetting(f"there is no revision {name!r}", where=str(self._root), todo=todo) from None


def _moved(path: Path, root: Path, folder: Path) -> Path | None:
    """The same place in the folder; None for what lies outside of the repository, or is not there."""
    path, root = path.resolve(), root.resolve()
    there = folder / path.relative_to(root) if path.is_relative_to(root) else None
    return there if there is not None and there.is_dir() else None


@contextmanager
def _checked_out(root: Path, revision: str) -> Iterator[Path]:
    """The revision in a folder of its own, which is gone afterwards; the working tree is not touched."""
    with tempfile.TemporaryDirectory(prefix="taketwo-bisect-") as parent:
        folder = Path(parent) / "tree"
        # Hooks are made for people who check something out.
        _git(root, "-c", f"core.hooksPath={parent}", "worktree", "add", "--detach", "--force", str(folder), revision)
        try:
            if (folder / ".gitmodules").is_file():
                _with_submodules(folder)
            yield folder.resolve()
        finally:
            _git(root, "worktree", "remove", "--force", "--force", str(folder))


def _with_submodules(folder: Path) -> None:
    try:
        _git(folder, "submodule", "--quiet", "update", "--init", "--recursive")
    except BadSetting as error:
        click.echo(f"  its submodules cannot be checked out: {plain(error.what)}", err=True)


def _looks(arguments: Sequence[str], case: str, folder: Path, importing: Sequence[Path]) -> Looks:
    """What each replay said, in a process of its own; a version that cannot be started says nothing."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, importing), *_path()])}
        command = [sys.executable, "-m", "taketwo", "replay", *arguments, "--json", str(report), "--store", "memory:"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1, 3) or not report.is_file():
            said = done.stderr.strip().splitlines()
            click.echo(f"  {plain(said[-1]) if said else 'no answer'}", err=True)
            return [None]
        results = json.loads(report.read_text(encoding="utf-8"))["results"]
    result = next((one for one in results if one["case_id"] == case), None)
    if result is None:
        return [None]
    rate = result["verdict"].get("rate")
    if rate is None:
        return [{"fail": True, "inconclusive": None}.get(result["verdict"]["kind"], False)]
    passed, runs = int(rate["passed"]), int(rate["runs"])
    return [number >= passed for number in range(runs)]


def _path() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _git(folder: Path, *arguments: str) -> str:
    try:
        return git(folder, *arguments).strip()
    except NotFound as error:
        raise BadSetting(error.what, where=error.where) from error

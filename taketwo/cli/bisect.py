"""`taketwo bisect`: the revision of the agent, or of its prompt, since which a case fails."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from taketwo.cli.one_case import agent_option, journal_option, noise_option, one_case
from taketwo.cli.settings import settings, store_option
from taketwo.cli.targets import agent_spec_of
from taketwo.errors import BadSetting
from taketwo.report.words import counted, plain
from taketwo.suite.locate import Journal, first_bad


@click.command("bisect")
@click.argument("target", metavar="FILE[::CASE]")
@agent_option
@click.option("--good", metavar="REVISION", help="A git revision of the agent that does not fail.")
@click.option("--bad", metavar="REVISION", default="HEAD", show_default=True, help="One that does, after it.")
@click.option(
    "--repository", default=".", show_default=True, metavar="DIR", help="The git repository that the agent lives in."
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
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
    """
    one = one_case(target, store_url)
    spec = agent_spec_of(agent_spec, settings())
    if one.file is None:
        raise BadSetting("a captured conversation expects nothing", where=target, todo="`taketwo freeze` it first")
    arguments = [str(Path(one.file).resolve()), "--agent", spec, "--repeat", str(runs)]
    if bool(prompts) == bool(good):
        raise BadSetting(
            "bisect needs something to search in", todo="give --good REVISION, or --prompt FILE repeatedly"
        )
    if prompts:
        root, names = None, list(prompts)
    else:
        root = Path(_git(Path(repository), "rev-parse", "--show-toplevel"))
        names = _git(root, "rev-list", "--reverse", "--ancestry-path", f"{good}..{bad}").splitlines()

    def look(version: int) -> list[bool | None]:
        if root is None:
            changed = ["--set", f"system_prompt=@{names[version]}"]
            return _looks([*arguments, *changed], one.case.id, Path.cwd())
        return _looks_at(root, names[version], arguments, one.case.id)

    if not names:
        raise BadSetting(f"there is no revision between {good} and {bad}", where=repository)
    asyncio.run(_search(names, look, noise, most, Journal(journal), root))


async def _search(
    names: list[str],
    look: Callable[[int], list[bool | None]],
    noise: float,
    most: int,
    journal: Journal,
    root: Path | None,
) -> None:
    async def looks(index: int) -> list[bool | None]:
        return await asyncio.to_thread(look, index)

    if len(names) == 1:
        click.echo(f"there is only one version to choose from: {_named(names[0], root)}")
        return
    click.echo(f"{counted(len(names), 'version')} to choose from")
    found = None
    async for step in first_bad(
        len(names), looks, noise=noise, most=most, key=lambda index: names[index], journal=journal
    ):
        found = step.so_far
        fails, clear = step.looks.count(True), sum(one is not None for one in step.looks)
        said = f"fails in {fails} of {clear}" if clear else "cannot be judged"
        click.echo(f"  {_named(names[step.version], root)}: {said}")
    if found is None:
        click.echo("the journal tells already all that looking could find out")
        return
    click.echo(f"first bad: {_named(names[found.index], root)}  (probability {found.probability:.2f})")
    if len(found.candidates) > 1:
        others = ", ".join(_named(names[index], root) for index in found.candidates[1:4])
        click.echo(f"  with 95 % it is among {counted(len(found.candidates), 'version')}: this one, {others}")


def _named(name: str, root: Path | None) -> str:
    """A revision with its subject, a file by its name."""
    return plain(name if root is None else _git(root, "log", "-1", "--format=%h %s", name))


def _looks_at(root: Path, revision: str, arguments: list[str], case: str) -> list[bool | None]:
    with _checked_out(root, revision) as folder:
        # The agent is named as seen from where the command was given.
        inside = (
            folder / Path.cwd().resolve().relative_to(root.resolve()) if Path.cwd().is_relative_to(root) else folder
        )
        return _looks(arguments, case, inside if inside.is_dir() else folder)


@contextmanager
def _checked_out(root: Path, revision: str) -> Iterator[Path]:
    """The revision in a folder of its own, which is gone afterwards; the working tree is not touched."""
    with tempfile.TemporaryDirectory(prefix="taketwo-bisect-") as parent:
        folder = Path(parent) / "tree"
        _git(root, "worktree", "add", "--detach", "--force", str(folder), revision)
        try:
            yield folder.resolve()
        finally:
            _git(root, "worktree", "remove", "--force", str(folder))


def _looks(arguments: list[str], case: str, folder: Path) -> list[bool | None]:
    """What each replay said, in a process of its own; a version that cannot be started says nothing."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *_path()])}
        command = [sys.executable, "-m", "taketwo", "replay", *arguments, "--json", str(report), "--store", "memory:"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1, 3):
            click.echo(
                f"  {plain(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no answer')}", err=True
            )
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
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BadSetting("git is not installed", todo="install it") from None
    if done.returncode:
        raise BadSetting(f"git says: {done.stderr.strip().splitlines()[-1]}", where=str(folder))
    return done.stdout.strip()

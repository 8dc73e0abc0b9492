"""`taketwo shrink`, `taketwo bisect`, `taketwo forks`: where a failure sits."""

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

from taketwo.cli.settings import access, opened_store, settings, store_option
from taketwo.cli.targets import agent_spec_of, cases_of
from taketwo.errors import BadSetting
from taketwo.events import CaseErrored
from taketwo.freeze.files import save
from taketwo.replay.agents import Agent, open_agent
from taketwo.report.words import OUTCOMES, counted, headline, plain
from taketwo.scenario import Scenario
from taketwo.suite.locate import ForkJournal, ForkPoint, Journal, fails_once, first_bad, fork_map, shortest
from taketwo.suite.repeats import read_repeats
from taketwo.suite.suite_case import SuiteCase

agent_option = click.option("--agent", "agent_spec", metavar="SPEC", help="The agent, as `taketwo replay` takes it.")
noise_option = click.option(
    "--noise",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 0.4),
    metavar="SHARE",
    help="How often one replay may say the opposite of the truth; 0 for an agent without chance.",
)
journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Keep what was found out here, and go on from it.",
)


@click.command("shrink")
@click.argument("target", metavar="FILE[::CASE]")
@agent_option
@click.option("--out", required=True, metavar="PATH", help="The *.scenario.yaml to write the shortest case to.")
@click.option(
    "--most-runs", default=500, show_default=True, type=click.IntRange(1), metavar="N", help="Replays in all, at most."
)
@noise_option
@journal_option
@store_option
def shrink_command(
    target: str,
    agent_spec: str | None,
    out: str,
    most_runs: int,
    noise: float,
    journal: Path | None,
    store_url: str | None,
) -> None:
    """Find the shortest conversation that still fails: without the turns, the paragraphs of the prompt and the parts of
    tool results that the failure does not need.
    """
    one, agent = _one_case(target, store_url), _agent(agent_spec)
    found = asyncio.run(
        shortest(
            one.case,
            lambda case: fails_once(case, agent),
            noise=noise,
            most_runs=most_runs,
            journal=Journal(journal),
        )
    )
    before, after = len(one.case.recorded.turns), len(found.case.recorded.turns)
    for line in found.removed:
        click.echo(f"not needed: {plain(line)}")
    certain = "no part of it can go" if found.is_minimal else "the budget ended before it was known to be the shortest"
    click.echo(f"{counted(before, 'turn')} → {counted(after, 'turn')} in {counted(found.tests, 'test')}: {certain}")
    why = f"The shortest form of {one.case.id} that fails."
    case = found.case.but(id=f"{one.case.id}-shortest", why=found.case.why or why)
    for written in save(Scenario(name=f"{one.scenario}, shortest", cases=(case,)), out):
        click.echo(f"wrote {written}")


@click.command("forks")
@click.argument("target", metavar="FILE[::CASE]")
@agent_option
@click.option(
    "--repeat", default="1", show_default=True, metavar="N", help="Replays from each turn, or auto, or confirm."
)
@click.option("--most-runs", type=click.IntRange(1), metavar="N", help="Replays in all, at most.")
@journal_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def forks_command(
    target: str,
    agent_spec: str | None,
    repeat: str,
    most_runs: int | None,
    journal: Path | None,
    as_json: bool,
    store_url: str | None,
) -> None:
    """Show what comes of a case when the agent acts from its first turn on, from its second, and so on.

    Where the verdict turns from fail to pass, the turn before it is the one that spoils the rest.
    """
    one, agent = _one_case(target, store_url), _agent(agent_spec)
    kept, turns = ForkJournal(journal), len(one.case.recorded.turns)

    async def each() -> int:
        looked_at = 0
        async for point in fork_map(one, agent, most_runs=most_runs, journal=kept, repeat=read_repeats(repeat)):
            click.echo(_as_json(point) if as_json else _in_words(point))
            looked_at = point.from_turn
        return looked_at

    if (looked_at := asyncio.run(each())) < turns:
        todo = "" if journal is None else ": the same command again goes on from there"
        click.echo(f"turns {looked_at + 1} to {turns} were not looked at, as the budget is spent{todo}", err=True)


def _as_json(point: ForkPoint) -> str:
    verdict = point.verdict
    row = {"from_turn": point.from_turn, "verdict": verdict.kind, "reason": headline(verdict)}
    return json.dumps(row | ({"rate": verdict.rate.to_builtins()} if verdict.rate else {}))


def _in_words(point: ForkPoint) -> str:
    kind, said = point.verdict.kind, headline(point.verdict)
    rest = "" if said == OUTCOMES[kind] else f"  {said}"
    return f"from turn {point.from_turn:<3} {kind.upper():<13}{rest}".rstrip()


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
    one = _one_case(target, store_url)
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


def _agent(spec: str | None) -> Agent:
    here = settings()
    return open_agent(agent_spec_of(spec, here), **access(here))


def _one_case(target: str, store_url: str | None) -> SuiteCase:
    """The case of `FILE::CASE`, or the only one of a file. Raises BadSetting."""
    file, _, id = target.partition("::")
    with opened_store(store_url) as store:
        cases = list(cases_of([file], store, settings().project))
    for one in cases:
        if isinstance(one, CaseErrored):
            raise BadSetting(one.error)
    found = [one for one in cases if isinstance(one, SuiteCase) and (not id or one.case.id == id)]
    if len(found) != 1:
        ids = ", ".join(one.case.id for one in cases if isinstance(one, SuiteCase))
        raise BadSetting(f"name one case of this file: {ids}", where=file, todo=f"{file}::CASE")
    return found[0]

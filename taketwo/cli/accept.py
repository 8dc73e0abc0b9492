"""`taketwo accept`: the changed behaviour is right; write that into the scenario files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from taketwo.cli.settings import opened_store, store_option
from taketwo.errors import BadSetting, NotFound, StoreUnavailable
from taketwo.freeze.edits import edit
from taketwo.freeze.files import SCENARIO_SUFFIXES, load
from taketwo.report.words import counted, plain
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.store import Store
from taketwo.suite.accept import KINDS, Acceptance, accept
from taketwo.suite.memory import FILE, FOLDER, Memory
from taketwo.suite.revision import project_root
from taketwo.verdict import CaseResult


@click.command("accept")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@click.option("--suite", "suite_id", metavar="ID", help="Results of this suite; the latest one when left out.")
@click.option(
    "--only", "kinds", multiple=True, type=click.Choice(KINDS), help="Only edits of this kind. May be repeated."
)
@click.option("--yes", is_flag=True, help="Do not ask case by case.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@store_option
def accept_command(
    targets: tuple[str, ...],
    suite_id: str | None,
    kinds: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    store_url: str | None,
) -> None:
    """Take what the agent did in the latest replay, also by pytest, as right: its files expect that from now on.

    TARGET is a *.scenario.yaml file, a folder of such files, or the id of a case; all cases of the replay when left
    out. Expectations are created, fixed, updated or trimmed; no letter of anything else in a file is touched. It asks
    for each case, unless --yes is given.
    """
    with opened_store(store_url) as store:
        results = [result for result in _results(store, suite_id) if _is_meant(result, targets)]
    if not results:
        raise NotFound(
            f"the latest replay has no result of {', '.join(targets) or 'a scenario file'}",
            todo="run `taketwo replay FILE… --agent SPEC` first, or name another with --suite",
        )
    written, has_edits = 0, False
    for file, of_file in _by_file(results).items():
        cases = {case.id: case for case in load(file).cases}
        changes = {}
        for result in of_file:
            case = cases.get(result.case_id)
            if case is None:
                click.echo(f"{plain(str(file))}: {plain(result.case_id)}: no longer in the file", err=True)
                continue
            found = accept(case, _runs(result), [kind for kind in KINDS if not kinds or kind in kinds])
            _show(file, case, found)
            has_edits |= bool(found.edits or found.left_over)
            if found.edits and not dry_run and (yes or click.confirm("  write this?", default=True)):
                changes[case.id] = found.expected
        if changes:
            edit(file, "expected", changes)
            written += len(changes)
    if not has_edits:
        click.echo("the agent did what its cases expect: there is nothing to accept")
    else:
        click.echo(f"{counted(written, 'case')} written" if not dry_run else "nothing written")


def _results(store: Store, suite_id: str | None) -> Sequence[CaseResult]:
    if suite_id is not None:
        return store.results(suite_id)
    suites = store.suites()
    at, remembered = _remembered(project_root(Path.cwd()))
    if remembered and (not suites or at > suites[0].ended_at):
        return remembered
    if not suites:
        raise NotFound("there are no results yet", todo="run `taketwo replay FILE… --agent SPEC` first")
    return store.results(suites[0].id)


def _remembered(root: Path) -> tuple[datetime, list[CaseResult]]:
    """When the last run that the project remembers began, and what it told: pytest keeps no results in a store."""
    results, latest = [], 0.0
    if not (root / FOLDER / FILE).is_file():
        return datetime.fromtimestamp(latest, UTC), []
    try:
        with closing(Memory(root)) as memory:
            found = memory.last_results()
    except StoreUnavailable:
        found = []
    for place, at, body in found:
        try:
            result = CaseResult.from_json(body)
        except msgspec.DecodeError:
            continue
        # It may have been replayed from another folder.
        file = os.path.relpath(root / place.removesuffix(f"::{result.case_id}"))
        results.append(result.but(file=file))
        latest = max(latest, at)
    return datetime.fromtimestamp(latest, UTC), results


def _is_meant(result: CaseResult, targets: Sequence[str]) -> bool:
    if result.file is None:
        return False
    file = Path(result.file).resolve()
    return not targets or any(
        target == result.case_id
        or Path(target).resolve() == file
        or (not target.endswith(SCENARIO_SUFFIXES) and Path(target).resolve() in file.parents)
        for target in targets
    )


def _by_file(results: Sequence[CaseResult]) -> dict[Path, list[CaseResult]]:
    files: dict[Path, list[CaseResult]] = defaultdict(list)
    for result in results:
        assert result.file is not None, "only results of files are taken"
        path = Path(result.file)
        if not path.is_file():
            raise BadSetting("this file is gone", where=str(path), todo="go to the folder that it was replayed from")
        files[path].append(result)
    return dict(sorted(files.items()))


def _runs(result: CaseResult) -> list[Run]:
    return [attempt.run for attempt in result.attempts]


def _show(file: Path, case: Case, found: Acceptance) -> None:
    for line in _lines(file, case, found):
        click.echo(line)


def _lines(file: Path, case: Case, found: Acceptance) -> Iterator[str]:
    if not found.edits and found.left_over is None:
        return
    yield f"{plain(str(file))}: {plain(case.id)}"
    yield from (f"  {plain(one.in_words)}" for one in found.edits)
    if found.left_over is not None:
        yield f"  left for you: {plain(found.left_over)}"

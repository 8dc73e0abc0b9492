"""`taketwo floor`: learn how the unchanged agent varies by itself, and keep that with the cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from taketwo.cli.replaying import Replaying, replaying_options
from taketwo.cli.settings import opened_store, store_option
from taketwo.cli.targets import cases_of, readable
from taketwo.errors import BadSetting
from taketwo.events import CaseErrored, CaseFinished
from taketwo.freeze.edits import edit
from taketwo.replay.agents import Agent
from taketwo.report.words import counted, plain
from taketwo.scenario import Floor
from taketwo.suite.decide import outcome
from taketwo.suite.floor import MOSTLY, learn_floor
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase


@click.command("floor")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--agent", "agent_spec", metavar="SPEC", help="The unchanged agent, as `taketwo replay` takes it.")
@replaying_options
@click.option(
    "--repeat", default=10, show_default=True, type=click.IntRange(2), metavar="N", help="Replay each case so often."
)
@click.option(
    "--keep-days",
    default=30,
    show_default=True,
    type=click.IntRange(1),
    metavar="DAYS",
    help="For how long it counts: models and tools drift.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@store_option
def floor_command(
    targets: tuple[str, ...],
    replaying: Replaying,
    repeat: int,
    keep_days: int,
    dry_run: bool,
    store_url: str | None,
) -> None:
    """Learn how the unchanged agent varies by itself, so that this much is no regression later.

    TARGET is a *.scenario.yaml file or a folder of such files. Each case is replayed several times; which changes the
    agent shows although nothing was changed, and how often it fails, is written into the case as `floor`.
    """
    with opened_store(store_url) as store:
        cases = replaying.scoped(list(cases_of(targets, store, None)), store)
    known = readable(cases)
    for case in known:
        if case.file is None:
            raise BadSetting("a floor is kept in a scenario file", where=case.case.id, todo="`taketwo freeze` it first")
    learn = partial(learn_floors, known, keep=timedelta(days=keep_days), repeat=repeat)
    learned, errors = replaying.run(learn, known)
    for file, floors in learned.items():
        for id, floor in floors.items():
            click.echo(f"{plain(file)}: {plain(id)}: {'; '.join(_in_words(floor))}")
        if not dry_run:
            edit(Path(file), "floor", floors)
    for error in errors:
        click.echo(f"taketwo: {plain(error)}", err=True)
    if errors:
        raise SystemExit(2)


async def learn_floors(
    cases: list[SuiteCase], agent: Agent, _: None, *, keep: timedelta, **how: Any
) -> tuple[dict[str, dict[str, Floor]], list[str]]:
    """The floors by file and case, and what kept a case from having one."""
    bare = [case._replace(case=case.case.but(floor=None)) for case in cases]
    floors: dict[str, dict[str, Floor]] = defaultdict(dict)
    errors: list[str] = []
    async for event in run_suite(bare, agent, **how):
        match event:
            case CaseErrored():
                errors.append(event.error)
            case CaseFinished(case=case, result=result) if result.file is not None:
                outcomes = [outcome(case, attempt) for attempt in result.attempts]
                comparisons = [attempt.comparison for attempt in result.attempts]
                floor = learn_floor(agent.spec, comparisons, outcomes, at=datetime.now(UTC), keep=keep)
                if floor.runs:
                    floors[result.file][case.id] = floor
                else:
                    errors.append(f"{result.file}: {case.id}: no replay came to a conclusion, so there is no floor")
            case _:
                pass
    return floors, errors


def _in_words(floor: Floor) -> Iterator[str]:
    yield f"passed {floor.passed} of {counted(floor.runs, 'replay')}"
    if floor.passed < MOSTLY * floor.runs:
        yield "it fails more often than not, which no floor excuses"
    yield f"{counted(len(floor.changes), 'change')} that come without a cause" if floor.changes else "nothing changes"

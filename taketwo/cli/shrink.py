"""`taketwo shrink`: the shortest conversation that still fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from taketwo.cli.one_case import agent_option, journal_option, noise_option, one_case, the_agent
from taketwo.cli.settings import store_option
from taketwo.freeze.files import save
from taketwo.report.words import counted, plain
from taketwo.scenario import Scenario
from taketwo.suite.locate import Journal, fails_once, shortest


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
    one, agent = one_case(target, store_url), the_agent(agent_spec)
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

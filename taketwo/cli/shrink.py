"""`taketwo shrink`: the shortest conversation that still fails."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from taketwo.cli.one_case import agent_option, journal_option, noise_option, one_case
from taketwo.cli.replaying import Replaying, replaying_options
from taketwo.cli.settings import store_option
from taketwo.errors import BadSetting
from taketwo.freeze.files import SCENARIO_SUFFIXES, save
from taketwo.report.words import counted, plain
from taketwo.scenario import Case, Scenario
from taketwo.suite.locate import Journal, Shortest, shortest


@click.command("shrink")
@click.argument("target", metavar="FILE[::CASE]")
@agent_option
@replaying_options
@click.option(
    "--against",
    "passing_spec",
    metavar="SPEC",
    help="An agent that passes the case, the old or the mended one: the shortest case still lets it pass.",
)
@click.option("--out", required=True, metavar="PATH", help="The *.scenario.yaml to write the shortest case to.")
@click.option(
    "--most-runs", default=500, show_default=True, type=click.IntRange(1), metavar="N", help="Replays in all, at most."
)
@noise_option
@journal_option
@store_option
def shrink_command(
    target: str,
    replaying: Replaying,
    passing_spec: str | None,
    out: str,
    most_runs: int,
    noise: float,
    journal: Path | None,
    store_url: str | None,
) -> None:
    """Find the shortest conversation that still fails: without the turns, the paragraphs of the prompt and the parts of
    tool results that the failure does not need.
    """
    _insist_on_a_new_file(Path(out))
    one = one_case(target, store_url, replaying)
    search = partial(shortest, one, noise=noise, most_runs=most_runs, journal=Journal(journal))
    found = replaying.run(search, [one], passing_spec)
    for line in _told(one.case, found):
        click.echo(plain(line))
    why = f"The shortest form of {one.case.id} that fails."
    short = found.shrunk.case
    short = short.but(id=f"{one.case.id}-shortest", why=short.why or why)
    for written in save(Scenario(name=f"{one.scenario}, shortest", cases=(short,)), out):
        click.echo(f"wrote {written}")
    if passing_spec is None:
        click.echo(_unproved(found), err=True)


def _insist_on_a_new_file(out: Path) -> None:
    """Before hundreds of replays, rather than after them. Raises BadSetting."""
    if not out.name.endswith(SCENARIO_SUFFIXES):
        raise BadSetting("is no name of a scenario file", where=str(out), todo=f"{out.stem}.scenario.yaml")
    if out.exists():
        raise BadSetting("is there already", where=str(out), todo="name another file, or delete this one")
    if not out.absolute().parent.is_dir():
        raise BadSetting("there is no such folder", where=str(out.parent), todo="make it first")


def _told(case: Case, found: Shortest) -> Iterator[str]:
    shrunk = found.shrunk
    yield from (f"not needed: {part}" for part in shrunk.removed)
    yield from (f"not needed, but kept for an agent that reads it: {part}" for part in found.kept)
    before, after = len(case.recorded.turns), len(shrunk.case.recorded.turns)
    is_known = (
        "no part of it can go" if shrunk.is_minimal else "the budget ended before it was known to be the shortest"
    )
    yield f"{counted(before, 'turn')} → {counted(after, 'turn')} in {counted(shrunk.tests, 'test')}: {is_known}"


def _unproved(found: Shortest) -> str:
    """What is not known of the shorter case as a test, and what would tell."""
    more = len(found.unanswered) - 1
    others = f" and {counted(more, 'other call')}" if more > 0 else ""
    gone = f", as {plain(found.unanswered[0].in_words)}{others} has no answer in it" if found.unanswered else ""
    return (
        f"no agent was seen to pass it: the mended one may be inconclusive{gone}; shrink again with --against SPEC, an "
        "agent that passes the whole case, or keep the whole case beside it"
    )

"""`taketwo forks`: the turn from which on the agent goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from taketwo.cli.one_case import agent_option, journal_option, one_case
from taketwo.cli.replaying import Replaying, replaying_options
from taketwo.cli.settings import json_option, store_option
from taketwo.replay.agents import Agent
from taketwo.report.words import OUTCOMES, headline
from taketwo.suite.locate import ForkJournal, ForkPoint, fork_map
from taketwo.suite.repeats import read_repeats


@click.command("forks")
@click.argument("target", metavar="FILE[::CASE]")
@agent_option
@replaying_options
@click.option(
    "--repeat", default="1", show_default=True, metavar="N", help="Replays from each turn, or auto, or confirm."
)
@click.option("--most-runs", type=click.IntRange(1), metavar="N", help="Replays in all, at most.")
@journal_option
@json_option
@store_option
def forks_command(
    target: str,
    replaying: Replaying,
    repeat: str,
    most_runs: int | None,
    journal: Path | None,
    as_json: bool,
    store_url: str | None,
) -> None:
    """Show what comes of a case when the agent acts from its first turn on, from its second, and so on.

    Where the verdict turns from fail to pass, the turn before it is the one that spoils the rest.
    """
    one, repeats = one_case(target, store_url, replaying), read_repeats(repeat)
    kept, turns = ForkJournal(journal), len(one.case.recorded.turns)

    async def each(agent: Agent, _: None, **how: Any) -> int:
        looked_at = 0
        async for point in fork_map(one, agent, most_runs=most_runs, journal=kept, repeat=repeats, **how):
            click.echo(_as_json(point) if as_json else _in_words(point))
            looked_at = point.from_turn
        return looked_at

    if (looked_at := replaying.run(each, [one])) < turns:
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

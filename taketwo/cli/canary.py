"""`taketwo canary`: the unchanged agent replayed on a schedule, to see what its provider changed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from taketwo.cli.floor import learn_floors
from taketwo.cli.replaying import Replaying, replaying_options
from taketwo.cli.settings import opened_store, settings, store_option
from taketwo.cli.targets import agent_spec_of, cases_of, readable
from taketwo.report.words import counted, plain
from taketwo.suite.canary import DAY, Control, case_key, keep_control, moved, read_controls, usual_floors


@click.command("canary")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--agent", "agent_spec", metavar="SPEC", help="The unchanged agent, as `taketwo replay` takes it.")
@replaying_options
@click.option(
    "--repeat", default=3, show_default=True, type=click.IntRange(1), metavar="N", help="Replays of each case."
)
@click.option(
    "--journal",
    default="taketwo.canary.jsonl",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where rounds are kept; `taketwo replay --control` reads it.",
)
@store_option
def canary_command(
    targets: tuple[str, ...],
    replaying: Replaying,
    repeat: int,
    journal: Path,
    store_url: str | None,
) -> None:
    """Replay the same cases against the unchanged agent, from cron or a nightly job, and say what has moved.

    Each round is compared with the floor of each case (`taketwo floor`), else with the rounds before it. Exit codes: 0
    nothing moved, 1 something did, 2 it could not be done.
    """
    with opened_store(store_url) as store:
        cases = readable(replaying.scoped(list(cases_of(targets, store, None)), store))
    earlier, at = read_controls(journal), datetime.now(UTC)
    spec = agent_spec_of(replaying.agent_spec, settings())
    learned, errors = replaying.run(partial(learn_floors, cases, keep=DAY, repeat=repeat), cases)
    today = {case_key(file, id): floor for file, floors in learned.items() for id, floor in floors.items()}
    if today:
        keep_control(journal, Control(at=at, agent=spec, floors=today))
    usual = usual_floors({case_key(one.file, one.case.id): one.case for one in cases}, earlier, spec, at)
    news = moved(today, usual)
    for change in news:
        click.echo(plain(f"{change.case}: {change.what} (p = {change.p:.2g})"))
    known = sum(key in usual for key in today)
    click.echo(
        f"{counted(known, 'case')} compared, {counted(len(today) - known, 'case')} new: {len(news)} moved", err=True
    )
    for error in errors:
        click.echo(f"taketwo: {plain(error)}", err=True)
    raise SystemExit(2 if errors else 1 if news else 0)

"""`taketwo describe`: a scenario file made of situations that somebody describes, where nothing was recorded yet."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taketwo.cli.settings import language_model, settings
from taketwo.errors import BadSetting

if TYPE_CHECKING:
    from taketwo.freeze.described_files import Description
    from taketwo.scenario import Case


@click.command("describe")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="PATH", type=click.Path(path_type=Path), help="A *.scenario.yaml file.")
@click.option("--persona", "personas", multiple=True, metavar="NAME", help="Who says the lines. May be repeated.")
@click.option(
    "--invent", default=0, type=click.IntRange(0, 100), metavar="N", help="Let the language model think of N more."
)
@click.option("--force", is_flag=True, help="Write over an existing file.")
def describe_command(file: Path, out: Path, personas: tuple[str, ...], invent: int, force: bool) -> None:
    """Make a scenario file of described situations: what a user wants, says and knows, what the tools answer, and what
    should come of it. Each is a case, or one for each persona; all are marked as synthetic.

    The same description makes the same file. `--invent` needs a language model, see docs/models.md.
    """
    from taketwo.evals.sense import insist_on_sense
    from taketwo.freeze.described_files import read_description
    from taketwo.freeze.files import save
    from taketwo.freeze.situations import cases_of
    from taketwo.scenario import Scenario

    if not out.name.endswith((".scenario.yaml", ".scenario.yml")):
        raise BadSetting("a scenario file's name ends in .scenario.yaml", where=str(out))
    if out.exists() and not force:
        raise BadSetting("there is such a file already", where=str(out), todo="--force writes over it")
    told = read_description(file)
    speakers = told.speakers(personas)
    now = datetime.now(UTC)
    cases = cases_of(told.situations, personas=speakers, agent=told.agent, at=now)
    for case in cases:
        insist_on_sense(case)
    cases = [*cases, *(_invented(told, personas, invent, now) if invent else ())]
    for written in save(Scenario(name=told.name, cases=tuple(cases), description=told.description), out):
        click.echo(f"wrote {written}")


def _invented(told: Description, personas: tuple[str, ...], count: int, at: datetime) -> list[Case]:
    """Further cases by a model, each telling why where one was not taken."""
    from taketwo.freeze.invented import invent
    from taketwo.freeze.situations import MADE_BY, cases_of

    model = language_model(settings())
    if model is None:
        raise BadSetting(
            "there is no language model", where="--invent", todo="set TAKETWO_LLM_MODEL, see docs/models.md"
        )
    found = asyncio.run(invent(told.description or "", told.agent, count, model, there=told.situations))
    for why in found.refused:
        click.echo(f"not taken: {why}", err=True)
    made_by = f"{MADE_BY} by {model.name}"
    there = {case.id for case in cases_of(told.situations, personas=told.speakers(personas), agent=told.agent, at=at)}
    made = cases_of(found.situations, personas=told.speakers(personas), agent=told.agent, at=at, made_by=made_by)
    return [case if case.id not in there else case.but(id=f"{case.id}-2") for case in made]

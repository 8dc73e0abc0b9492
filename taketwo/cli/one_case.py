"""What commands share that look at one case again and again: the case, the agent, the journal."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.cli.settings import access, opened_store, settings
from taketwo.cli.targets import agent_spec_of, cases_of
from taketwo.errors import BadSetting
from taketwo.events import CaseErrored
from taketwo.replay.agents import Agent, open_agent
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


def the_agent(spec: str | None) -> Agent:
    """The agent of `--agent`, or else of the settings."""
    here = settings()
    return open_agent(agent_spec_of(spec, here), **access(here))


def one_case(target: str, store_url: str | None) -> SuiteCase:
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

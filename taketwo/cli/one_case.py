"""What commands share that look at one case again and again: the case, the agent's name, the journal."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.cli.replaying import Replaying
from taketwo.cli.settings import opened_store, settings
from taketwo.cli.targets import cases_of, readable
from taketwo.errors import BadSetting
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


def one_case(target: str, store_url: str | None, replaying: Replaying | None = None) -> SuiteCase:
    """The case of `FILE::CASE`, or the only one of a file, with what may answer its tools. Raises BadSetting."""
    file, _, id = target.partition("::")
    with opened_store(store_url) as store:
        cases = list(cases_of([file], store, settings().project))
        known = readable(replaying.scoped(cases, store) if replaying else cases)
    found = [one for one in known if not id or one.case.id == id]
    if len(found) == 1:
        return found[0]
    ids = ", ".join(one.case.id for one in known)
    if not known:
        raise BadSetting("holds no case", where=file, todo="`taketwo freeze` makes them")
    if id and not found:
        raise BadSetting(f"there is no case {id!r}", where=file, todo=f"it has {ids}")
    raise BadSetting(f"name one case of this file: {ids}", where=file, todo=f"{file}::CASE")

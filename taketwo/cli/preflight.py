"""What is said of the tools before a replay begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from taketwo.errors import BadSetting
from taketwo.replay import current
from taketwo.replay.preflight import all_lack, in_short, preflight, reach_of
from taketwo.replay.tools import ToolPolicy
from taketwo.report.words import plain
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import JSON

MARKS = {"answered": "recorded", "live": "may run", "unknown": "not seen"}


def insist_on_recordings(spec: str, cases: Sequence[SuiteCase], overrides: Mapping[str, JSON]) -> None:
    """Raises BadSetting, with all that is missing, where no case could be replayed against `prompt:`."""
    if (lack := all_lack([one.case.recorded for one in cases], spec, overrides)) is not None:
        what, todo = lack
        raise BadSetting(what if len(cases) == 1 else f"no case can be replayed: {what}", where=spec, todo=todo)


def tell_tools(spec: str, cases: Sequence[SuiteCase], policy: ToolPolicy, *, in_full: bool) -> bool:
    """Say it: in full on standard output, else in a line on standard error. Gives `in_full`.

    The agent must have been opened, as that is when its tools become known.
    """
    if not cases and not in_full:  # none could be read, which is told
        return False
    recorded = [one.case.recorded for one in cases]
    covered = preflight(recorded, reach_of(spec), policy, current.REGISTERED, current.INTERCEPTED)
    if not in_full:
        if covered:
            click.echo(plain(in_short(covered)), err=True)
        return False
    wide = max((len(plain(one.tool)) for one in covered), default=0)
    for one in covered:
        click.echo(f"{MARKS[one.kind]:<9} {plain(one.tool):<{wide}}  {plain(one.why)}")
    if not covered:
        click.echo("no tools: none is recorded, and none is known in this process")
    return True

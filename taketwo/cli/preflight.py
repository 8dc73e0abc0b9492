"""What is said of the tools before a replay begins."""

from __future__ import annotations

from collections.abc import Sequence

import click

from taketwo.replay import current
from taketwo.replay.preflight import in_short, preflight, reach_of
from taketwo.replay.tools import ToolPolicy
from taketwo.report.words import plain
from taketwo.suite.runner import SuiteCase

MARKS = {"answered": "recorded", "live": "may run", "unknown": "not seen"}


def tell_tools(spec: str, cases: Sequence[SuiteCase], policy: ToolPolicy, *, in_full: bool) -> bool:
    """Say it: in full on standard output, else in a line on standard error. Gives `in_full`.

    The agent must have been opened, as that is when its tools become known.
    """
    recorded = [one.case.recorded for one in cases]
    covered = preflight(recorded, reach_of(spec), policy, current.REGISTERED, current.INTERCEPTED)
    if not in_full:
        if covered:
            click.echo(plain(in_short(covered)), err=True)
        return False
    for one in covered:
        click.echo(f"{MARKS[one.kind]:<9} {plain(one.tool):<24} {plain(one.why)}")
    if not covered:
        click.echo("no tools: none is recorded, and none is known in this process")
    return True

"""`taketwo suggest`: which sessions a suite lacks, what share of the traffic it represents, which cases are stale."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import conversations_of
from taketwo.conversation import Agent, Conversation
from taketwo.errors import BadSetting, NotFound
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.traits import Knowledge
from taketwo.report.words import plain
from taketwo.select.choose import traits_of
from taketwo.select.represent import Representation, represent, risk_of

SHOWN = 10
"""So many things that are missed, and stale cases, are named."""
_DAYS = {"d": 1, "w": 7}


@click.command("suggest")
@click.argument("suite", nargs=-1, required=True, metavar="SUITE…")
@click.option("--most", default=10, show_default=True, type=click.IntRange(0), metavar="K", help="Suggest up to K.")
@click.option(
    "--since",
    default="7d",
    show_default=True,
    metavar="7d",
    help="The traffic to represent: of the last days or weeks.",
)
@project_option
@json_option
@store_option
def suggest_command(
    suite: tuple[str, ...], most: int, since: str, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Say which captured sessions would add most to a suite, and what share of the traffic it represents.

    SUITE is a *.scenario.yaml file or a folder of them. Sessions with writes, failing tools, complaints, missing
    answers or bad scores are worth more; near-duplicates are left out. `taketwo freeze` keeps what is suggested.
    """
    began = datetime.now(UTC) - timedelta(days=_days(since))
    with opened_store(store_url) as store:
        cases = list(conversations_of(suite, store, None))
        wanted = project or settings().project
        talks = [talk for talk in store.conversations(wanted) if _is_in(talk, began)]
        if not talks:
            _insist_on_project(wanted, store.projects())
    if not talks:
        raise BadSetting("no conversation is that new", where="--since", todo="look further back, as in --since 4w")
    tools = {tool.name: tool for talk in (*cases, *talks) for tool in talk.agent.tools}
    known = Knowledge([RecordedCalls([*cases, *talks], are_others=True)], Agent(tools=tuple(tools.values())))
    found = represent(
        [traits_of(talk, known.writes) for talk in talks],
        [traits_of(case, known.writes) for case in cases],
        most,
        risks=[risk_of(talk) for talk in talks],
    )
    click.echo(found.to_json() if as_json else "\n".join(in_words(found)))


def _insist_on_project(wanted: str | None, known: Sequence[str]) -> None:
    """Raises NotFound for a project that is not there."""
    if wanted is not None and wanted not in known:
        near = difflib.get_close_matches(wanted, known, 3, cutoff=0.5) or sorted(known)[:SHOWN]
        todo = f"there is {', '.join(near)}" if near else "nothing is captured yet"
        raise NotFound(f"no project {wanted!r}", where="--project", todo=todo)


def in_words(found: Representation) -> Iterator[str]:
    """What is said of it, line by line."""
    yield _summary(found)
    if found.suggested:
        these = "this one" if len(found.suggested) == 1 else "these"
        yield f"with {these} it would be {found.represented_then:.0%}, and {found.covered_then:.0%} of what happens:"
    for one in found.suggested:
        yield f"  {plain(one.id)}: {plain(one.adds)}"
    yield from _listed("no case has", found.missed)
    them = "it" if len(found.stale) == 1 else "them"
    yield from _listed(f"no session is like {them} any more", found.stale)


def _summary(found: Representation) -> str:
    is_one = found.conversations == 1
    sessions, inside = ("the one session", "it") if is_one else (f"{found.conversations} sessions", "them")
    if not found.cases:
        return f"the suite has no case yet, and represents nothing of {sessions}"
    cases = "the suite's case represents" if found.cases == 1 else f"the suite's {found.cases} cases represent"
    shares = f"{found.represented:.0%} of {sessions}; {found.covered:.0%} of what happens in {inside}"
    return f"{cases} {shares} is in the suite"


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"{title}:"
        yield from (f"  {plain(item)}" for item in items[:SHOWN])
        if len(items) > SHOWN:
            yield f"  and {len(items) - SHOWN} more"


def _is_in(talk: Conversation, began: datetime) -> bool:
    """Conversations that say no time count as new."""
    return talk.started_at is None or talk.started_at >= began


def _days(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})([dw])", text)
    if match is None:
        raise BadSetting(f"{text!r} is no length of time", where="--since", todo="say 7d or 4w")
    return int(match[1]) * _DAYS[match[2]]

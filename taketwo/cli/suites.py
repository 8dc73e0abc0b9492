"""`taketwo suites`: the index of what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click

from taketwo.cli.settings import json_option
from taketwo.errors import BadSetting, NotFound
from taketwo.freeze.files import SCENARIO_SUFFIXES, scenario_files
from taketwo.report.words import counted, kept_in_words, plain, shortened
from taketwo.suite.index import Demand, Entry, Index, index, shortcomings

LONGEST_REASON = 300
"""Characters of a reason that are shown."""


@click.command("suites")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH…]")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Only cases with this tag. May be repeated.")
@click.option("--due", "only_due", is_flag=True, help="Only cases past their review date.")
@click.option("--quarantined", "only_quarantined", is_flag=True, help="Only cases that do not count for now.")
@click.option(
    "--check",
    "demands",
    multiple=True,
    type=click.Choice(get_args(Demand)),
    help="Exit with 1 where a case does not say this, or, for review, is past its date. May be repeated.",
)
@json_option
def suites_command(
    paths: tuple[Path, ...],
    tags: tuple[str, ...],
    only_due: bool,
    only_quarantined: bool,
    demands: tuple[Demand, ...],
    as_json: bool,
) -> None:
    """List kept cases: why each exists, who answers for it and until when, what does not count, and its files.

    PATH is a *.scenario.yaml file or a folder of them; the working folder when left out. Exit codes: 0, 1 where
    --check finds something, 2 where a file cannot be read.
    """
    found = index(_files(paths or (Path(),)), datetime.now(UTC).date())
    found = found.but(
        cases=tuple(
            one
            for one in found.cases
            if (not tags or set(tags) & set(one.tags))
            and (one.is_due or not only_due)
            and (one.kept.quarantine is not None or not only_quarantined)
        )
    )
    missing = [line for one in found.cases for line in _missing(one, demands)]
    click.echo(found.to_json() if as_json else "\n".join(_lines(found)))
    for line in (*missing, *map(plain, found.unreadable)):
        click.echo(line, err=True)
    raise SystemExit(2 if found.unreadable else 1 if missing else 0)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files.update(dict.fromkeys(scenario_files(path)))
        elif path.name.endswith(SCENARIO_SUFFIXES):
            files[path] = None
        else:
            raise BadSetting("is no scenario file", where=str(path), todo="name a *.scenario.yaml or a folder")
    if not files:
        where = ", ".join(map(str, paths))
        raise NotFound("no *.scenario.yaml in this folder", where=where, todo="`taketwo freeze` makes them")
    return list(files)


def _missing(one: Entry, demands: tuple[Demand, ...]) -> Iterator[str]:
    for what in shortcomings(one, demands):
        yield plain(f"{one.file}:{one.line}: {one.case_id} {what}")


def _lines(found: Index) -> Iterator[str]:
    file = None
    for one in found.cases:
        if one.file != file:
            file = one.file
            yield plain(f"{one.file}  {one.scenario}")
        yield from _case(one)
    for name in found.unused:
        yield f"no case refers to it any more: {plain(name)}"
    yield _counts(found)


def _case(one: Entry) -> Iterator[str]:
    size = f"{counted(one.turns, 'turn')}, {counted(one.expectations, 'expectation')}"
    tags = f"  [{', '.join(one.tags)}]" if one.tags else ""
    yield plain(f"  {one.case_id}:{one.line}{tags}  {size}{', synthetic' if one.is_synthetic else ''}")
    if one.kept.quarantine is not None:
        yield f"    QUARANTINED: {_short(one.kept.quarantine)}"
    yield f"    {_short(one.why) if one.why else 'nobody has said why it exists'}"
    if said := kept_in_words(one.kept):
        yield f"    {said}"
    if one.kept.review_on is not None:
        yield f"    {'PAST ITS REVIEW, due' if one.is_due else 'to be reviewed by'} {one.kept.review_on}"
    if one.files:
        yield plain(f"    with {', '.join(one.files)}")


def _counts(found: Index) -> str:
    told = {
        "quarantined": sum(one.kept.quarantine is not None for one in found.cases),
        "past review": sum(one.is_due for one in found.cases),
        "without a reason": sum(not one.why for one in found.cases),
        "without an owner": sum(not one.kept.owner for one in found.cases),
    }
    parts = [f"{number:,} {what}" for what, number in told.items() if number]
    files = len({one.file for one in found.cases})
    return "; ".join((f"{counted(len(found.cases), 'case')} in {counted(files, 'file')}", *parts))


def _short(text: str) -> str:
    return plain(shortened(text, LONGEST_REASON))

"""`taketwo sessions`, `traces`, `calls` and `show`: what was captured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.transcript import transcript
from taketwo.report.words import plain, shortened
from taketwo.span import RawSpan
from taketwo.store import Store
from taketwo.store.summary import ConversationSummary, TraceSummary
from taketwo.value import Value

CELL_LIMIT = 60
"""Characters of one cell of a table."""

sort_option = click.option(
    "--sort",
    default="-started",
    show_default=True,
    metavar="FIELD",
    help="started, turns, calls, errors, gaps, latency, tokens or cost; with a minus sign the largest first.",
)
limit_option = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1), metavar="N", help="At most so many."
)
filter_option = click.option(
    "--filter",
    "filter_text",
    default="",
    metavar="TEXT",
    help="Words that were said, or fields as in tool:issue_refund.",
)


@click.command("sessions")
@filter_option
@sort_option
@limit_option
@project_option
@json_option
@store_option
def sessions_command(
    filter_text: str, sort: str, limit: int, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """List captured conversations."""
    with opened_store(store_url) as store:
        found = _conversations(store, project, filter_text, sort, limit)
    _print_rows(found, ("id", "started_at", "turns", "calls", "errors", "said"), as_json=as_json)


@click.command("calls")
@filter_option
@sort_option
@limit_option
@project_option
@json_option
@store_option
def calls_command(
    filter_text: str, sort: str, limit: int, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """List captured voice calls."""
    with opened_store(store_url) as store:
        found = _conversations(store, project, filter_text, sort, limit, only_voice=True)
    _print_rows(found, ("id", "started_at", "turns", "calls", "errors", "said"), as_json=as_json)


@click.command("traces")
@filter_option
@limit_option
@project_option
@json_option
@store_option
def traces_command(filter_text: str, limit: int, project: str | None, as_json: bool, store_url: str | None) -> None:
    """List captured traces, the newest first, and the conversations they belong to."""
    with opened_store(store_url) as store:
        found = _traces(store, project or settings().project, filter_text, limit)
    _print_rows(found, ("id", "started_at", "spans", "errors", "conversations"), as_json=as_json)


@click.command("show")
@click.argument("id")
@click.option("--why", is_flag=True, help="Say for every step which span and rule it was read from.")
@click.option("--spans", "only_spans", is_flag=True, help="Its spans instead; of a run, those of the agent in it.")
@project_option
@json_option
@store_option
def show_command(
    id: str, why: bool, only_spans: bool, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Show one conversation: who said and did what, and what the capture does not say.

    ID is the session's or the trace's id, or its first six characters or more. With --spans it may be a run's: what the
    agent sent while it was replayed is no production, and is listed nowhere else.
    """
    with opened_store(store_url) as store:
        if only_spans:
            _print_spans(store.raw_spans(id, project or settings().project), as_json=as_json)
            return
        conversation = store.conversation(id, project or settings().project)
    if as_json:
        click.echo(conversation.to_json())
    else:
        click.echo("\n".join(transcript(conversation, with_sources=why)))


def _print_spans(spans: Sequence[RawSpan], *, as_json: bool) -> None:
    """One line a span, below the span that it belongs to; or all that they say as JSON."""
    from taketwo.capture.otlp import decode_span

    read = [decode_span(span) for span in spans]
    if as_json:
        click.echo(json.dumps([span.to_builtins() for span in read], indent=2, ensure_ascii=False))
        return
    parents = {span.span_id: span.parent_id for span in read}
    begin = min((span.start_ns for span in read), default=0)
    for span in read:
        after_s, took_ms = (span.start_ns - begin) / 1e9, max(0, span.end_ns - span.start_ns) / 1e6
        failed = f"  {span.status_message or 'error'}" if span.status == "error" else ""
        name = plain(f"{'  ' * _depth(span.span_id, parents)}{span.name}{failed}")
        click.echo(f"{after_s:>9.3f} s  {took_ms:>9.1f} ms  {name}")
    if not read:
        click.echo("it has no spans", err=True)


def _depth(span_id: str, parents: Mapping[str, str | None]) -> int:
    """How many of the spans are above it."""
    passed: set[str] = set()
    above = parents.get(span_id)
    while above is not None and above in parents and above not in passed:
        passed.add(above)
        above = parents[above]
    return len(passed)


def _conversations(
    store: Store, project: str | None, filter_text: str, sort: str, limit: int, *, only_voice: bool = False
) -> list[ConversationSummary]:
    """The conversations that match. A person at a terminal waits until all that came is read."""
    from taketwo.select.filters import All, Asked, parse
    from taketwo.store.search import read_order

    chosen, order = parse(filter_text), read_order(sort)
    if only_voice:
        chosen = All((Asked("channel", ":", "voice"), chosen))
    store.settle()
    return list(store.search.conversations(chosen, project or settings().project, order=order, limit=limit))


def _traces(store: Store, project: str | None, filter_text: str, limit: int) -> list[TraceSummary]:
    from taketwo.select.filters import parse

    chosen = parse(filter_text)
    if not filter_text.strip():
        return list(store.traces(project, limit=limit))
    store.settle()
    return list(store.search.traces(chosen, project, limit=limit))


def _print_rows(rows: Sequence[Value], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        listed = [{key: value for key, value in row.to_builtins().items() if key != "cursor"} for row in rows]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
    elif rows:
        click.echo("\n".join(_table(rows, columns)))
    else:
        click.echo("none found", err=True)


def _table(rows: Iterable[Value], columns: Sequence[str]) -> Iterator[str]:
    """The rows under their heads, each column as wide as it must be."""
    cells = [[column.removesuffix("_at").upper() for column in columns]]
    cells += [[_cell(getattr(row, column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case tuple():
            return plain(shortened(", ".join(value), CELL_LIMIT))
        case _:
            return plain(shortened(str(value), CELL_LIMIT))

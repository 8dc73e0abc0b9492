"""`taketwo sessions`, `traces`, `calls` and `show`: what was captured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.transcript import transcript
from taketwo.conversation import Conversation
from taketwo.report.words import plain, shortened

HEADS = {
    "id": "ID",
    "started_at": "STARTED",
    "turns": "TURNS",
    "calls": "CALLS",
    "errors": "ERRORS",
    "said": "SAID FIRST",
}
"""The columns of a listing: the key in JSON and the head in the table."""


def _listing(name: str, help_text: str, wanted: Callable[[Conversation], bool]) -> click.Command:
    """A command that lists conversations; the three of them differ only in which ones."""

    @click.command(name, help=help_text)
    @click.option(
        "--filter",
        "text",
        default="",
        metavar="TEXT",
        help="Words, or fields as in tool:issue_refund; docs/filters.md.",
    )
    @click.option("--limit", default=50, show_default=True, metavar="N", help="At most so many, the newest first.")
    @project_option
    @json_option
    @store_option
    def command(text: str, limit: int, project: str | None, as_json: bool, store_url: str | None) -> None:
        from taketwo.select.filters import parse

        chosen = parse(text)
        with opened_store(store_url) as store:
            captured = store.conversations(project or settings().project)
            rows = [_row(one) for one in islice((c for c in captured if wanted(c) and chosen.matches(c)), limit)]
        if as_json:
            click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        elif rows:
            click.echo("\n".join(_table(rows)))
        else:
            click.echo(
                f"no {name} match" if text else f"no {name} yet: send traces to `taketwo serve`, or `taketwo import`",
                err=True,
            )

    return command


sessions_command = _listing("sessions", "List captured conversations.", lambda conversation: True)
calls_command = _listing("calls", "List captured voice calls.", lambda conversation: conversation.channel == "voice")


def _row(conversation: Conversation) -> dict[str, Any]:
    """One conversation, for a listing."""
    calls = [call for _, _, call in conversation.calls()]
    first = next((turn.user.text for turn in conversation.turns if turn.user), None)
    return {
        "id": conversation.id,
        "project": conversation.project,
        "session_id": conversation.session_id,
        "user_id": conversation.user_id,
        "started_at": conversation.started_at and conversation.started_at.isoformat(timespec="seconds"),
        "turns": len(conversation.turns),
        "calls": len(calls),
        "tools": sorted({call.tool for call in calls}),
        "errors": sum(call.error is not None for call in calls),
        "gaps": len(conversation.gaps),
        "said": first,
    }


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows under their heads, each column as wide as it must be; the last one takes the rest."""
    cells = [list(HEADS.values())]
    cells += [[plain(shortened(str(row[key]), 60)) if row[key] is not None else "-" for key in HEADS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


@click.command("show")
@click.argument("id")
@click.option("--why", is_flag=True, help="Say for every step which span and rule it was read from.")
@project_option
@json_option
@store_option
def show_command(id: str, why: bool, project: str | None, as_json: bool, store_url: str | None) -> None:
    """Show one conversation: who said and did what, and what the capture does not say."""
    with opened_store(store_url) as store:
        conversation = store.conversation(id, project or settings().project)
    if as_json:
        click.echo(conversation.to_json())
    else:
        click.echo("\n".join(transcript(conversation, with_sources=why)))

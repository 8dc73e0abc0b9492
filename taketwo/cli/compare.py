"""`taketwo compare`: what is different between two captured conversations."""

from __future__ import annotations

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.compare.compare import compare
from taketwo.compare.severity import severity_table
from taketwo.language.similarity import load_similarity
from taketwo.report.terminal import differences


@click.command("compare")
@click.argument("recorded")
@click.argument("replayed")
@json_option
@project_option
@store_option
def compare_command(recorded: str, replayed: str, as_json: bool, project: str | None, store_url: str | None) -> None:
    """Show what is different between two captured conversations.

    RECORDED and REPLAYED are ids; the first is taken as what was, the second as what is.
    """
    here = settings()
    with opened_store(store_url) as store:
        one, other = (store.conversation(id, project or here.project) for id in (recorded, replayed))
    found = compare(one, other, severities=severity_table(here.severity), similar=load_similarity())
    click.echo(found.to_json() if as_json else "\n".join(differences(one, other, found)))

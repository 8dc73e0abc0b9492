"""`taketwo facts`: what recorded users revealed, when, and what it is taken for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from textwrap import shorten

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import conversations_of
from taketwo.cli.user_options import FactSource, fact_model, facts_option
from taketwo.conversation import Conversation
from taketwo.replay.added_facts import AddedFacts, FactModel
from taketwo.replay.fact_sheet import FactSheet
from taketwo.report.words import plain

WIDEST = 48
"""Characters of a name; longer ones are cut."""


@click.command("facts")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@facts_option
@project_option
@json_option
@store_option
def facts_command(
    targets: tuple[str, ...], fact_source: FactSource, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Show what the user of a recording revealed: what it is, the value, and where it stands.

    TARGET is the id of a captured conversation, a *.scenario.yaml file or a folder of them, or a file of conversations.
    """
    here = settings()
    model = fact_model(fact_source, here)
    with opened_store(store_url) as store:
        conversations = list(conversations_of(targets, store, project or here.project))
    added = asyncio.run(_added(conversations, model))
    pairs = list(zip(conversations, added, strict=True))
    if as_json:
        click.echo(json.dumps([_as_json(*pair) for pair in pairs], indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join("\n".join(_lines(*pair)) for pair in pairs))


async def _added(conversations: Sequence[Conversation], model: FactModel | None) -> list[AddedFacts]:
    if model is None:
        return [AddedFacts() for _ in conversations]
    return list(await asyncio.gather(*map(model.added, conversations)))


def _as_json(conversation: Conversation, added: AddedFacts) -> dict[str, object]:
    return {
        "conversation": conversation.id,
        "facts": [fact.to_builtins() for fact in FactSheet(conversation, added.facts).facts],
        "refused": [one.to_builtins() for one in added.refused],
        "why_no_model": added.why_none,
    }


def _lines(conversation: Conversation, added: AddedFacts) -> Iterator[str]:
    facts = FactSheet(conversation, added.facts).facts
    yield click.style(plain(conversation.id), bold=True)
    wide = min(WIDEST, max((len(fact.slot) for fact in facts), default=0))
    for fact in facts:
        by = "" if fact.source == "recording" else click.style(f"  model: {fact.by}", fg="yellow")
        slot = plain(shorten(fact.slot, WIDEST, placeholder="…"))
        yield f"  turn {fact.turn_index + 1:<3} {fact.kind:<10} {slot:<{wide}}  {plain(fact.value)}{by}"
    if not facts:
        yield "  the user revealed nothing"
    for one in added.refused:
        yield click.style(f"  refused: {plain(one.slot)}: {plain(one.value)}: {plain(one.why)}", fg="red")
    if added.why_none is not None:
        yield click.style(f"  no model: {plain(added.why_none)}", fg="red")

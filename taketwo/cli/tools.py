"""`taketwo tools`: what a replay knows of each tool, and what says so."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import conversations_of
from taketwo.cli.tool_options import declared_options
from taketwo.conversation import Agent, Conversation
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.traits import Declared, Knowledge, Traits
from taketwo.report.words import counted


@click.command("tools")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@declared_options
@project_option
@json_option
@store_option
def tools_command(
    targets: tuple[str, ...], declared: Declared, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Show what is known of each tool, and what says so.

    TARGET is a file of conversations, a *.scenario.yaml file or a folder of them, or the id of a captured conversation;
    without any, all captured conversations are taken. What is wrong is corrected in the scenario file, beside the
    tool's definition, or by the options.
    """
    with opened_store(store_url) as store:
        conversations = list(conversations_of(targets, store, project or settings().project))
    calls = RecordedCalls(conversations, are_others=True)
    known = Knowledge([calls], _definitions(conversations), declared)
    traits = [known.traits(tool) for tool in sorted(calls.tools)]
    if as_json:
        click.echo(json.dumps([one.to_builtins() for one in traits], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(line for one in traits for line in _lines(one)) or "no tool calls are recorded")


def _definitions(conversations: Sequence[Conversation]) -> Agent:
    """An agent with all tools that were defined, the last definition of each."""
    return Agent(tools=tuple({tool.name: tool for one in conversations for tool in one.agent.tools}.values()))


def _lines(traits: Traits) -> list[str]:
    kind = {True: "writes", False: "reads", None: "may write"}[traits.writes]
    lines = [f"{traits.tool}: {kind} ({traits.writes_because}), {counted(traits.calls, 'call')}"]
    if traits.pure:
        lines.append(f"  pure: {traits.pure_because}")
    if traits.ignores:
        lines.append(f"  does not matter: {', '.join(traits.ignores)} ({traits.ignores_because})")
    if traits.changes:
        lines.append(f"  changes what is read by {', '.join(traits.changes)}")
    return lines

"""`taketwo contracts`: what always holds in the recordings, accepted by a person, checked from then on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.cli.targets import conversations_of
from taketwo.conversation import Agent, Conversation
from taketwo.errors import BadSetting
from taketwo.evals.contracts import LEAST_SUPPORT, Proposal, breach, contract_in_words, mine
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.traits import Knowledge
from taketwo.report.words import counted, plain
from taketwo.suite.contracts import CONTRACTS_FILE, read_contracts, write_contracts

file_option = click.option(
    "--file",
    "file",
    default=CONTRACTS_FILE,
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that accepted contracts live in.",
)

NOTHING_HOLDS = (
    f"nothing to propose: a contract must hold in {LEAST_SUPPORT} conversations, and be about a tool that may write"
)


@click.group("contracts")
def contracts_command() -> None:
    """Find what always holds in recorded calls, accept it, and check it.

    As in `taketwo contracts mine`, then `taketwo contracts accept "verify_identity precedes issue_refund"`.
    """


@contracts_command.command("mine")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@file_option
@project_option
@json_option
@store_option
def mine_contracts(
    targets: tuple[str, ...], file: Path, project: str | None, as_json: bool, store_url: str | None
) -> None:
    """Propose contracts, with support and counter-examples. Accepted ones are marked.

    TARGET is a file of conversations, a *.scenario.yaml file or a folder of them, or an id; without any, all captured
    conversations are taken.
    """
    accepted = set(read_contracts(file))
    proposals = _proposals(targets, project, store_url)
    if not proposals:
        click.echo(NOTHING_HOLDS, err=True)
    for one in proposals:
        if as_json:
            click.echo(json.dumps({"text": contract_in_words(one.contract), **one.to_builtins()}, ensure_ascii=False))
            continue
        click.echo(f"{'✓' if one.contract in accepted else ' '} {plain(contract_in_words(one.contract))}")
        against = f"; against it {one.counter_examples}: {', '.join(one.against)}" if one.against else ""
        click.echo(f"    holds in {counted(one.support, 'conversation')}{plain(against)}")


@contracts_command.command("accept")
@click.argument("wanted", nargs=-1, required=True, metavar="CONTRACT…")
@click.option("--from", "targets", multiple=True, metavar="TARGET", help="Where it was mined. May be repeated.")
@file_option
@project_option
@store_option
def accept_contracts(
    wanted: tuple[str, ...], targets: tuple[str, ...], file: Path, project: str | None, store_url: str | None
) -> None:
    """Accept contracts, in the words in which `mine` proposes them: every replay here checks them from now on."""
    known = {contract_in_words(one.contract): one.contract for one in _proposals(targets, project, store_url)}
    if unknown := [text for text in wanted if text not in known]:
        raise BadSetting(f"{unknown[0]!r} is not proposed", where="contracts", todo="see `taketwo contracts mine`")
    write_contracts(file, [*read_contracts(file), *(known[text] for text in wanted)])
    click.echo(f"{plain(str(file))}: {counted(len(read_contracts(file)), 'contract')}")


@contracts_command.command("list")
@file_option
def list_contracts(file: Path) -> None:
    """List the accepted contracts."""
    for contract in read_contracts(file):
        click.echo(plain(contract_in_words(contract)))


@contracts_command.command("check")
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@file_option
@project_option
@store_option
def check_contracts(targets: tuple[str, ...], file: Path, project: str | None, store_url: str | None) -> None:
    """Check captured conversations against the accepted contracts. Exit code 1 where one does not hold."""
    contracts = read_contracts(file)
    if not contracts:
        raise BadSetting("no contracts are accepted", where=str(file), todo="see `taketwo contracts mine`")
    talks, broken = _talks(targets, project, store_url), 0
    for talk in talks:
        for contract in contracts:
            found = breach(contract, talk)
            if found is not None and not found[0]:
                broken += 1
                click.echo(plain(f"{talk.id}: {contract_in_words(contract)}: {found[1]}"))
    click.echo(f"{counted(broken, 'contract')} broken in {counted(len(talks), 'conversation')}", err=True)
    raise SystemExit(1 if broken else 0)


def _talks(targets: Sequence[str], project: str | None, store_url: str | None) -> list[Conversation]:
    with opened_store(store_url) as store:
        return list(conversations_of(targets, store, project or settings().project))


def _proposals(targets: Sequence[str], project: str | None, store_url: str | None) -> list[Proposal]:
    talks = _talks(targets, project, store_url)
    tools = {tool.name: tool for talk in talks for tool in talk.agent.tools}
    known = Knowledge([RecordedCalls(talks, are_others=True)], Agent(tools=tuple(tools.values())))
    return mine(talks, known.writes)

"""`taketwo keys`: who may send to a server, look at what it has, and change it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from taketwo.cli.settings import json_option, opened_store, store_option
from taketwo.report.words import plain
from taketwo.store.keys import ROLES, Key, create_key, keys, revoke_key


@click.group("keys")
def keys_command() -> None:
    """Make and revoke the keys of a server that others than this machine reach.

    As in `taketwo keys create --role ingest --project shop`.
    """


@keys_command.command("create")
@click.option("--name", default="", metavar="TEXT", help="What it is for.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice(ROLES),
    help="ingest sends spans and scores, read looks, replay also replays and keeps, admin may all. Several are fine.",
)
@click.option("--project", metavar="P", help="The only project that it opens.  [default: all]")
@json_option
@store_option
def create_command(name: str, roles: Any, project: str | None, as_json: bool, store_url: str | None) -> None:
    """Make a key and print its secret, which is kept nowhere and shown only now."""
    with opened_store(store_url) as store:
        key, secret = create_key(
            store.documents, name=name, roles=tuple(dict.fromkeys(roles)), project=project, now=datetime.now(UTC)
        )
    if as_json:
        click.echo(json.dumps({**_listed(key), "secret": secret}, indent=2))
        return
    click.echo(f"key    {key.id}\nsecret {secret}")
    click.echo("The secret is shown only this once. Send it as `Authorization: Bearer SECRET`.", err=True)


@keys_command.command("list")
@json_option
@store_option
def list_command(as_json: bool, store_url: str | None) -> None:
    """List the keys, without their secrets."""
    with opened_store(store_url) as store:
        found = keys(store.documents)
    if as_json:
        click.echo(json.dumps([_listed(key) for key in found], indent=2))
        return
    for key in found:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "good"
        where = f"project {key.project}" if key.project else "all projects"
        click.echo(plain(f"{key.id}  {state}  {'+'.join(key.roles)}  {where}  {key.name}".rstrip()))
    if not found:
        click.echo("none found", err=True)


@keys_command.command("revoke")
@click.argument("id")
@store_option
def revoke_command(id: str, store_url: str | None) -> None:
    """Make a key good for nothing; servers hear of it within some seconds."""
    with opened_store(store_url) as store:
        key = revoke_key(store.documents, id, datetime.now(UTC))
    click.echo(f"{key.id} is revoked")


def _listed(key: Key) -> dict[str, Any]:
    return {name: value for name, value in key.to_builtins().items() if name != "hashed"}

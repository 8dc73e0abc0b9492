"""`taketwo assistant`: what of a call's assistant has been changed since."""

from __future__ import annotations

import json

import click

from taketwo.cli.settings import json_option, opened_store, project_option, settings, store_option
from taketwo.errors import BadSetting
from taketwo.report.words import counted, plain
from taketwo.value import JSON, canonical_json, cut_to

LONGEST = 200
"""Letters of a value that are shown."""


@click.command("assistant")
@click.argument("call", metavar="CALL")
@click.option("--base-url", metavar="URL", help="Where the platform's API is, if elsewhere.")
@json_option
@project_option
@store_option
def assistant_command(
    call: str, base_url: str | None, as_json: bool, project: str | None, store_url: str | None
) -> None:
    """Show what of a captured call's assistant is set up in another way now: prompt, model, voice, tools and the rest.

    Vapi's API is asked, with TAKETWO_VAPI_KEY. Whoever replays the call against the assistant as it is knows then what
    is under test.
    """
    from taketwo.capture.assistants import changed_settings

    here = settings()
    if not here.vapi_key:
        raise BadSetting("no key for vapi", where="assistant", todo="set TAKETWO_VAPI_KEY to a private key")
    with opened_store(store_url) as store:
        conversation = store.conversation(call, project or here.project)
    found = changed_settings(conversation, here.vapi_key, base_url=base_url)
    if as_json:
        click.echo(json.dumps([one.to_builtins() for one in found], ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{plain(one.name)}\n  was  {_shown(one.recorded)}\n  is   {_shown(one.present)}")
    click.echo(f"{counted(len(found), 'setting')} changed since the call", err=True)


def _shown(value: JSON) -> str:
    if value is None:
        return "not set"
    text = plain(value if isinstance(value, str) else canonical_json(value)).replace("\n", " ")
    return cut_to(text, LONGEST)

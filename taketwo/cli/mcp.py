"""`taketwo mcp`."""

from __future__ import annotations

import asyncio
import contextlib

import click

from taketwo.cli.settings import opened_store, project_option, settings, store_option
from taketwo.cli.targets import cases_of
from taketwo.errors import BadSetting, MissingExtra
from taketwo.events import CaseErrored
from taketwo.replay.tool_source import GatewayTools, SessionTools, ToolSource, tools_alone
from taketwo.scenario import Case

NEEDED_FOR = "presenting recorded tools over MCP"


@click.command("mcp")
@click.argument("target", required=False)
@click.option("--case", "case_id", metavar="ID", help="The case, where the file has several.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="P", help="Serve at http://127.0.0.1:P/mcp instead.")
@click.option("--join", "tools_url", metavar="URL", help="The tools of a replay that is going on: its `tools_url`.")
@project_option
@store_option
def mcp_command(
    target: str | None,
    case_id: str | None,
    port: int | None,
    tools_url: str | None,
    project: str | None,
    store_url: str | None,
) -> None:
    """Be an MCP server: for a coding assistant, or with the tools of a recording.

    Without a TARGET, an assistant finds conversations, looks at them, replays them against the agent as its code is
    now, compares, and keeps them as tests.

    With the id of a captured conversation or a *.scenario.yaml file as TARGET, it has the tools of that recording:
    every call is answered from it, and no tool runs. At the end it says on standard error what was asked and what
    answered.

    Speaks over standard input and output, as MCP clients start their servers.
    """
    try:
        import mcp  # noqa: F401  # it is only asked whether it is there
    except ModuleNotFoundError as error:
        raise MissingExtra("mcp", needed_for=NEEDED_FOR) from error
    if target is not None and tools_url is not None:
        raise BadSetting("give a TARGET or --join URL, and not both", where="mcp")
    if target is None and tools_url is None:
        _assist(port, store_url)
        return
    if tools_url is not None:
        _serve(GatewayTools(tools_url), port)
        return
    case = _case(str(target), case_id, project, store_url)
    session = tools_alone(case.recorded)
    if not session.offered:
        raise BadSetting("the recording has no tools", where=str(target))
    _serve(SessionTools(session), port)
    for line in session.journal.answers_in_words():
        click.echo(line, err=True)


def _assist(port: int | None, store_url: str | None) -> None:
    from taketwo.server.mcp_assistant import serve_assistant

    if port is not None:
        todo = "let the assistant start `taketwo mcp` itself"
        raise BadSetting(
            "the assistant's tools are served over standard input and output only", where="--port", todo=todo
        )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_assistant(store_url))


def _case(target: str, case_id: str | None, project: str | None, store_url: str | None) -> Case:
    """The one case that is meant."""
    with opened_store(store_url) as store:
        found = list(cases_of([target], store, project or settings().project))
    cases = []
    for one in found:
        if isinstance(one, CaseErrored):
            raise BadSetting(one.error, where=target)
        cases.append(one.case)
    chosen = [case for case in cases if case_id in (None, case.id)]
    if len(chosen) != 1:
        raise BadSetting("names no single case", where=target, todo=f"--case {' or '.join(case.id for case in cases)}")
    return chosen[0]


def _serve(source: ToolSource, port: int | None) -> None:
    from taketwo.server.mcp_tools import serve_http, serve_stdio

    def tell(url: str) -> None:
        click.echo(f"MCP server at {url}", err=True)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_stdio(source) if port is None else serve_http(source, port, tell))

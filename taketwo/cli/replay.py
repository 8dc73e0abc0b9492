"""`taketwo replay` and `taketwo compare`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from taketwo.cli.settings import opened_store, project_option, settings, store_option
from taketwo.config import Settings
from taketwo.errors import BadSetting, NotFound
from taketwo.events import SuiteFinished
from taketwo.freeze.files import load, locate
from taketwo.freeze.freeze import freeze
from taketwo.replay.agents import Agent, open_agent
from taketwo.replay.engine import Limits
from taketwo.replay.tools import ToolPolicy
from taketwo.report import Writer, open_writers
from taketwo.store import Store
from taketwo.suite.decide import exit_code
from taketwo.suite.runner import SuiteCase, run_suite
from taketwo.value import JSON

SUFFIXES = (".scenario.yaml", ".scenario.yml")


@click.command("replay")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option(
    "--agent", "agent_spec", metavar="SPEC", help="package.module:callable, or https://…/v1/chat/completions."
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change what a URL agent is sent: model=…, system_prompt=@FILE, temperature=0, … May be repeated.",
)
@click.option(
    "--tools",
    "on_miss",
    type=click.Choice(["stop", "error"]),
    default="stop",
    show_default=True,
    help="What becomes of a tool call that the recording cannot answer: the replay stops, or the agent reads an error.",
)
@click.option(
    "--live",
    multiple=True,
    metavar="TOOL",
    help="Let this tool really run where the recording has no answer. May be repeated.",
)
@click.option(
    "--repeat", default=1, show_default=True, type=click.IntRange(1), metavar="N", help="Replay each case so often."
)
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="How many replays at a time.  [default: 20]")
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="How long the agent may take for one turn.  [default: 60]"
)
@click.option("--strict", is_flag=True, help="`changed` and `inconclusive` are not good enough.")
@click.option("--json", "json_path", metavar="PATH", help="Write all results as JSON; - for standard output.")
@click.option("--junit", "junit_path", metavar="PATH", help="Write JUnit XML for a CI system.")
@click.option("--html", "html_path", metavar="PATH", help="Write one self-contained HTML page.")
@project_option
@store_option
def replay_command(
    targets: tuple[str, ...],
    agent_spec: str | None,
    overrides: tuple[str, ...],
    on_miss: Any,
    live: tuple[str, ...],
    repeat: int,
    concurrency: int | None,
    timeout: float | None,
    strict: bool,
    json_path: str | None,
    junit_path: str | None,
    html_path: str | None,
    project: str | None,
    store_url: str | None,
) -> None:
    """Rerun conversations against your agent: the same user's words, the same tool results.

    TARGET is the id of a captured conversation, a *.scenario.yaml file, or a folder of such files. Nothing goes live
    unless --live says so.

    Exit codes: 0 all pass, 1 at least one regression (or `changed` under --strict), 2 it could not be done,
    3 only `inconclusive` under --strict.
    """
    here = settings()
    writers = open_writers(json_path=json_path, junit_path=junit_path, html_path=html_path, strict=strict)
    with ExitStack() as cleanup:
        store = cleanup.enter_context(opened_store(store_url))
        cases = list(_cases(targets, store, project or here.project))
        agent = open_agent(_spec(agent_spec, here), overrides=dict(map(_override, overrides)), api_key=here.agent_key)
        finished = asyncio.run(
            _replay(
                cases,
                agent,
                writers,
                store=store,
                concurrency=concurrency or here.concurrency,
                repeat=repeat,
                limits=Limits(turn_timeout_s=timeout or here.turn_timeout_s),
                tools=ToolPolicy(on_miss=on_miss, live=live),
            )
        )
    raise SystemExit(130 if finished.cancelled else exit_code(finished.counts, strict=strict))


async def _replay(cases: Sequence[SuiteCase], agent: Agent, writers: Sequence[Writer], **how: Any) -> SuiteFinished:
    """Run the suite, let every writer see every event, and end in order when Ctrl-C is pressed."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    suite_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    finished: SuiteFinished | None = None
    async for event in run_suite(cases, agent, stop=stop, suite_id=suite_id, **how):
        for writer in writers:
            writer.write(event)
        if isinstance(event, SuiteFinished):
            finished = event
    for writer in writers:
        writer.close()
    assert finished is not None, "a suite always ends with SuiteFinished"
    return finished


def _spec(given: str | None, here: Settings) -> str:
    spec = given or here.agent
    if spec is None:
        raise BadSetting("no agent to replay against", todo="give --agent SPEC, or set TAKETWO_AGENT")
    return spec


def _override(text: str) -> tuple[str, JSON]:
    """`model=gpt-5`, `temperature=0`, `system_prompt=@FILE`: JSON where it is JSON, text where not."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadSetting(f"--set takes KEY=VALUE, not {text!r}")
    if value.startswith("@"):
        try:
            return key, Path(value[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise BadSetting(f"cannot be read: {error.strerror}", where=value[1:]) from error
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def _cases(targets: Sequence[str], store: Store, project: str | None) -> Iterator[SuiteCase]:
    """The cases of files, folders and ids, in the order given."""
    for target in targets:
        path = Path(target)
        if path.is_dir():
            yield from _cases_of_folder(path)
        elif target.endswith(SUFFIXES):
            yield from _cases_of_file(path)
        elif path.is_file():
            raise BadSetting("is no scenario file", where=target, todo="`taketwo import` it, or name a *.scenario.yaml")
        else:
            yield from _case_of_conversation(target, store, project)


def _cases_of_folder(folder: Path) -> Iterator[SuiteCase]:
    files = sorted(file for file in folder.rglob("*") if file.name.endswith(SUFFIXES))
    if not files:
        raise NotFound("no *.scenario.yaml in this folder", where=str(folder), todo="`taketwo freeze` makes them")
    for file in files:
        yield from _cases_of_file(file)


def _cases_of_file(path: Path) -> Iterator[SuiteCase]:
    scenario, lines = load(path), locate(path)
    for case in scenario.cases:
        yield SuiteCase(case=case, scenario=scenario.name, file=str(path), line=lines[case.id])


def _case_of_conversation(id: str, store: Store, project: str | None) -> Iterator[SuiteCase]:
    conversation = store.conversation(id, project)
    scenario = freeze([conversation], name=conversation.id, at=datetime.now(UTC))
    yield from (SuiteCase(case=case, scenario=scenario.name) for case in scenario.cases)


@click.command("compare")
@click.argument("recorded")
@click.argument("replayed")
@project_option
@store_option
def compare_command(recorded: str, replayed: str, project: str | None, store_url: str | None) -> None:
    """Show what is different between two captured conversations.

    RECORDED and REPLAYED are ids; the first is taken as what was, the second as what is.
    """
    from taketwo.compare.compare import compare
    from taketwo.report.terminal import differences

    with opened_store(store_url) as store:
        one, other = (store.conversation(id, project or settings().project) for id in (recorded, replayed))
    click.echo("\n".join(differences(one, other, compare(one, other))))

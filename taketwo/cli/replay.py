"""`taketwo replay`: captured conversations and scenario files, rerun against an agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from taketwo.cli.fork_options import Forks, fork_options
from taketwo.cli.gateway import gateway_on
from taketwo.cli.interrupts import stop_on_interrupt
from taketwo.cli.jobs import Jobs, jobs_option
from taketwo.cli.plan_options import Planning, plan_options
from taketwo.cli.preflight import insist_on_recordings, tell_tools
from taketwo.cli.replaying import Replaying, reached, replaying_options
from taketwo.cli.report_options import Reports, report_options
from taketwo.cli.served import Served, replay_served, served_options
from taketwo.cli.settings import (
    opened_store,
    project_option,
    settings,
    store_option,
)
from taketwo.cli.targets import (
    agent_spec_of,
    cases_of,
    controlled,
    selection_options,
)
from taketwo.cli.voices import Phone, audio_option
from taketwo.errors import BadSetting
from taketwo.events import CaseErrored, Event, SuiteFinished, SuiteStarted
from taketwo.replay import current
from taketwo.replay.agents import Agent, closing_agents
from taketwo.report import Writer, close_writers
from taketwo.suite.cache import Agents
from taketwo.suite.deleted_meanwhile import deleted_meanwhile
from taketwo.suite.executed import watching
from taketwo.suite.plan import Plan, run_planned
from taketwo.suite.repeats import read_repeats
from taketwo.suite.runner import collecting_rarely
from taketwo.suite.selection import Selection
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import JSON


@click.command("replay")
@click.argument("targets", nargs=-1, metavar="TARGET…")
@served_options
@selection_options
@click.option(
    "--agent",
    "agent_spec",
    metavar="SPEC",
    help="package.module:callable, prompt: (rebuilt from the recording), https://…/chat/completions, a URL of your own,"
    " cmd:program args, vapi:ASSISTANT, retell:AGENT, or ws://…#PROTOCOL and livekit:PATH.py for voice agents.",
)
@replaying_options
@click.option(
    "--repeat",
    default="1",
    show_default=True,
    metavar="N",
    help="Replay each case so often. `auto`: until pass or fail is sure, 20 times at most (auto:N for another limit). "
    "`confirm`: a first pass is believed, a failure is repeated until it is sure.",
)
@click.option(
    "--against",
    "old_spec",
    metavar="SPEC",
    help="The old agent, replayed beside the new one: what it does as well is no regression.",
)
@jobs_option
@click.option(
    "--control",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="PATH",
    help="A journal of `taketwo canary`: what the unchanged agent does as well today is no regression.",
)
@fork_options
@audio_option
@click.option(
    "--preflight",
    "only_preflight",
    is_flag=True,
    help="Only say which tools are answered, which may really run, and which are not seen from here.",
)
@plan_options
@report_options
@project_option
@store_option
def replay_command(
    targets: tuple[str, ...],
    served: Served | None,
    selection: Selection,
    replaying: Replaying,
    control: Path | None,
    forks: Forks,
    only_preflight: bool,
    repeat: str,
    old_spec: str | None,
    jobs: Jobs,
    audio: Any,
    planning: Planning,
    reports: Reports,
    project: str | None,
    store_url: str | None,
) -> None:
    """Rerun conversations against your agent: the same user's words, the same tool results.

    TARGET is the id of a captured conversation, a *.scenario.yaml file or a folder of them. Only --live goes live.
    Exit codes: 0 all pass, 1 a regression, 2 it could not be done; under --strict 1 `changed`, 3 only `inconclusive`.
    """
    here = settings()
    if bool(targets) == (served is not None):
        raise BadSetting("give TARGETs, --run-test or --rerun, and only one of them", todo="taketwo replay --help")
    spec, overrides = agent_spec_of(replaying.agent_spec, here), replaying.overrides
    if served is not None:
        served = served.so(project, jobs.concurrency, replaying.timeout, audio, store_url)
        raise SystemExit(replay_served(served, spec, overrides, replaying.judging.named(here), reports, here))
    with collecting_rarely(), ExitStack() as cleanup:
        store = cleanup.enter_context(opened_store(store_url))
        writers = cleanup.enter_context(jobs.writers(reports, lambda conversation: phone.recordings.of(conversation)))
        meant = selection.of(cases_of(targets, store, project or here.project))
        cases = replaying.scoped(controlled(meant, control), store)
        listening, reach = cleanup.enter_context(reached(here, spec, old_spec))
        known = [one for one in cases if isinstance(one, SuiteCase)]
        cleanup.enter_context(deleted_meanwhile(store, known))
        phone = Phone(here, audio, store.url, known)
        how = replaying.how(here, phone.turn_timeout_s(spec), jobs.concurrency)
        how["repeat"] = read_repeats(repeat)
        # Before the agent is imported: what it is made of may be edited meanwhile.
        agents = Agents((spec, *filter(None, [old_spec])), overrides, reach["llm_base_url"])
        planned = planning.opened(jobs, agents, how, among=len(known), is_spoken=phone.speaks_with(spec))
        plan = cleanup.enter_context(planned)
        insist_on_recordings(spec, known, overrides)
        agent, old = _opened(phone, spec, old_spec, overrides, reach)
        if jobs.share is None and tell_tools(spec, known, replaying.tools, in_full=only_preflight):
            return
        plan, chosen = planning.narrowed(plan, cases, agents)
        targeted = list(forks.of(chosen))
        finished = asyncio.run(
            _replay(jobs, targeted, agent, writers, listening, plan, store=store, against=old, **how)
        )
    raise SystemExit(0 if cases and not targeted else reports.exit_code(finished))


def _opened(
    phone: Phone, spec: str, old_spec: str | None, changes: dict[str, JSON], reach: dict[str, Any]
) -> tuple[Agent, Agent | None]:
    """The agent under test and the old one, if one is named; what they read while they are imported is seen."""
    with watching(imports=True):
        return phone.open(spec, overrides=changes, **reach), None if old_spec is None else phone.open(old_spec, **reach)


async def _replay(
    jobs: Jobs,
    targets: Sequence[SuiteCase | CaseErrored],
    agent: Agent,
    writers: Sequence[Writer],
    listening: socket.socket | None,
    plan: Plan,
    **how: Any,
) -> SuiteFinished:
    """Run the suite, let every writer see every event, and end in order when Ctrl-C is pressed.

    Targets that are no cases are told of; the others are replayed all the same. listening: where agents in other
    processes find the recorded tools; None when they need none.
    """
    current.never_go_live()
    targets = jobs.own(targets)
    cases = [target for target in targets if isinstance(target, SuiteCase)]
    unreadable = [target for target in targets if isinstance(target, CaseErrored)]
    stop = asyncio.Event()
    stop_on_interrupt(asyncio.get_running_loop(), stop)
    suite_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    finished: SuiteFinished | None = None
    async with gateway_on(listening), closing_agents(agent, how["against"]):
        async for event in run_planned(cases, agent, plan, stop=stop, suite_id=suite_id, **how):
            match event:
                case SuiteStarted():
                    _tell(writers, event.but(cases=event.cases + len(unreadable)), *unreadable)
                case SuiteFinished():
                    errors = event.counts.get("error", 0) + len(unreadable)
                    finished = event.but(counts={**event.counts, "error": errors} if errors else event.counts)
                    _tell(writers, finished)
                case _:
                    _tell(writers, event)
    close_writers(writers)
    assert finished is not None, "a suite always ends with SuiteFinished"
    return finished


def _tell(writers: Sequence[Writer], *events: Event) -> None:
    for event in events:
        for writer in writers:
            writer.write(event)

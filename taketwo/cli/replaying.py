"""How cases are replayed: options that every command has which does it, and what follows from them."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, TypeVar

import click

from taketwo.cli.chance_option import chance_option
from taketwo.cli.clock_option import clock_option
from taketwo.cli.evaluator_options import Judging, evaluator_options
from taketwo.cli.gateway import gateway_on, gateway_socket, in_words
from taketwo.cli.overrides import set_option
from taketwo.cli.preflight import insist_on_recordings
from taketwo.cli.settings import access, settings
from taketwo.cli.targets import ToolScope, agent_spec_of, with_scope
from taketwo.cli.tool_options import tool_options
from taketwo.cli.user_options import user_options
from taketwo.compare.severity import severity_table
from taketwo.config import Settings
from taketwo.events import CaseErrored
from taketwo.replay import current
from taketwo.replay.agents import closing_agents, open_agent
from taketwo.replay.engine import Limits
from taketwo.replay.stand_in import StandIn
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.user_side import Users
from taketwo.store import Store
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import JSON

T = TypeVar("T")
Work: TypeAlias = Callable[..., Coroutine[Any, Any, T]]
PATIENCE_S = 3600.0
"""How long a turn may take, in seconds, where somebody stands in for its tools."""

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="How long the agent may take for one turn.  [default: 60]",
)


class Replaying(NamedTuple):
    """Which agent, and how it is replayed."""

    agent_spec: str | None
    """The agent; None for the one of the settings."""
    overrides: dict[str, JSON]
    """What an agent that is rebuilt from the recording is sent instead."""
    users: Users
    """Who plays the user."""
    tools: ToolPolicy
    """What tool calls get."""
    stand_in: StandIn | None
    """Who answers what the recording cannot; None for nobody."""
    tool_scope: ToolScope
    """Whose recorded calls answer."""
    timeout: float | None
    """How long a turn may take, in seconds; None for what is usual."""
    judging: Judging
    """Which judgements besides the cases' own."""

    def scoped(self, cases: Sequence[SuiteCase | CaseErrored], store: Store) -> list[SuiteCase | CaseErrored]:
        """The cases with the recorded calls that may answer besides their own."""
        return with_scope(cases, self.tool_scope, store)

    def how(self, here: Settings, turn_timeout_s: float, concurrency: int | None = None) -> dict[str, Any]:
        """The arguments of `run_suite`. turn_timeout_s: how long a turn may take if nobody says otherwise."""
        return {
            "users": self.users,
            "tools": self.tools,
            "stand_in": self.stand_in,
            "evaluators": self.judging.opened(here),
            "severities": severity_table(here.severity),
            # Whoever stands in for tools answers one question at a time.
            "concurrency": 1 if self.stand_in else concurrency or here.concurrency,
            "limits": Limits(turn_timeout_s=self.timeout or (PATIENCE_S if self.stand_in else turn_timeout_s)),
        }

    def run(self, work: Work[T], cases: Sequence[SuiteCase], other_spec: str | None = None) -> T:
        """What `work(agent, other, **how)` gives, with the tools of agents elsewhere served and all closed at the end.

        other_spec: a second agent; None for none, and `other` is None then.
        """
        here = settings()
        spec = agent_spec_of(self.agent_spec, here)
        how = self.how(here, here.turn_timeout_s)
        insist_on_recordings(spec, cases, self.overrides)
        with reached(here, spec, other_spec) as (listening, reach):
            agent = open_agent(spec, overrides=self.overrides, **reach)
            other = None if other_spec is None else open_agent(other_spec, **reach)

            async def all_of_it() -> T:
                async with gateway_on(listening), closing_agents(agent, other):
                    return await work(agent, other, **how)

            current.never_go_live()
            return asyncio.run(all_of_it())


@contextmanager
def reached(here: Settings, *specs: str | None) -> Iterator[tuple[socket.socket | None, dict[str, Any]]]:
    """Where agents elsewhere find the recorded tools, None where there are none, and how all agents are reached."""
    with gateway_socket(*specs) as listening:
        yield listening, {**access(here), "tools_url": None if listening is None else f"http://{in_words(listening)}"}


def replaying_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, given to the command as `replaying`."""

    @set_option
    @user_options
    @tool_options
    @timeout_option
    @clock_option
    @chance_option
    @evaluator_options
    @functools.wraps(command)
    def with_replaying(**given: Any) -> Any:
        said = {name: given.pop(name) for name in Replaying._fields}
        return command(replaying=Replaying(**said), **given)

    return with_replaying

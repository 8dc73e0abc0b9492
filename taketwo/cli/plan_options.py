"""How a suite goes about its cases: what it takes from earlier runs, and when it ends."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from taketwo.cli.jobs import Jobs
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.events import CaseErrored
from taketwo.replay.chance import is_seeded
from taketwo.replay.clock import clock_now
from taketwo.suite.budget import Budget, read_budget
from taketwo.suite.cache import Agents, Cache, revision
from taketwo.suite.history import seen_at
from taketwo.suite.memory import FOLDER, Memory
from taketwo.suite.plan import Plan, narrowed
from taketwo.suite.revision import project_root
from taketwo.suite.settings_key import settings_key, why_not_cached
from taketwo.suite.suite_case import SuiteCase


class Planning(NamedTuple):
    """What was asked for."""

    no_cache: bool
    """Whether every case is replayed, whatever is known of it."""
    resume: bool
    """Whether the last run, which was interrupted, goes on."""
    fail_fast: bool
    """Whether the first sure regression ends the run."""
    budget: Budget
    """What it may take."""
    changed: str | None
    """Only cases that what was changed since this revision may touch; None for all."""
    revision: str | None
    """The commit that is replayed; None for the one that is checked out."""

    @contextmanager
    def opened(
        self, jobs: Jobs, agents: Agents, how: Mapping[str, Any], *, among: int, is_spoken: bool
    ) -> Iterator[Plan]:
        """The plan; before the agent is imported.

        how: what `run_suite` is given. among: how many cases there are. is_spoken: whether calls are made.

        Raises BadSetting where there is nothing to resume.
        """
        plan = Plan(None, self.fail_fast, self.budget, run=jobs.run, hands_out_all=jobs.processes > 1)
        if jobs.share is not None:
            yield Plan(run=jobs.run)
            return
        root = project_root(Path.cwd())
        try:
            memory = Memory(root)
        except StoreUnavailable as error:
            if self.resume:
                raise
            _tell_of_no_memory(error)
            yield plan
            return
        with closing(memory):
            resumes = memory.interrupted_runs() if self.resume else frozenset()
            if self.resume and not resumes:
                raise BadSetting("the last run here came to its end", where="--resume", todo="leave it out")
            why_not = why_not_cached(how, is_spoken=is_spoken)
            given = settings_key(how, among=among, clock=clock_now(), is_seeded=is_seeded())
            known = revision(root, agents, given, os.environ, why_not)
            try:
                seen = seen_at(root, self.revision)
                cache = Cache(memory, known, resumes=resumes, takes=not self.no_cache, seen=seen)
                plan = plan._replace(cache=cache)
            except StoreUnavailable as error:
                _tell_of_no_memory(error)
            yield plan

    def narrowed(
        self, plan: Plan, cases: Sequence[SuiteCase | CaseErrored], agents: Agents
    ) -> tuple[Plan, Sequence[SuiteCase | CaseErrored]]:
        """The cases that `--changed` leaves, and the plan that says why. Raises BadSetting."""
        if self.changed is None or plan.cache is None:  # of which somebody was told
            return plan, cases
        chosen, said = narrowed(cases, plan.cache, agents, self.changed)
        click.echo("\n  ".join([f"taketwo: {said[0]}", *said[1:]]), err=True)
        return plan._replace(notes=(said[0],)), chosen


def _tell_of_no_memory(error: StoreUnavailable) -> None:
    click.echo(f"taketwo: nothing is remembered of this run: {error}", err=True)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What goes about the cases how, given to the command as `planning`."""

    @click.option(
        "--no-cache", is_flag=True, help="Replay every case, also where agent, case and settings are as they were."
    )
    @click.option(
        "--resume",
        is_flag=True,
        help="Go on with the last run, which was interrupted: its finished cases are not replayed.",
    )
    @click.option("--fail-fast", is_flag=True, help="End with the first sure regression.")
    @click.option(
        "--budget",
        "budgets",
        multiple=True,
        metavar="10m|$2|500k tokens",
        help="Begin no further case after so much time, money or tokens. May be repeated.",
    )
    @click.option(
        "--changed",
        is_flag=False,
        flag_value="HEAD",
        metavar="[REF]",
        help="Only cases that may be touched by what was changed since REF (by default HEAD): their files, the prompts,"
        " tools and code that they run through.",
    )
    @click.option(
        "--revision",
        envvar="TAKETWO_REVISION",
        metavar="COMMIT",
        help="The commit that is replayed, to say since which one a case is red.  [default: HEAD, where nothing is"
        " changed]",
    )
    @click.option("--history", hidden=True)
    @functools.wraps(command)
    def with_planning(*, budgets: tuple[str, ...], history: str | None, **given: Any) -> Any:
        if history is not None:
            todo = "leave it out, and keep that folder from run to run"
            raise BadSetting(f"is remembered in {FOLDER}/ of the repository", where="--history", todo=todo)
        asked = {name: given.pop(name) for name in ("no_cache", "resume", "fail_fast", "changed", "revision")}
        return command(planning=Planning(**asked, budget=read_budget(budgets)), **given)

    return with_planning

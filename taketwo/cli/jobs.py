"""`--concurrency` and `--jobs`: how much goes on at a time. A job is the same command in a process of its own."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import click

from taketwo.cli.report_options import Reports
from taketwo.errors import BadSetting
from taketwo.events import CaseErrored, Event
from taketwo.replay.agents import Agent
from taketwo.report import Writer
from taketwo.report.call_view import FindRecording
from taketwo.suite.executed import also_ran, seen, watching
from taketwo.suite.jobs import Done, Share, Teller, run_in_jobs
from taketwo.suite.opened_files import also_read
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase

FLAG = "--as-job"
"""Tells the command that it is one of the processes."""


class Jobs(NamedTuple):
    """How many replays and processes there are at a time, and whether this is one of them."""

    processes: int
    """How many processes."""
    concurrency: int | None
    """How many replays, in all of them together; None for as many as the settings say."""
    share: Share | None
    """What this one is to do; None in the process that a person started."""

    def writers(self, reports: Reports, find: FindRecording) -> AbstractContextManager[Sequence[Writer]]:
        """Who is told what happens: the reports that were asked for, or the process that started this one."""
        return reports.opened(find) if self.share is None else _told()

    def own(self, targets: Sequence[SuiteCase | CaseErrored]) -> Sequence[SuiteCase | CaseErrored]:
        """What this process is to look at."""
        return targets if self.share is None else self.share.of(one for one in targets if isinstance(one, SuiteCase))

    def run(self, cases: Sequence[SuiteCase], agent: Agent, **how: Any) -> AsyncIterator[Event]:
        """As `run_suite`."""
        if self.share is not None:
            # What its agent reads is told to the process that started it.
            return _watched(run_suite(cases, seen(agent), **{**how, **self.share.terms, "store": None}))
        if self.processes == 1 or not cases:
            return run_suite(cases, agent, **how)
        if how["stand_in"] is not None:
            raise BadSetting("whoever stands in for tools answers one process", todo="leave out --jobs")
        # The same command once more; what it was given besides decides nothing of how it replays.
        command = [sys.executable, "-m", "taketwo", *sys.argv[1:], FLAG]
        shared = {name: how[name] for name in ("concurrency", "store", "suite_id", "stop", "done")}
        return run_in_jobs(cases, command, self.processes, agent=agent.spec, saw=_heard, **shared)


def jobs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, given to the command as `jobs`."""

    @click.option(
        "--concurrency", type=click.IntRange(1), metavar="N", help="How many replays at a time.  [default: 20]"
    )
    @click.option(
        "--jobs",
        "count",
        default=1,
        show_default=True,
        type=click.IntRange(1),
        metavar="N",
        help="Replay in so many processes, each with an agent of its own: for agents that keep a core busy.",
    )
    @click.option(FLAG, is_flag=True, hidden=True)
    @functools.wraps(command)
    def with_jobs(*, concurrency: int | None, count: int, as_job: bool, **given: Any) -> Any:
        share = Share.from_json(sys.stdin.buffer.readline()) if as_job else None
        return command(jobs=Jobs(count, concurrency, share), **given)

    return with_jobs


async def _watched(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    with watching():
        async for event in events:
            yield event


def _heard(done: Done) -> None:
    also_read(done.files)
    also_ran(done.runs, done.functions, done.functions_of_all)


@contextmanager
def _told() -> Iterator[Sequence[Writer]]:
    yield [Teller()]

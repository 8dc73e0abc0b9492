"""`--from-turn` and `--each-turn`: where in the recording the agent begins to act."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import click

from taketwo.errors import BadSetting
from taketwo.events import CaseErrored
from taketwo.suite.forks import each_turn
from taketwo.suite.suite_case import SuiteCase


class Forks(NamedTuple):
    """Where the agent begins."""

    from_turn: int
    """The first turn in which it acts, from 1."""
    per_turn: bool
    """Whether it acts in each turn once, after the recorded ones before it."""

    def of(self, cases: Iterable[SuiteCase | CaseErrored]) -> Iterator[SuiteCase | CaseErrored]:
        """The cases from that turn on, or once for each turn; what is no case, as it is."""
        for case in cases:
            if isinstance(case, CaseErrored):
                yield case
            else:
                yield from each_turn(case) if self.per_turn else [case._replace(from_turn=self.from_turn)]


def fork_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, given to the command as `forks`."""

    @click.option(
        "--from-turn",
        default=1,
        type=click.IntRange(1),
        metavar="N",
        help="Hold the turns before N as they were recorded; the agent acts from N on.",
    )
    @click.option(
        "--each-turn",
        "per_turn",
        is_flag=True,
        help="Replay each turn by itself, after the recorded ones before it, as CASE@N.",
    )
    @functools.wraps(command)
    def with_forks(*, from_turn: int, per_turn: bool, **given: Any) -> Any:
        if per_turn and from_turn != 1:
            raise BadSetting("--from-turn and --each-turn exclude each other", todo="give one of them")
        return command(forks=Forks(from_turn, per_turn), **given)

    return with_forks

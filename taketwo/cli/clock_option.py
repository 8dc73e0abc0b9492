"""`--clock`: what time the agent sees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from taketwo.cli.settings import settings
from taketwo.replay.clock import Kind, clock


def clock_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option; the command runs by the clock that it names."""

    @click.option(
        "--clock",
        "kind",
        type=click.Choice(["real", "recorded"]),
        help="What time a Python agent sees: `recorded` is when the user said the line.  [default: real]",
    )
    @functools.wraps(command)
    def with_clock(*, kind: Kind | None, **given: Any) -> Any:
        with clock(kind or settings().clock):
            return command(**given)

    return with_clock

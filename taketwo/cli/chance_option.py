"""`--seed-random`: whether a Python agent draws the same numbers again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from taketwo.cli.settings import settings
from taketwo.replay.chance import chance


def chance_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option; the command runs by the chance that it names."""

    @click.option(
        "--seed-random",
        "is_fixed",
        is_flag=True,
        help="Let `random` and numpy give a Python agent the same numbers whenever a repeat is run again. Models are"
        " sent a seed in any case, where they take one.",
    )
    @functools.wraps(command)
    def with_chance(*, is_fixed: bool, **given: Any) -> Any:
        with chance(is_fixed=is_fixed or settings().seed_random):
            return command(**given)

    return with_chance

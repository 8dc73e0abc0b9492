"""`--users` and `--facts`: who speaks as the user, and who reads what the user revealed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import click

from taketwo.cli.settings import language_model, settings
from taketwo.config import Settings
from taketwo.errors import BadSetting
from taketwo.replay.added_facts import FactModel
from taketwo.replay.user import UserMode
from taketwo.replay.user_side import Users, by_meaning

FactSource: TypeAlias = Literal["recorded", "model"]
"""Who reads facts: rules alone, or a language model besides."""

facts_option = click.option(
    "--facts",
    "fact_source",
    type=click.Choice(["recorded", "model"]),
    default="recorded",
    show_default=True,
    help="Where the details come from that a user is asked for: from the recording alone, or a language model also says"
    " what the recorded words tell, marked, and refused where they do not say it.",
)


def user_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, given to the command as `users`."""

    @click.option(
        "--users",
        "user_mode",
        type=click.Choice(["verbatim", "anchored", "simulated"]),
        default="anchored",
        show_default=True,
        help="Who speaks as the user: the recorded lines in order, the recorded user's words as they fit what"
        " the agent asks, or with a language model where they do not reach.",
    )
    @facts_option
    @functools.wraps(command)
    def with_users(*, user_mode: UserMode, fact_source: FactSource, **given: Any) -> Any:
        return command(users=_users(user_mode, fact_source, settings()), **given)

    return with_users


def fact_model(source: FactSource, here: Settings) -> FactModel | None:
    """Who adds facts; None for nobody. Raises BadSetting where a model is wanted and none is configured."""
    if source == "recorded":
        return None
    model = language_model(here)
    if model is None:
        raise BadSetting("--facts model needs a language model", todo="set TAKETWO_LLM_MODEL, see docs/models.md")
    return FactModel(model)


def _users(mode: UserMode, source: FactSource, here: Settings) -> Users:
    """How users are played; a model is opened only for what needs one."""
    if mode == "verbatim" and source == "model":
        raise BadSetting("--facts model adds nothing to recorded lines that are said in order, whatever is asked")
    model = language_model(here) if mode == "simulated" else None
    return Users(mode, model, by_meaning, fact_model(source, here))

"""What `taketwo freeze` is told of a case besides what it must do: who answers for it, and until when."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from taketwo.scenario import Kept


def keeping_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--incident`, `--kept-by`, `--owner`, `--review-on` and `--quarantine`, given to the command as `kept`."""

    @click.option("--incident", metavar="URL", help="Link to the incident, ticket or trace that it comes of.")
    @click.option("--kept-by", metavar="NAME", help="Who keeps it.  [default: user.name of git]")
    @click.option("--owner", metavar="NAME", help="The person or team that answers for it.")
    @click.option(
        "--review-on",
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="DATE",
        help="The last day on which it is taken for granted; reports name it after that.",
    )
    @click.option("--quarantine", metavar="REASON", help="It is replayed and reported, and turns nothing red for now.")
    @functools.wraps(command)
    def with_keeping(
        *,
        incident: str | None,
        kept_by: str | None,
        owner: str | None,
        review_on: datetime | None,
        quarantine: str | None,
        **given: Any,
    ) -> Any:
        kept = Kept(
            incident=incident,
            by=_user_of_git() if kept_by is None else kept_by or None,
            owner=owner,
            review_on=None if review_on is None else review_on.date(),
            quarantine=quarantine,
        )
        return command(kept=kept, **given)

    return with_keeping


def _user_of_git() -> str | None:
    """The name under which commits are made here; None without git or a name."""
    try:
        said = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None

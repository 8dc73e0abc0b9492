"""Which judgements besides what the cases expect: the same options wherever something is judged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from taketwo.cli.settings import language_model
from taketwo.config import Settings

if TYPE_CHECKING:
    from taketwo.evals.evaluator import Evaluator
    from taketwo.llm.asked import AskedModel


class Judging(NamedTuple):
    """What was asked for."""

    specs: tuple[str, ...]
    """The evaluators; those of the settings where none is named."""
    repeats: int
    """How often a judge is asked."""

    def named(self, here: Settings) -> list[Evaluator]:
        """Those of the command line alone: what a server's run test asks for is said there. Raises BadSetting."""
        return self.opened(here) if self.specs else []

    def opened(self, here: Settings, model: Callable[[], AskedModel | None] | None = None) -> list[Evaluator]:
        """The evaluators; those that ask a model ask this one, else that of the settings.

        Raises BadSetting, MissingExtra.
        """
        wanted = self.specs or here.evaluators
        from taketwo.suite.contracts import CONTRACTS_FILE

        if not wanted and not Path(CONTRACTS_FILE).is_file():
            return []
        from taketwo.suite.evaluators import open_evaluators

        return open_evaluators(
            wanted, model or partial(language_model, here), folder=Path.cwd(), judge_repeats=self.repeats
        )


def evaluator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--evaluator SPEC` and `--judge-repeats N`, given to the command as `judging`."""

    @click.option(
        "--evaluator",
        "specs",
        multiple=True,
        metavar="SPEC",
        help="A judgement besides what the cases expect: task_completion, csat>=7, rubric:FILE, chrf, 'no_loop: 3',"
        " my_evals.py:NAME, … May be repeated.",
    )
    @click.option(
        "--judge-repeats",
        default=1,
        type=click.IntRange(1),
        metavar="N",
        help="Ask each judge so often, to tell its own noise from the agent's.",
    )
    @functools.wraps(command)
    def with_evaluators(*, specs: tuple[str, ...], judge_repeats: int, **given: Any) -> Any:
        return command(judging=Judging(specs, judge_repeats), **given)

    return with_evaluators

"""The options that say how tool calls are answered in a replay."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from taketwo.cli.settings import language_model, settings
from taketwo.errors import BadSetting
from taketwo.llm import LanguageModel
from taketwo.replay.failure import told
from taketwo.replay.modelled_tools import modelled
from taketwo.replay.stand_in import StandIn, person, stub
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.traits import Declared

Command = TypeVar("Command", bound=Callable[..., Any])
ON_MISS = ("stop", "error", "ask", "model")
DECLARED_OPTIONS = (
    click.option("--reads", multiple=True, metavar="TOOL", help="This tool changes nothing. May be repeated."),
    click.option("--writes", multiple=True, metavar="TOOL", help="This tool changes the world. May be repeated."),
    click.option(
        "--pure",
        multiple=True,
        metavar="TOOL",
        help="This tool's result follows from its arguments alone, as a calculator's. May be repeated.",
    ),
    click.option(
        "--ignores",
        multiple=True,
        metavar="TOOL.ARGUMENT",
        help="This argument makes no difference to what the tool does. May be repeated.",
    ),
    click.option(
        "--matters",
        multiple=True,
        metavar="TOOL.ARGUMENT",
        help="This argument does make a difference, whatever the recordings suggest. May be repeated.",
    ),
)
"""What a person says of the tools."""
OPTIONS = (
    click.option(
        "--tools",
        "on_miss",
        default="stop",
        show_default=True,
        metavar="stop|error|ask|model|MODULE:FUNCTION",
        help="What becomes of a tool call that the recording cannot answer: the replay stops, the agent reads an error,"
        " you are asked, the language model of the settings makes up a result, or a function of (tool, arguments)"
        " answers.",
    ),
    click.option(
        "--tool-scope",
        type=click.Choice(["conversation", "scenario", "project"]),
        default="conversation",
        show_default=True,
        help="Whose recorded calls answer: the conversation's own, then those of its scenario, or of its project.",
    ),
    click.option(
        "--live",
        multiple=True,
        metavar="TOOL",
        help="Let this tool really run where the recording has no answer. May be repeated.",
    ),
    *DECLARED_OPTIONS,
    click.option(
        "--least-confidence",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="Take an answer that is less sure than this for none.",
    ),
    click.option(
        "--tool-latency",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        metavar="FACTOR",
        help="How long recorded tools take: 0 no time, 1 as long as recorded, 0.5 half of that.",
    ),
)


def tool_options(command: Command) -> Command:
    """Gives a command `tools`, the policy; `stand_in`, who answers a miss, or None; and `tool_scope`."""

    @functools.wraps(command)
    def with_policy(
        on_miss: str,
        live: tuple[str, ...],
        least_confidence: float,
        tool_latency: float,
        **others: Any,
    ) -> Any:
        tools = ToolPolicy(
            on_miss="stop" if on_miss == "stop" else "error" if on_miss == "error" else "stand_in",
            live=live,
            least_confidence=least_confidence,
            latency=tool_latency,
            declared=_declared(others),
        )
        return command(tools=tools, stand_in=_stand_in(on_miss), **others)

    given: Command = _with(OPTIONS, with_policy)
    return given


def declared_options(command: Command) -> Command:
    """Gives a command `declared`, what a person says of the tools."""

    @functools.wraps(command)
    def with_declared(**given: Any) -> Any:
        return command(declared=_declared(given), **given)

    given: Command = _with(DECLARED_OPTIONS, with_declared)
    return given


def _declared(given: dict[str, Any]) -> Declared:
    """Takes what is declared out of the given options."""
    declared = Declared(**{name: given.pop(name) for name in ("reads", "writes", "pure", "ignores", "matters")})
    _insist_on_arguments(declared.ignores + declared.matters)
    return declared


def _with(options: Sequence[Callable[[Any], Any]], command: Any) -> Any:
    for option in reversed(options):
        command = option(command)
    return command


def _stand_in(on_miss: str) -> StandIn | None:
    if on_miss in ("stop", "error"):
        return None
    if on_miss == "ask":
        return person(lambda text: click.prompt(text, default="", show_default=False, err=True))
    if on_miss == "model":
        return modelled(_model())
    module, colon, name = on_miss.partition(":")
    if not colon:
        raise BadSetting(f"--tools takes {', '.join(ON_MISS)} or MODULE:FUNCTION, not {on_miss!r}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return stub(getattr(import_module(module), name), name)
    except Exception as error:  # foreign code runs on import
        raise BadSetting(f"cannot be imported: {told(error)}", where=f"--tools {on_miss}") from error


def _model() -> LanguageModel:
    model = language_model(settings())
    if model is None:
        raise BadSetting("--tools model needs a language model", todo="set TAKETWO_LLM_MODEL, see docs/models.md")
    return model


def _insist_on_arguments(given: tuple[str, ...]) -> None:
    for one in given:
        if not all(one.rpartition(".")[::2]):
            raise BadSetting(f"takes TOOL.ARGUMENT, not {one!r}", where="--ignores, --matters")

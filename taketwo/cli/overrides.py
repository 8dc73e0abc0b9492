"""`--set`: what an agent that is rebuilt from the recording is sent instead of what is recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from taketwo.errors import BadSetting
from taketwo.value import JSON


def set_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option, given to the command as `overrides`, a dict."""

    @click.option(
        "--set",
        "given",
        multiple=True,
        metavar="KEY=VALUE",
        help="What prompt: and …/chat/completions are sent instead of what is recorded: model=…, system_prompt=@FILE,"
        " temperature=0, … May be repeated.",
    )
    @functools.wraps(command)
    def with_overrides(*, given: tuple[str, ...], **others: Any) -> Any:
        return command(overrides=dict(map(_override, given)), **others)

    return with_overrides


def _override(text: str) -> tuple[str, JSON]:
    """`model=gpt-5`, `temperature=0`, `tools=@FILE`: JSON where it is JSON, text where not; a prompt is always text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadSetting(f"--set takes KEY=VALUE, not {text!r}")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=value[1:]) from error
    if key == "system_prompt":
        return key, value
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value

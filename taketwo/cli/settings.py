"""What several commands share: the settings of this place, the store, and options with one spelling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taketwo.config import Settings, agent_access, load_settings, model_settings
from taketwo.store import Store, open_store

if TYPE_CHECKING:
    from taketwo.llm.asked import AskedModel

Command = TypeVar("Command", bound=Callable[..., Any])


def settings() -> Settings:
    """The settings that hold in the working folder."""
    return load_settings(os.environ, Path.cwd())


def access(here: Settings) -> dict[str, Any]:
    """Keys and endpoint, as `open_agent` takes them."""
    return agent_access(here, os.environ)


@contextmanager
def opened_store(url: str | None, *, to_serve: bool = False) -> Iterator[Store]:
    """The store of `--store`, else of the settings; closed at the end. A server looks after what waits itself."""
    store = open_store(url or settings().store)
    try:
        if not to_serve:
            store.flush()
        yield store
    finally:
        store.close()


def language_model(here: Settings) -> AskedModel | None:
    """The language model of the settings; None when none is configured. Raises BadSetting, MissingExtra."""
    from taketwo.llm import model_of

    return None if here.llm_model is None else model_of(model_settings(here))


def store_option(command: Command) -> Command:
    """`--store URL`."""
    return click.option(
        "--store",
        "store_url",
        metavar="URL",
        help="Where captures are kept: sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
    )(command)


def project_option(command: Command) -> Command:
    """`--project P`."""
    return click.option("--project", metavar="P", help="Look only in this project.")(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)

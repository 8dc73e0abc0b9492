"""What several commands share: the settings of this place, the store, and options with one spelling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from taketwo.config import Settings, load_settings
from taketwo.store import Store, open_store

Command = TypeVar("Command", bound=Callable[..., Any])


def settings() -> Settings:
    """The settings that hold in the working folder."""
    return load_settings(os.environ, Path.cwd())


@contextmanager
def opened_store(url: str | None) -> Iterator[Store]:
    """The store of `--store`, else of the settings; closed at the end."""
    store = open_store(url or settings().store)
    try:
        yield store
    finally:
        store.close()


def store_option(command: Command) -> Command:
    """`--store URL`."""
    return click.option("--store", "store_url", metavar="URL", help="Where captures are kept: sqlite:///PATH.")(command)


def project_option(command: Command) -> Command:
    """`--project P`."""
    return click.option("--project", metavar="P", help="Look only in this project.")(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)

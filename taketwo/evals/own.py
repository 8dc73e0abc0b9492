"""Evaluators that are not ours: from a file of the user, or from an installed package."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from taketwo.errors import BadSetting
from taketwo.evals.evaluator import Context, Judgement
from taketwo.value import content_hash

GROUP = "taketwo.evaluators"
"""Entry points of packages that bring evaluators."""
SHOWN_HASH = 8
"""So much of a file's hash is its version."""


@dataclass(frozen=True)
class OwnEvaluator:
    """Somebody's evaluator, under a name and a version."""

    name: str
    """It names the score."""
    version: str
    """Changes with the code: scores of another version do not compare."""
    judge: Callable[[Context], Judgement | Awaitable[Judgement]]
    """The code."""

    def evaluate(self, context: Context) -> Judgement | Awaitable[Judgement]:
        """What the code says."""
        return self.judge(context)


def evaluator_of_file(path: Path, name: str) -> OwnEvaluator:
    """The evaluator of that name in a Python file: a function of a Context, an object with `evaluate`, or its class.

    Raises BadSetting.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadSetting(f"cannot be read: {error.strerror}", where=str(path)) from error
    found = getattr(_module(path), name, None)
    if found is None:
        raise BadSetting(
            f"has no {name!r}", where=str(path), todo="name a function of a context, or an object with `evaluate`"
        )
    return _own(found, name, _version(path, name, source), str(path))


def version_of_file(path: Path, name: str) -> str | None:
    """The version that the evaluator would have, without running the file; None where it cannot be read."""
    try:
        return _version(path, name, path.read_bytes())
    except OSError:
        return None


def evaluator_of_package(name: str) -> OwnEvaluator | None:
    """The evaluator that an installed package brings under this name; None for none. Raises BadSetting."""
    entry = next(iter(entry_points(group=GROUP, name=name)), None)
    if entry is None:
        return None
    try:
        found = entry.load()
    except Exception as error:  # foreign code
        raise BadSetting(f"evaluator {name!r} cannot be loaded: {error}", where=entry.value) from error
    return _own(found, name, f"{name}/{release(entry)}", entry.value)


def own_evaluator(found: Any) -> OwnEvaluator:
    """A function of a context, an object with `evaluate` or its class, as it is. Raises BadSetting."""
    name = getattr(found, "__name__", type(found).__name__)
    return _own(found, name, f"{getattr(found, '__module__', '?')}:{name}", "evaluators")


def _version(path: Path, name: str, source: bytes) -> str:
    return f"{path.name}:{name}@{content_hash(source)[:SHOWN_HASH]}"


def release(entry: EntryPoint) -> str:
    """The version of the package that brings it."""
    return entry.dist.version if entry.dist is not None else "?"


def _own(found: Any, name: str, version: str, where: str) -> OwnEvaluator:
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:  # foreign code
        raise BadSetting(f"{name} cannot be made: {type(error).__name__}: {error}", where=where) from error
    judge = getattr(made, "evaluate", made)
    if not callable(judge):
        raise BadSetting(f"{name!r} is no evaluator", where=where, todo="make it a function of a context")
    given = getattr(made, "name", name)
    return OwnEvaluator(given if isinstance(given, str) else name, version, judge)


def _module(path: Path) -> ModuleType:
    """The file as a module; what it imports from its own folder is found."""
    spec = importlib.util.spec_from_file_location(f"taketwo_evaluators_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadSetting("is no Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # foreign code
        line = next(
            (one.lineno for one in reversed(traceback.extract_tb(error.__traceback__)) if one.filename == str(path)),
            None,
        )
        place = str(path) if line is None else f"{path}:{line}"
        raise BadSetting(f"cannot be run: {type(error).__name__}: {error}", where=place) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module

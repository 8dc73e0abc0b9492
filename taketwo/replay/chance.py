"""Chance: within `seeded_random`, `random` and numpy give a Python agent the same numbers whenever a repeat is rerun.

Each of many replays draws from generators of its own. Code outside of replays, and a thread that carries no context,
draw from those of the process, which nobody seeds.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

from taketwo.replay import current

_PATCHED = ("random", "getrandbits", "seed", "getstate", "setstate")
"""What `random` keeps a bound method of that does not look at the class any more; all others go through these."""
_OF_PROCESS = random.Random
"""Its methods are called by name, as what an agent took by `from random import random` may outlive the block."""
_is_seeded = False
_taken: list[tuple[Any, str, Any]] = []
"""Module, name and what stood there, for whatever has been put in another's place."""


class Generators:
    """What one replay draws from."""

    def __init__(self, seed: int) -> None:
        """seed: of all of them."""
        self.python = random.Random(seed)
        self._seed = seed

    @cached_property
    def numpy(self) -> Any:
        """What the functions of `numpy.random` draw from."""
        return _numpy_random().RandomState(self._seed)

    @cached_property
    def seeds(self) -> random.Random:
        """Where each `default_rng()` that is made without a seed gets one."""
        return random.Random(self._seed)


def is_seeded() -> bool:
    """Whether Python agents that are replayed here and now draw from generators of their replay."""
    if _is_seeded:
        _reach_numpy()
    return _is_seeded


def seeded() -> tuple[str, ...]:
    """Whose numbers are fixed here and now: `random`, and `numpy` where that is loaded."""
    if not is_seeded():
        return ()
    return ("random", "numpy") if _numpy_random() is not None else ("random",)


def chance(*, is_fixed: bool) -> AbstractContextManager[None]:
    """Within it, a Python agent draws by chance that is fixed, or not."""
    return seeded_random() if is_fixed else nullcontext()


@contextmanager
def seeded_random() -> Iterator[None]:
    """Within it, `random` and the functions of `numpy.random` draw from the generators of the replay."""
    global _is_seeded
    hidden: Any = random._inst  # whose bound methods all functions of the module are
    hidden.__class__ = _Drawing
    for name in _PATCHED:
        _put(random, name, getattr(hidden, name))
    _is_seeded = True
    try:
        yield
    finally:
        _is_seeded = False
        while _taken:
            module, name, before = _taken.pop()
            setattr(module, name, before)
        hidden.__class__ = random.Random


class _Drawing(random.Random):
    """The generator behind the functions of `random`: asks that of the replay, where one is going on."""

    def random(self) -> float:
        own = _own()
        return _OF_PROCESS.random(self) if own is None else own.python.random()

    def getrandbits(self, k: int, /) -> int:
        own = _own()
        return _OF_PROCESS.getrandbits(self, k) if own is None else own.python.getrandbits(k)

    def seed(self, a: Any = None, version: int = 2) -> None:
        own = _own()
        _OF_PROCESS.seed(self, a, version) if own is None else own.python.seed(a, version)

    def getstate(self) -> tuple[Any, ...]:
        own = _own()
        return _OF_PROCESS.getstate(self) if own is None else own.python.getstate()

    def setstate(self, state: tuple[Any, ...]) -> None:
        own = _own()
        _OF_PROCESS.setstate(self, state) if own is None else own.python.setstate(state)

    @property
    def gauss_next(self) -> float | None:
        """What `gauss` keeps for its next call."""
        own = _own()
        kept: float | None = (self if own is None else own.python).__dict__.get("gauss_next")
        return kept

    @gauss_next.setter
    def gauss_next(self, kept: float | None) -> None:
        own = _own()
        (self if own is None else own.python).__dict__["gauss_next"] = kept


def _own() -> Generators | None:
    """Those of the replay that this code runs in; None outside of one."""
    scene = current.CURRENT.get()
    own: Generators | None = None if scene is None else scene.generators
    return own


def _numpy_random() -> Any:
    """The module, once somebody has loaded numpy; None before."""
    return None if "numpy" not in sys.modules else importlib.import_module("numpy.random")


def _reach_numpy() -> None:
    """Put our own in the place of numpy's functions, once it is there."""
    module = _numpy_random()
    if module is None or any(taken is module for taken, _, _ in _taken):
        return
    process_own = module.mtrand._rand
    for name in dir(type(process_own)):
        if not name.startswith("_") and callable(getattr(module, name, None)):
            _put(module, name, _drawing(name, getattr(module, name)))
    _put(module, "default_rng", _seeding(module.default_rng))


def _drawing(name: str, of_process: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        own = _own()
        return (of_process if own is None else getattr(own.numpy, name))(*args, **kwargs)

    return draw


def _seeding(make: Callable[..., Any]) -> Callable[..., Any]:
    def default_rng(seed: Any = None) -> Any:
        own = _own()
        return make(own.seeds.getrandbits(64) if seed is None and own is not None else seed)

    return default_rng


def _put(module: Any, name: str, ours: Any) -> None:
    _taken.append((module, name, getattr(module, name)))
    setattr(module, name, ours)

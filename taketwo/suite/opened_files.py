"""Which files this process reads while an agent is imported and replayed: its modules, its prompts, its data."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taketwo.suite.revision import file_hash, is_of_scenarios

_PACKAGE = Path(__file__).resolve().parent.parent
_NO_FILES = ("/proc/", "/sys/", "/dev/")
_opened: dict[str, str | None] = {}
"""Each file with its content, as a hash, when it was first read; None where that was not looked at."""
_hashing = threading.local()
_watching = 0
_hooked = False


@contextmanager
def watching_files() -> Iterator[None]:
    """Take down which files are read in this block, by whatever Python code."""
    global _watching, _hooked
    if not _hooked:
        # A hook cannot be taken out again; outside of such a block it returns at once.
        sys.addaudithook(_heard)
        _hooked = True
    _watching += 1
    try:
        yield
    finally:
        _watching -= 1


def also_read(files: Iterable[str]) -> None:
    """Take down files that another process read for this one."""
    for file in files:
        _opened.setdefault(file)


def is_counted(file: str) -> bool:
    """Whether it is a file that an agent may be made of, and not one of an installed package or of Python itself."""
    return _counted(os.path.abspath(file)) is not None


def loaded_files() -> set[str]:
    """The files of which that is true and that were imported so far."""
    return {name for name in _modules() if _counted(name) is not None}


class FilesRead:
    """The files that were read so far, without those of installed packages and of Python itself."""

    def __init__(self) -> None:
        """Nothing has been looked at yet."""
        self._seen: tuple[int, int] = (0, 0)
        self._known: frozenset[Path] = frozenset()
        self._decided: dict[str, Path | None] = {}

    def __call__(self) -> frozenset[Path]:
        """All of them; looked up again only when something was added."""
        seen = (len(sys.modules), len(_opened))
        if seen != self._seen:
            self._seen = seen
            names = {*_modules(), *list(_opened)}
            self._known = frozenset(path for name in names if (path := self._decide(name)) is not None)
        return self._known

    def content(self, path: Path) -> str | None:
        """The content of a file as a hash, as it was when it was first read."""
        return _opened.get(str(path)) or file_hash(path)

    def _decide(self, name: str) -> Path | None:
        if name not in self._decided:
            self._decided[name] = _counted(name)
        return self._decided[name]


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _watching:
        return
    path, mode, flags = arguments
    # io.open says a mode, os.open only flags.
    reads = (
        mode[:1] == "r" if isinstance(mode, str) else isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_APPEND)
    )
    if reads and isinstance(path, str | bytes | os.PathLike):
        name = os.path.abspath(os.fsdecode(path))
        if name not in _opened and not getattr(_hashing, "now", False):
            _hashing.now = True  # which reads the file as well
            try:
                _opened[name] = None if _counted(name) is None else file_hash(Path(name))
            finally:
                _hashing.now = False


def _modules() -> Iterator[str]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            yield os.path.abspath(file)


def _counted(name: str) -> Path | None:
    path = Path(name)
    if name.endswith((".pyc", ".pyo")) or name.startswith(_NO_FILES) or is_of_scenarios(name):
        return None
    parts = path.parts
    if "site-packages" in parts or "dist-packages" in parts or ".taketwo" in parts or ".git" in parts:
        return None
    if path.is_relative_to(_PACKAGE) or any(path.is_relative_to(place) for place in _OF_PYTHON):
        return None
    return path if path.is_file() else None


def _of_python() -> tuple[Path, ...]:
    """Where Python's own library and the programs of this environment lie."""
    return tuple({Path(os.__file__).parent, Path(os.__file__).resolve().parent, Path(sys.executable).parent})


_OF_PYTHON = _of_python()

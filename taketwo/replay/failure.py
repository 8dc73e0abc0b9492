"""One line about what went wrong in foreign code: the error, and where in the user's own files."""

from __future__ import annotations

import functools
import importlib
import sysconfig
import traceback
from pathlib import Path

from taketwo.value import clean_text, cut_to, one_line

LONGEST = 300
"""Longer messages are cut."""
OURS = tuple(str(Path(__file__).parent.parent / station) for station in ("replay", "sdk"))
"""Our own frames say nothing to the user, nor do those of the machinery of imports."""


def told(error: BaseException) -> str:
    """`ValueError: no order A-9999 (agent.py:12)`."""
    name = type(error).__name__
    try:
        message = one_line(clean_text(str(error)))
    except Exception:  # foreign code; an error that cannot be told still has a name and a place
        message = ""
    what = cut_to(f"{name}: {message}" if message else name, LONGEST)
    place = place_of(error)
    return f"{what} ({place})" if place else what


def place_of(error: BaseException) -> str | None:
    """File and line of the innermost frame in the user's code, else in any foreign code; None when there is none."""
    innermost = error
    while isinstance(innermost, BaseExceptionGroup):
        innermost = innermost.exceptions[0]
    frames = [
        frame
        for frame in traceback.extract_tb(innermost.__traceback__)
        if not frame.filename.startswith((*OURS, "<", str(Path(importlib.__file__).parent)))
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_installed())]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}"
    return next((f"{_shown(frame.filename)}:{frame.lineno}" for frame in reversed(own or frames)), None)


@functools.cache
def _installed() -> tuple[str, ...]:
    """Where the standard library and installed packages lie."""
    return tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _shown(filename: str) -> str:
    """Relative to the working folder where it lies in there."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename

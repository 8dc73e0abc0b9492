"""The templates of reports and pages: whatever they show is escaped, and what would act or hide is made visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from taketwo.report import words
from taketwo.report.aligned import AlignedStep
from taketwo.report.worddiff import Piece, word_diff

TEMPLATES = Path(__file__).parent / "templates"
"""The parts that reports and pages share."""
TEXT_LIMIT = 8_000
"""Characters of one text that is shown; whole texts are in the JSON."""


def environment(*folders: Path) -> Environment:
    """Templates of these folders and the shared ones; every text is made safe without being asked."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        bytecode_cache=_compiled_before(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "words": words,
        "TEXT_LIMIT": TEXT_LIMIT,
        "diff": _diff,
        "rows_of": _rows,
        "kind_of": lambda value: type(value).__name__,
    }
    made.filters["shown"] = lambda text: words.shortened(text, TEXT_LIMIT)
    return made


class _Compiled(FileSystemBytecodeCache):
    """Templates as they were compiled once: compiling them takes as long as drawing a hundred cases."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep one for the next process, if there is room."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled_before() -> _Compiled | None:
    """In the user's own part of the folder for temporary files; None where there is no safe one."""
    try:
        return _Compiled(pattern=f"taketwo_{jinja2.__version__}_%s.cache")
    except (OSError, RuntimeError):
        return None


def _visible(value: Any) -> Any:
    return words.plain_prose(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _diff(before: str, after: str) -> tuple[Piece, ...]:
    return word_diff(words.shortened(before, TEXT_LIMIT), words.shortened(after, TEXT_LIMIT))


def _rows(steps: Sequence[AlignedStep]) -> Iterator[tuple[AlignedStep | None, AlignedStep | None]]:
    """Steps as rows, left and right: one that was left out and the new one after it share a row."""
    waiting: AlignedStep | None = None
    for step in steps:
        if waiting is not None:
            replaces = step.recorded is None
            yield waiting, step if replaces else None
            waiting = None
            if replaces:
                continue
        if step.replayed is None:
            waiting = step
        else:
            yield (step if step.recorded is not None else None), step
    if waiting is not None:
        yield waiting, None

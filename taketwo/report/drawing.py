"""The templates of reports and pages: whatever they show is escaped, and what would act or hide is made visible."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from taketwo.report import words
from taketwo.report.sides import TEXT_LIMIT, both, differing, joined, rows

TEMPLATES = Path(__file__).parent / "templates"
"""The parts that reports and pages share."""


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
        "kind_of": lambda value: type(value).__name__,
    }
    # A filter is called at once, a global through four functions of the template engine: these are used in every turn.
    made.filters |= {
        "both": both,
        "call_in_words": words.call_in_words,
        "differing": differing,
        "joined": joined,
        "rows": rows,
        "shown": lambda text: words.shortened(text, TEXT_LIMIT),
        "tool_answer_in_words": words.tool_answer_in_words,
        "user_answer_in_words": words.user_answer_in_words,
    }
    made.tests["plain_answer"] = words.is_plain_answer
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

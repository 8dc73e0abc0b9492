"""Words and `/regular expressions/` looked for in texts, without ever hanging on one."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

ASIDE_FROM_STEPS = 1e8
"""An expression that may take more steps than this in the worst case runs in a process that can be ended."""
ASIDE_FOR_S = 1.0
"""How long that process may take; a search that ends takes a few microseconds."""
MOST_OPTIONAL = 12
"""More optional parts may double the steps too often."""
AROUND = 30
"""Characters of the text that evidence shows on each side of what was found."""

_ESCAPED_OR_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,?\d*\})")
_OPEN_END = re.compile(r"[*+]|\{\d*,\d*\}")
_OPTIONAL = re.compile(r"(?<![*+?}(])\?")
_PROGRAM = """
import json, re, sys
pattern, text = json.load(sys.stdin)
found = re.search(pattern, text, re.IGNORECASE)
json.dump(found and found.span(), sys.stdout)
"""


class CannotJudge(Exception):
    """What a check is to judge by is of no use; the message says why."""


def find(wanted: str, text: str) -> str | None:
    """The place where the text has these words, with what stands around it; None where it has not.

    wanted: words, upper and lower case and white space alike; or `/…/`, a regular expression in which case does not
    count either unless it says `(?-i:…)`.
    Raises CannotJudge.
    """
    if len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/"):
        place = _search(wanted[1:-1], text)
    else:
        words = r"\s+".join(map(re.escape, wanted.split()))
        found = re.search(words, text, re.IGNORECASE)
        place = found.span() if found else None
    return None if place is None else _with_context(text, *place)


def _search(pattern: str, text: str) -> tuple[int, int] | None:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise CannotJudge(f"/{pattern}/ is no regular expression: {error}") from error
    if _steps_at_worst(pattern, text) > ASIDE_FROM_STEPS:
        return _search_aside(pattern, text)
    found = compiled.search(text)
    return found.span() if found else None


def _steps_at_worst(pattern: str, text: str) -> float:
    """Never too few: n open ends take a text's length to the power of n + 1, and repeated groups may take forever."""
    bare = _ESCAPED_OR_CLASS.sub("x", pattern)
    if _REPEATED_GROUP.search(bare) or len(_OPTIONAL.findall(bare)) > MOST_OPTIONAL:
        return math.inf
    open_ends = len(_OPEN_END.findall(bare))
    return float(len(text)) ** (open_ends + 1) / math.factorial(open_ends)


def _search_aside(pattern: str, text: str) -> tuple[int, int] | None:
    """The same search in a process of its own, as nothing else can end a search that has begun."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps([pattern, text]),
            capture_output=True,
            encoding="utf-8",
            timeout=ASIDE_FOR_S,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotJudge(f"/{pattern}/ came to no end within {ASIDE_FOR_S:g} s") from error
    except subprocess.CalledProcessError as error:
        raise CannotJudge(f"/{pattern}/ could not be searched for: {error.stderr[-200:]}") from error
    place = json.loads(done.stdout)
    return None if place is None else (place[0], place[1])


def _with_context(text: str, start: int, end: int) -> str:
    before, after = max(0, start - AROUND), min(len(text), end + AROUND)
    shown = " ".join(text[before:after].split())
    return f"{'…' if before else ''}{shown}{'…' if after < len(text) else ''}"

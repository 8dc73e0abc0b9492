"""What a change of a Python file is about: nothing that runs, a tool, a text, functions, or the file as a whole."""

from __future__ import annotations

import ast
from typing import NamedTuple, TypeAlias

from taketwo.suite.diff import FileChange, Hunk
from taketwo.suite.functions import MODULE, File, changed_functions, tools


class ToolChange(NamedTuple):
    """A tool is not as it was."""

    name: str
    """The tool."""
    is_seen_by_models: bool
    """Whether its name, arguments or description may be others now, and not only what it does."""


class TextChange(NamedTuple):
    """A text in the code is not as it was."""

    old: str
    """The text as it was."""
    changed: tuple[str, ...]
    """The lines that it concerns, as they were."""


class FunctionChange(NamedTuple):
    """A function does something else now."""

    name: str
    """Its `__qualname__`."""


Part: TypeAlias = ToolChange | TextChange | FunctionChange


def code_changes(change: FileChange) -> list[Part] | None:
    """What was changed; None where it is more than tools, texts and functions, or cannot be told."""
    old, new = _parsed(change.old), _parsed(change.new)
    if old is None or new is None:
        return None
    if ast.dump(old) == ast.dump(new):
        return []  # comments and spaces
    told = [(hunk, _about(hunk, change, old, new)) for hunk in change.hunks()]
    parts: list[Part] = [part for _, part in told if part is not None]
    rest = [hunk for hunk, part in told if part is None]
    if not rest:
        return parts
    was, now = File(change.old or ""), File(change.new or "")
    explained = _names([hunk for hunk, part in told if part is not None], was, now) - _names(rest, was, now)
    names = changed_functions(was, now) - explained
    return None if MODULE in names else [*parts, *(_of_function(name, was) for name in sorted(names))]


def changed_lines(lines: list[str], hunk: Hunk) -> tuple[str, ...]:
    """The paragraph that was changed as it was; of one that was added, the lines before and after it.

    More than the lines that are gone: a prompt may have been recorded with still older ones in their place.
    """
    first, last = hunk.old.start, hunk.old.stop
    while first > 0 and lines[first - 1].strip():
        first -= 1
    while last < len(lines) and lines[last].strip():
        last += 1
    if any(line.strip() for line in lines[first:last]):
        return tuple(lines[first:last])
    before = [line for line in lines[:first] if line.strip()][-1:]
    return (*before, *[line for line in lines[last:] if line.strip()][:1])


def _parsed(text: str | None) -> ast.Module | None:
    try:
        return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _about(hunk: Hunk, change: FileChange, old: ast.Module, new: ast.Module) -> ToolChange | TextChange | None:
    was = {tool.name: tool for tool in tools(old)}
    for tool in tools(new):
        before = was.get(tool.name)
        if before is not None and _within(hunk.new, tool.lines) and _within(hunk.old, before.lines):
            seen = not _apart(hunk.new, tool.head) or not _apart(hunk.old, before.head)
            return ToolChange(tool.name, seen)
    old_text, new_text = _text_at(hunk.old, old), _text_at(hunk.new, new)
    if old_text is None or new_text is None:
        return None
    return TextChange(old_text, changed_lines((change.old or "").splitlines(), hunk))


def _names(hunks: list[Hunk], was: File, now: File) -> set[str]:
    return {name for hunk in hunks for name in was.names_at(hunk.old) | now.names_at(hunk.new)}


def _of_function(name: str, was: File) -> ToolChange | FunctionChange:
    """In a replay the recording stands for what a tool does, so that nobody sees it run."""
    tool = next((one.tool for one in was.functions.get(name, ()) if one.tool is not None), None)
    return FunctionChange(name) if tool is None else ToolChange(tool, is_seen_by_models=False)


def _text_at(lines: range, tree: ast.Module) -> str | None:
    """The text of several lines that these lie in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (end := node.end_lineno) is not None:
            whole = range(node.lineno - 1, end)
            if len(whole) > 1 and _within(lines, whole):
                return node.value
    return None


def _within(inner: range, outer: range) -> bool:
    return outer.start <= inner.start and inner.stop <= outer.stop


def _apart(one: range, other: range) -> bool:
    """Whether no line is in both; what is added between two lines is in none, but belongs to what it is added to."""
    return max(one.stop, one.start + 1) <= other.start or other.stop <= one.start

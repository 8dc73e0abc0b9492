"""What a change of a Python file is about: nothing that runs, a tool, a text, or the code as a whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from taketwo.suite.diff import FileChange, Hunk


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


def code_changes(change: FileChange) -> list[ToolChange | TextChange] | None:
    """What was changed; None where it is more than tools and texts, or cannot be told."""
    old, new = _parsed(change.old), _parsed(change.new)
    if old is None or new is None:
        return None
    if ast.dump(old) == ast.dump(new):
        return []  # comments and spaces
    found = [_about(hunk, change, old, new) for hunk in change.hunks()]
    return None if None in found else [one for one in found if one is not None]


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


class _Tool(NamedTuple):
    name: str
    lines: range
    head: range
    """Decorators, signature and description."""


def _parsed(text: str | None) -> ast.Module | None:
    try:
        return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _about(hunk: Hunk, change: FileChange, old: ast.Module, new: ast.Module) -> ToolChange | TextChange | None:
    was = {tool.name: tool for tool in _tools(old)}
    for tool in _tools(new):
        before = was.get(tool.name)
        if before is not None and _within(hunk.new, tool.lines) and _within(hunk.old, before.lines):
            seen = not _apart(hunk.new, tool.head) or not _apart(hunk.old, before.head)
            return ToolChange(tool.name, seen)
    old_text, new_text = _text_at(hunk.old, old), _text_at(hunk.new, new)
    if old_text is None or new_text is None:
        return None
    return TextChange(old_text, changed_lines((change.old or "").splitlines(), hunk))


def _tools(tree: ast.Module) -> Iterator[_Tool]:
    """Functions under `@taketwo.tool`, `@tool`, or either called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_tool, node.decorator_list)):
            first = min(mark.lineno for mark in node.decorator_list) - 1
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            end = node.end_lineno or node.lineno
            head = range(first, body[0].lineno - 1 if body else end)
            yield _Tool(_name(node), range(first, end), head)


def _is_tool(mark: ast.expr) -> bool:
    called = mark.func if isinstance(mark, ast.Call) else mark
    return (isinstance(called, ast.Attribute) and called.attr == "tool") or (
        isinstance(called, ast.Name) and called.id == "tool"
    )


def _name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for mark in node.decorator_list:
        for keyword in mark.keywords if isinstance(mark, ast.Call) else ():
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return node.name


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

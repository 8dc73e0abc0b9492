"""The functions of a Python file: what belongs to each, and which are others now."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

MODULE = ""
"""Stands for what is outside of all functions: it runs when the file is imported, and says what they are."""
_MEMOS = ("cache", "memo", "once", "singleton")
"""Parts of the names of decorators under which a function runs for the first who asks, and for nobody after that."""


class Function(NamedTuple):
    """What belongs to a function, and not to one inside it: its code without decorators, signature and description."""

    lines: range
    """Its lines, from 0, those of functions inside it among them."""
    code: str
    """What it does, whatever its comments and line ends."""
    tool: str | None
    """The tool that it is; None for another function."""


class Tool(NamedTuple):
    """A function under `@taketwo.tool`, `@tool`, or either called."""

    name: str
    """The tool."""
    lines: range
    """All its lines, from 0."""
    head: range
    """Decorators, signature and description."""


class File:
    """A parsed file by its functions."""

    def __init__(self, text: str) -> None:
        """Raises what `ast.parse` raises."""
        self.functions: dict[str, list[Function]] = {}
        """Those of each name, which is that of Python's `__qualname__`."""
        tree = ast.parse(text)
        self._take(tree, "")
        self.rest = ast.dump(tree)
        """What is outside of all of them."""

    def code_of(self, name: str) -> list[str]:
        """What the functions of a name do."""
        return [self.rest] if name == MODULE else [one.code for one in self.functions.get(name, ())]

    def names_at(self, lines: range) -> set[str]:
        """The innermost functions in which these lines, and those that they lie between, are."""
        return {self._name_at(line) for line in (lines or range(lines.start - 1, lines.start + 1))}

    def _name_at(self, line: int) -> str:
        here = [(len(one.lines), name) for name, ones in self.functions.items() for one in ones if line in one.lines]
        return min(here)[1] if here else MODULE

    def _take(self, node: ast.AST, within: str) -> None:
        """Take the functions out of a tree, the inner ones first."""
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    name = f"{within}{child.name}"
                    self._take(child, f"{name}.<locals>.")
                    self.functions.setdefault(name, []).append(_taken(child))
                case ast.ClassDef():
                    self._take(child, f"{within}{child.name}.")
                case _:
                    self._take(child, within)


def changed_functions(old: File, new: File) -> set[str]:
    """The names of those that do something else now, are new or are gone; `MODULE` where it is more than that."""
    names = {MODULE, *old.functions, *new.functions}
    return {name for name in names if old.code_of(name) != new.code_of(name)}


def tools(tree: ast.Module) -> Iterator[Tool]:
    """The tools of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := _tool(node)) is not None:
            first = min(mark.lineno for mark in node.decorator_list) - 1
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            end = node.end_lineno or node.lineno
            yield Tool(name, range(first, end), range(first, body[0].lineno - 1 if body else end))


def remembers(source: str) -> bool:
    """Whether a function keeps what it makes for others, so that nobody sees who else lives by it.

    source: the function alone. Of one that cannot be parsed nobody knows.
    """
    try:
        (function,) = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return True
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    if any(word in ast.unparse(mark).lower() for mark in function.decorator_list for word in _MEMOS):
        return True
    shared = {name for node in ast.walk(function) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    return any(isinstance(node, ast.If) and _makes_what_it_misses(node, shared) for node in ast.walk(function))


def _taken(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    """The function, whose code is then no longer in the tree."""
    has_description = ast.get_docstring(node) is not None
    body = node.body[1:] if has_description else node.body
    end = node.end_lineno or node.lineno
    first = min([body[0].lineno, *_marks(body[0])]) - 1 if body else end
    node.body = node.body[:1] if has_description else []
    return Function(range(first, end), "\n".join(map(ast.dump, body)), _tool(node))


def _marks(node: ast.stmt) -> Iterator[int]:
    """The lines of decorators, which come before what they decorate."""
    for mark in getattr(node, "decorator_list", ()):
        yield mark.lineno


def _tool(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    if not any(map(_is_tool, node.decorator_list)):
        return None
    for mark in node.decorator_list:
        for keyword in mark.keywords if isinstance(mark, ast.Call) else ():
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return node.name


def _is_tool(mark: ast.expr) -> bool:
    called = mark.func if isinstance(mark, ast.Call) else mark
    return (isinstance(called, ast.Attribute) and called.attr == "tool") or (
        isinstance(called, ast.Name) and called.id == "tool"
    )


def _makes_what_it_misses(node: ast.If, shared: set[str]) -> bool:
    """`if it is not there: it = …`, where `it` outlives the function."""
    asked = ast.unparse(node.test)
    for inner in ast.walk(node):
        for target in _targets(inner):
            if isinstance(target, ast.Name) and target.id not in shared:
                continue
            kept = target.value if isinstance(target, ast.Subscript) else target
            attribute = kept.attr if isinstance(kept, ast.Attribute) else None
            if ast.unparse(kept) in asked or (attribute is not None and attribute in asked):
                return True
    return False


def _targets(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets):
            return targets
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [target]
        case _:
            return []

"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import gzip
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taketwo import comparison, conversation, events, graph, run, scenario, span, verdict
from taketwo.value import Value

PACKAGE = Path(inspect.getfile(Value)).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "base", "manager", "service", "misc"}
LONGEST_FUNCTION = 60
LONGEST_MODULE = 600


def definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_named_after_what_is_inside_and_keeps_to_the_house_style(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    problems = []
    if module.stem in FORBIDDEN_NAMES or module.stem.startswith("test_"):
        problems.append(f"a module may not be called {module.stem}")
    if text.count("\n") > LONGEST_MODULE:
        problems.append(f"{text.count(chr(10))} lines: look for the thing that wants a module of its own")
    if text.strip() and ast.get_docstring(tree) is None:
        problems.append("the module has no docstring")
    for node in definitions(tree):
        is_overload = any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
        public = not node.name.startswith("_") and not is_overload
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length > LONGEST_FUNCTION:
            problems.append(f"{node.name} is {length} lines long")
        if public and node in tree.body and ast.get_docstring(node) is None:
            problems.append(f"{node.name} is public and has no docstring")
    assert not problems


def test_no_two_files_of_tests_have_one_name() -> None:
    # pytest imports them by their names alone, and cannot import the second.
    names = sorted(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert not {name for name in names if names.count(name) > 1}


def test_a_capture_that_is_kept_says_nothing_of_the_machine_it_was_made_on() -> None:
    told = re.compile(rb"/(?:root|tmp|work|workspace|Users)/[\w.-]+/[\w./-]+")
    for capture in (Path(__file__).parent / "data").rglob("*.gz"):
        found = told.search(gzip.decompress(capture.read_bytes()))
        assert found is None, f"{capture.name}: {found[0]!r}"


@pytest.mark.parametrize(
    "module", [span, graph, conversation, scenario, run, comparison, verdict, events], ids=lambda m: m.__name__
)
def test_every_field_of_a_travelling_thing_says_what_it_means(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]  # modules are accepted
    undocumented = [
        f"{node.name}.{field.target.id}"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for field, after in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
    assert not undocumented


@pytest.mark.parametrize(
    ("statement", "kept_out"),
    [
        ("import taketwo", {"httpx", "jinja2", "yaml", "google.protobuf", "starlette", "sqlite3", "asyncio"}),
        ("import taketwo.pytest_plugin", {"httpx", "jinja2", "yaml", "google.protobuf", "starlette", "sqlite3"}),
        ("import taketwo.cli.main", {"httpx", "jinja2", "yaml", "google.protobuf", "starlette", "sqlite3", "asyncio"}),
    ],
)
def test_a_door_opens_without_what_it_may_never_need(statement: str, kept_out: set[str]) -> None:
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & kept_out

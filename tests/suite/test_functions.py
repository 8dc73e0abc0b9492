"""The functions of a file: what is told of each, and which keep what they make."""

from __future__ import annotations

import pytest

from taketwo.suite.changed_code import FunctionChange, TextChange, ToolChange, code_changes
from taketwo.suite.diff import FileChange
from taketwo.suite.functions import remembers

DESK = '''
import functools

LIMIT = 3


def outer(x=1):
    """What it is for."""
    def inner():
        return 1

    return inner


class Desk:
    limit = 3

    @property
    def name(self):
        return "desk"

    def say(self, said):
        return [word.upper() for word in said.split()]


@tool(name="pay_back")
def refund(order_id):
    """Pay the money back."""
    return order_id


PROMPT = """Be kind.

Be brief.
"""
'''


def changes(*edits: tuple[str, str]) -> list[object] | None:
    new = DESK
    for before, after in edits:
        assert before in new
        new = new.replace(before, after, 1)
    found = code_changes(FileChange("desk.py", DESK, new))
    return None if found is None else list(found)


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (("return 1", "return 2"), ["outer.<locals>.inner"]),
        (("    return inner", "    inner()\n    return inner"), ["outer"]),
        (('return "desk"', 'return "the desk"'), ["Desk.name"]),
        (("word.upper()", "word.lower()"), ["Desk.say"]),
    ],
)
def test_what_a_function_does_is_told_by_its_qualified_name(edit: tuple[str, str], names: list[str]) -> None:
    assert changes(edit) == [FunctionChange(name) for name in names]


@pytest.mark.parametrize(
    "edit",
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("    limit = 3", "    limit = 4"),
        ("x=1", "x=2"),
        ("What it is for.", "What it is good for."),
        ("    @property\n", ""),
        ("class Desk:", "def more():\n    return 1\n\n\nclass Desk:"),
        ("def say", "async def say"),
        ("    def say", "    def tell"),
    ],
)
def test_what_runs_when_the_file_is_imported_is_the_file_as_a_whole(edit: tuple[str, str]) -> None:
    assert changes(edit) is None


def test_comments_and_other_line_ends_are_no_change_of_the_function_beside_one_that_is() -> None:
    moved = ("return 1", "return (\n            2\n        )"), ("    return inner", "    # as ever\n    return inner")
    assert changes(*moved) == [FunctionChange("outer.<locals>.inner")]


def test_tools_texts_and_functions_are_told_side_by_side() -> None:
    found = changes(
        ("    return order_id", "    return order_id.upper()"), ("Be brief.", "Be short."), ("word.upper", "word.lower")
    )
    assert found is not None
    assert {type(one) for one in found} == {ToolChange, TextChange, FunctionChange}
    assert ToolChange("pay_back", is_seen_by_models=False) in found


@pytest.mark.parametrize(
    "source",
    [
        "@functools.lru_cache(maxsize=None)\ndef f():\n    return make()",
        "@cached_property\ndef f(self):\n    return make()",
        "def f():\n    global one\n    if one is None:\n        one = make()\n    return one",
        "def f(self):\n    if self._one is None:\n        self._one = make()\n    return self._one",
        "def f(self):\n    if not hasattr(self, 'one'):\n        self.one = make()",
        "async def f(key):\n    if key not in ONES:\n        ONES[key] = await make()\n    return ONES[key]",
        "def f(:",
    ],
)
def test_a_function_that_keeps_what_it_makes_is_known(source: str) -> None:
    assert remembers(source)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x=None):\n    if x is None:\n        x = []\n    return x",
        "def f(self):\n    if self.is_open:\n        self.count = 1",
        "@tool\ndef f():\n    return 1",
    ],
)
def test_a_function_that_does_not_is_none(source: str) -> None:
    assert not remembers(source)

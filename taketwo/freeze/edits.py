"""Changes one key of a case in a scenario file, and not a letter of anything else in it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.files import load, put_text, read_text
from taketwo.freeze.format import CaseForm
from taketwo.freeze.typed import keys_of, untyped
from taketwo.freeze.yaml_reader import Mapping as YamlMapping
from taketwo.freeze.yaml_reader import line_of, parse
from taketwo.freeze.yaml_writer import yaml_text
from taketwo.scenario import Scenario
from taketwo.value import Value

ORDER = tuple(keys_of(CaseForm))
"""The keys of a case in the order in which a file has them."""


def edited(text: str, file: str, case_id: str, key: str, value: Value | tuple[Value, ...] | None) -> str:
    """The file's text with this key of this case set, or taken out for None or an empty tuple.

    Comments and the layout of everything else stay. Raises ScenarioUnreadable where the case is not there or is
    written on one line.
    """
    document = parse(text.encode(), file)
    position, case = _case(document, file, case_id)
    lines = text.splitlines(keepends=True)
    indent = _indent(lines, case, file)
    begin, end = _stretch(document, position, case, key, lines, indent)
    made = [f"{indent}{line}\n" if line else "\n" for line in _written(key, value)]
    before = lines[:begin]
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    if begin < end and begin == case.line - 1:
        made = _with_dash(lines[begin], made, indent)
    return "".join([*before, *made, *lines[end:]])


def edit(path: Path, key: str, values: Mapping[str, Any]) -> Scenario:
    """Give a key of some cases of a file new values, by case id; no letter of anything else is touched.

    Raises ScenarioUnreadable, and then the file is as it was; among others where the edited text would not read back
    as the changed scenario.
    """
    before = load(path)
    wanted = before.but(
        cases=tuple(case.but(**{key: values[case.id]}) if case.id in values else case for case in before.cases)
    )
    text = read_text(path)
    for id, value in values.items():
        text = edited(text, str(path), id, key, value)
    put_text(path, text, wanted)
    return wanted


def _case(document: Any, file: str, case_id: str) -> tuple[int, YamlMapping]:
    for position, case in enumerate(document.get("cases", ())):
        if isinstance(case, YamlMapping) and str(case.get("id")) == case_id:
            return position, case
    raise ScenarioUnreadable(f"has no case {case_id!r}", where=file)


def _indent(lines: list[str], case: YamlMapping, file: str) -> str:
    """The blanks before the keys of a case; its first key may stand behind the dash."""
    line = next((number for number in sorted(case.key_lines.values()) if number > case.line), None)
    if line is None or lines[case.line - 1].lstrip().startswith(("- {", "{")):
        raise ScenarioUnreadable(
            "this case is written on one line", where=f"{file}:{case.line}", todo="write one key a line, then try again"
        )
    return lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip(" "))]


def _stretch(
    document: Any, position: int, case: YamlMapping, key: str, lines: list[str], indent: str
) -> tuple[int, int]:
    """Which lines, counted from 0, the key takes up now; none, at the place where it belongs, when it is not there."""
    if key in case.key_lines:
        begin = case.key_lines[key] - 1
    else:
        earlier = [name for name in ORDER[: ORDER.index(key)] if name in case.key_lines]
        begin = _end(document, position, case, case.key_lines[earlier[-1]], lines, indent) if earlier else case.line
        return begin, begin
    return begin, _end(document, position, case, case.key_lines[key], lines, indent)


def _end(document: Any, position: int, case: YamlMapping, line: int, lines: list[str], indent: str) -> int:
    """The line after what a key holds; comments and blank lines before the next key belong to that one."""
    later = [number for number in case.key_lines.values() if number > line]
    cases = document["cases"]
    if later:
        stop = min(later) - 1
    elif position + 1 < len(cases):
        stop = line_of(document, ("cases", position + 1)) - 1
    else:
        after = [number for number in document.key_lines.values() if number > line]
        stop = min(after, default=len(lines) + 1) - 1
    block = lines[line:stop]
    loose = takewhile(lambda text: _is_loose(text, indent), reversed(block))
    return stop - sum(1 for _ in loose)


def _is_loose(text: str, indent: str) -> bool:
    """Whether a line is blank, or a comment that stands no deeper than the keys of the case."""
    bare = text.strip()
    depth = len(text) - len(text.lstrip(" "))
    return not bare or (bare.startswith("#") and depth <= len(indent))


def _written(key: str, value: Value | tuple[Value, ...] | None) -> list[str]:
    if value is None or value == ():
        return []
    plain: Any = [untyped(item) for item in value] if isinstance(value, tuple) else untyped(value)
    return yaml_text({key: plain}).splitlines()


def _with_dash(line: str, made: list[str], indent: str) -> list[str]:
    """The first key of a case stands behind the dash of its item."""
    dash = line[: line.index("-") + 1].ljust(len(indent))
    return [dash + made[0][len(indent) :], *made[1:]] if made else [f"{dash}\n"]

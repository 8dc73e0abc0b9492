"""Scenario files: `save` writes one, `load` reads it back to the letter, `read` says where each case stands, too."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.blobs import fetch_from, pack, unpack
from taketwo.freeze.file_schema import file_schema
from taketwo.freeze.format import CallForm, CaseForm, ScenarioForm
from taketwo.freeze.layout import form_of, scenario_of
from taketwo.freeze.typed import Misplaced, typed, untyped
from taketwo.freeze.upgrades import upgraded
from taketwo.freeze.yaml_reader import Document, line_of, parse
from taketwo.freeze.yaml_writer import yaml_text
from taketwo.scenario import Scenario
from taketwo.value import JSON

SCENARIO_SUFFIXES = (".scenario.yaml", ".scenario.yml")
SUFFIXES = (*SCENARIO_SUFFIXES, ".yaml", ".yml")
NOT_OURS = frozenset({"node_modules", "site-packages", "__pycache__"})
"""Folders that hold other people's files."""
SCHEMA_FILE = "scenario.schema.json"
HEADER = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
"""Tells editors where the JSON Schema lies, so that they complete keys and explain them."""


def save(scenario: Scenario, path: Path | str) -> list[Path]:
    """Write a scenario; gives the files that were written, the scenario's first.

    Long texts go into a folder `<name>.blobs` beside it, the JSON Schema for editors into `scenario.schema.json`. The
    file takes its place whole or not at all, after all that it refers to. Raises ScenarioUnreadable when it cannot be
    written; and before anything is written, when it would not read back exactly: two cases share an id, a time has no
    zone, ….
    """
    path = Path(path)
    beside: dict[str, bytes] = {}
    form = form_of(scenario, lambda content: _keep(content, f"{_stem(path)}.blobs", beside))
    text = HEADER + yaml_text(untyped(form))
    _insist_on_exactness(scenario, text, beside)
    beside[SCHEMA_FILE] = _schema()
    try:
        new = {path.parent / name: body for name, body in beside.items() if not _holds(path.parent / name, body)}
        _write({**new, path: text.encode()})
        return [path, *new]
    except OSError as error:
        raise ScenarioUnreadable(f"cannot be written: {error.strerror}", where=str(path)) from error


class ScenarioFile(NamedTuple):
    """What a file says, and where."""

    scenario: Scenario
    """The scenario."""
    lines: dict[str, int]
    """The line, from 1, at which each case begins, by the case's id."""
    beside: dict[str, tuple[str, ...]]
    """The files that each case refers to, as it names them, by the case's id."""


def load(path: Path | str) -> Scenario:
    """Read a scenario file. Raises ScenarioUnreadable naming file and line."""
    return read(path).scenario


def read(path: Path | str) -> ScenarioFile:
    """Read a scenario file with the places of its cases. Raises ScenarioUnreadable naming file and line."""
    file = str(path)
    document, form = _form(parse(_content(path), file), file)
    try:
        scenario = scenario_of(form, fetch_from(Path(path).resolve().parent))
    except Misplaced as error:
        raise _unreadable(error, document, file) from error
    except RecursionError as error:  # the parser of this file has a limit, that of JSON in the files beside it has not
        raise ScenarioUnreadable("refers to a file that is nested too deep", where=file) from error
    return ScenarioFile(scenario, _lines(document, form), {case.id: tuple(_beside(case)) for case in form.cases})


def scenario_files(folder: Path) -> list[Path]:
    """The scenario files in a folder and below, in order; those of installed packages and of hidden folders aside."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (name.startswith(".") or name in NOT_OURS)]
        found += [Path(place, name) for name in names if name.endswith(SCENARIO_SUFFIXES)]
    return sorted(found)


def read_text(path: Path | str) -> str:
    """The file's text as it is, line ends too. Raises ScenarioUnreadable."""
    try:
        return _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioUnreadable("is not UTF-8", where=str(path), todo="save it as UTF-8") from error


def put_text(path: Path | str, text: str, scenario: Scenario) -> None:
    """Put an edited text in the place of the file's. Raises ScenarioUnreadable where it does not say `scenario`."""
    file = str(path)
    document, form = _form(parse(text.encode(), file), file)
    try:
        again = scenario_of(form, fetch_from(Path(path).resolve().parent))
    except Misplaced as error:
        raise _unreadable(error, document, file) from error
    if again != scenario:
        raise ScenarioUnreadable("cannot be edited in place", where=file, todo="edit it by hand")
    try:
        _write({Path(path): text.encode()})
    except OSError as error:
        raise ScenarioUnreadable(f"cannot be written: {error.strerror}", where=file) from error


def _lines(document: Document, form: ScenarioForm) -> dict[str, int]:
    return {case.id: line_of(document, ("cases", position)) for position, case in enumerate(form.cases)}


def _beside(case: CaseForm) -> Iterator[str]:
    calls = (step for turn in case.turns for step in turn.steps if isinstance(step, CallForm))
    named = (case.agent.system_prompt_file, case.agent.tools_file, *(call.result_file for call in calls))
    yield from dict.fromkeys(name for name in named if name is not None)


def _content(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ScenarioUnreadable(f"cannot be read: {error.strerror}", where=str(path)) from error


def _form(document: Document, file: str) -> tuple[Document, ScenarioForm]:
    """The document in the newest version, and what it describes."""
    try:
        document = upgraded(document)
        return document, typed(document, ScenarioForm)
    except Misplaced as error:
        raise _unreadable(error, document, file) from error


def _unreadable(error: Misplaced, document: Document, file: str) -> ScenarioUnreadable:
    """The error with its place in the file; inside of a case the line says which case it is."""
    path = list(error.path)
    subject = _in_words(path[2:] if path[:1] == ["cases"] and len(path) > 2 else path)
    line = line_of(document, path)
    return ScenarioUnreadable(f"{subject} {error.what}", where=f"{file}:{line}", todo=error.todo)


def _in_words(path: Iterable[str | int]) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return steps.removeprefix(".") or "the file"


@cache
def _schema() -> bytes:
    return f"{json.dumps(file_schema(), indent=1, ensure_ascii=False)}\n".encode()


def _stem(path: Path) -> str:
    return next((path.name.removesuffix(suffix) for suffix in SUFFIXES if path.name.endswith(suffix)), path.name)


def _keep(content: JSON, folder: str, beside: dict[str, bytes]) -> str:
    name, body = pack(content)
    beside[f"{folder}/{name}"] = body
    return f"{folder}/{name}"


def _insist_on_exactness(scenario: Scenario, text: str, beside: dict[str, bytes]) -> None:
    """Read back what would be written, because a test that says something else than it was told is worse than none."""
    name = f"scenario {scenario.name!r}"
    try:
        form = typed(parse(text.encode(), name), ScenarioForm)
        again = scenario_of(form, lambda reference: unpack(PurePosixPath(reference).name, beside[reference]))
    except Misplaced as error:
        raise ScenarioUnreadable(f"{_in_words(error.path)} {error.what}", where=name, todo=error.todo) from error
    if again != scenario:
        place = _first_difference(scenario.to_builtins(), again.to_builtins())
        raise ScenarioUnreadable(f"no file can hold {place} as it is", where=name)


def _first_difference(one: Any, other: Any, place: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = [(one[key], other[key], f"{place}.{key}".removeprefix(".")) for key in one]
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        parts = [(one[position], other[position], f"{place}[{position}]") for position in range(len(one))]
    else:
        return place
    return next((_first_difference(*part) for part in parts if part[0] != part[1]), place)


def _holds(path: Path, body: bytes) -> bool:
    return path.is_file() and path.read_bytes() == body


def _write(files: Mapping[Path, bytes]) -> None:
    """Write all under other names first, so that nobody ever sees half a file, and a full disk leaves none of them.

    They take their places in the order given.
    """
    unfinished: dict[Path, Path] = {}
    try:
        for path, body in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished[path] = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            with unfinished[path].open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        for path, written in unfinished.items():
            written.replace(path)
    finally:
        for written in unfinished.values():
            written.unlink(missing_ok=True)

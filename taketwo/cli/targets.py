"""What a command is to work on: the cases of files, folders and ids, and the agent."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import click

from taketwo.config import Settings
from taketwo.conversation import Conversation
from taketwo.errors import BadSetting, NotFound, ScenarioUnreadable
from taketwo.events import CaseErrored
from taketwo.freeze.files import SCENARIO_SUFFIXES, load, read, scenario_files
from taketwo.freeze.freeze import freeze
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.store import Store
from taketwo.suite.case_ids import each_once
from taketwo.suite.keywords import keywords
from taketwo.suite.selection import Selection, read_shard
from taketwo.suite.suite_case import SuiteCase

ToolScope: TypeAlias = Literal["conversation", "scenario", "project"]
"""Whose recorded calls answer, after the conversation's own."""


def agent_spec_of(given: str | None, here: Settings) -> str:
    """The SPEC of `--agent`, else of the settings. Raises BadSetting where neither names one."""
    spec = given or here.agent
    if spec is None:
        raise BadSetting("no agent to replay against", todo="give --agent SPEC, or set TAKETWO_AGENT")
    return spec


def cases_of(targets: Sequence[str], store: Store, project: str | None) -> Iterator[SuiteCase | CaseErrored]:
    """The cases of files, folders and ids, in the order given; what cannot be read does not keep the others out."""
    yield from each_once(_cases_of(targets, store, project))


def _cases_of(targets: Sequence[str], store: Store, project: str | None) -> Iterator[SuiteCase | CaseErrored]:
    for target in targets:
        path = Path(target)
        if path.is_dir():
            yield from _of_folder(path)
        elif target.endswith(SCENARIO_SUFFIXES):
            yield from _of_file(path)
        elif path.is_file():
            raise BadSetting("is no scenario file", where=target, todo="`taketwo import` it, or name a *.scenario.yaml")
        else:
            yield from _of_conversation(target, store, project)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--tag`, `-k` and `--shard`, given to the command as `selection`."""

    @click.option("--tag", "tags", multiple=True, metavar="WORD", help="Only cases with this tag. May be repeated.")
    @click.option(
        "-k",
        "expression",
        metavar="EXPR",
        help="Only cases that fit, as pytest's -k: `refund and not slow`; a word is a part of the case's id or tags, or"
        " of the name of its scenario or file.",
    )
    @click.option("--shard", metavar="I/N", help="Only the I-th of N parts, the same on every machine.")
    @functools.wraps(command)
    def with_selection(*, tags: tuple[str, ...], expression: str | None, shard: str | None, **given: Any) -> Any:
        words = None if expression is None else keywords(expression)
        return command(selection=Selection(tags, *read_shard(shard), words), **given)

    return with_selection


def conversations_of(targets: Sequence[str], store: Store, project: str | None) -> Iterator[Conversation]:
    """The conversations of files, scenario files and ids, in the order given; without any, all captured ones."""
    if not targets:
        yield from store.conversations(project)
    for target in targets:
        path = Path(target)
        if target.endswith(SCENARIO_SUFFIXES):
            yield from (case.recorded for case in load(path).cases)
        elif path.is_dir():
            files = [str(file) for file in scenario_files(path)]
            yield from conversations_of(files, store, project) if files else ()
        elif path.is_file():
            yield from _of_log(path)
        else:
            yield store.conversation(target, project)


def _of_log(path: Path) -> Iterator[Conversation]:
    from taketwo.capture.imports import read_file

    found = [item for item in read_file(path) if isinstance(item, Conversation)]
    if not found:
        raise BadSetting("holds no conversations", where=str(path), todo="`taketwo import` traces first")
    yield from found


def with_scope(
    cases: Sequence[SuiteCase | CaseErrored], scope: ToolScope, store: Store
) -> list[SuiteCase | CaseErrored]:
    """The cases with the recorded calls that may answer besides their own."""
    if scope == "conversation":
        return list(cases)
    known: dict[str, RecordedCalls] = {}

    def calls_for(case: SuiteCase) -> RecordedCalls:
        name = case.case.recorded.project if scope == "project" else f"{case.file}:{case.scenario}"
        if name not in known:
            found = store.conversations(name) if scope == "project" else _of_scenario(case, cases)
            known[name] = RecordedCalls(found, are_others=True)
        return known[name]

    return [case._replace(scope=calls_for(case)) if isinstance(case, SuiteCase) else case for case in cases]


def readable(cases: Iterable[SuiteCase | CaseErrored]) -> list[SuiteCase]:
    """The cases. Raises BadSetting for the first that cannot be read."""
    found = []
    for one in cases:
        if isinstance(one, CaseErrored):
            raise BadSetting(one.error)
        found.append(one)
    return found


def controlled(cases: Iterable[SuiteCase | CaseErrored], journal: Path | None) -> list[SuiteCase | CaseErrored]:
    """The cases with what the unchanged agent did today as their floor. journal: of `taketwo canary`."""
    from taketwo.suite.canary import case_key, read_controls, with_control

    controls, at = [] if journal is None else read_controls(journal), datetime.now(UTC)

    def put(one: SuiteCase) -> SuiteCase:
        return one._replace(case=with_control(one.case, case_key(one.file, one.case.id), controls, at))

    return [put(one) if isinstance(one, SuiteCase) else one for one in cases]


def _of_scenario(case: SuiteCase, cases: Sequence[SuiteCase | CaseErrored]) -> Iterator[Conversation]:
    for other in cases:
        if isinstance(other, SuiteCase) and (other.file, other.scenario) == (case.file, case.scenario):
            yield other.case.recorded


def _of_folder(folder: Path) -> Iterator[SuiteCase | CaseErrored]:
    files = scenario_files(folder)
    if not files:
        raise NotFound("no *.scenario.yaml in this folder", where=str(folder), todo="`taketwo freeze` makes them")
    for file in files:
        yield from _of_file(file)


def _of_file(path: Path) -> Iterator[SuiteCase | CaseErrored]:
    try:
        found = read(path)
    except ScenarioUnreadable as error:
        yield CaseErrored(name=path.name, error=str(error), file=str(path))
        return
    for case in found.scenario.cases:
        yield SuiteCase(case=case, scenario=found.scenario.name, file=str(path), line=found.lines[case.id])


def _of_conversation(id: str, store: Store, project: str | None) -> Iterator[SuiteCase | CaseErrored]:
    try:
        scenario = freeze([store.conversation(id, project)], name=id, at=datetime.now(UTC))
    except (NotFound, ScenarioUnreadable) as error:
        yield CaseErrored(name=id, error=str(error))
        return
    yield from (SuiteCase(case=case, scenario=case.recorded.id) for case in scenario.cases)

"""What a command is to work on: the cases of files, folders and ids, and the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from taketwo.config import Settings
from taketwo.errors import BadSetting, NotFound, ScenarioUnreadable
from taketwo.events import CaseErrored
from taketwo.freeze.files import load, locate
from taketwo.freeze.freeze import freeze
from taketwo.store import Store
from taketwo.suite.runner import SuiteCase

SUFFIXES = (".scenario.yaml", ".scenario.yml")


def agent_spec_of(given: str | None, here: Settings) -> str:
    """The SPEC of `--agent`, else of the settings. Raises BadSetting where neither names one."""
    spec = given or here.agent
    if spec is None:
        raise BadSetting("no agent to replay against", todo="give --agent SPEC, or set TAKETWO_AGENT")
    return spec


def cases_of(targets: Sequence[str], store: Store, project: str | None) -> Iterator[SuiteCase | CaseErrored]:
    """The cases of files, folders and ids, in the order given; what cannot be read does not keep the others out."""
    for target in targets:
        path = Path(target)
        if path.is_dir():
            yield from _of_folder(path)
        elif target.endswith(SUFFIXES):
            yield from _of_file(path)
        elif path.is_file():
            raise BadSetting("is no scenario file", where=target, todo="`taketwo import` it, or name a *.scenario.yaml")
        else:
            yield from _of_conversation(target, store, project)


def _of_folder(folder: Path) -> Iterator[SuiteCase | CaseErrored]:
    files = sorted(file for file in folder.rglob("*") if file.name.endswith(SUFFIXES))
    if not files:
        raise NotFound("no *.scenario.yaml in this folder", where=str(folder), todo="`taketwo freeze` makes them")
    for file in files:
        yield from _of_file(file)


def _of_file(path: Path) -> Iterator[SuiteCase | CaseErrored]:
    try:
        scenario, lines = load(path), locate(path)
    except ScenarioUnreadable as error:
        yield CaseErrored(name=path.name, error=str(error), file=str(path))
        return
    for case in scenario.cases:
        yield SuiteCase(case=case, scenario=scenario.name, file=str(path), line=lines[case.id])


def _of_conversation(id: str, store: Store, project: str | None) -> Iterator[SuiteCase | CaseErrored]:
    try:
        scenario = freeze([store.conversation(id, project)], name=id, at=datetime.now(UTC))
    except (NotFound, ScenarioUnreadable) as error:
        yield CaseErrored(name=id, error=str(error))
        return
    yield from (SuiteCase(case=case, scenario=case.recorded.id) for case in scenario.cases)

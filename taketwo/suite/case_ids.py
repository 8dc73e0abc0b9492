"""Which file of a run gives which case id: results of two cases with one id would be mixed up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from taketwo.errors import ScenarioUnreadable
from taketwo.events import CaseErrored
from taketwo.suite.suite_case import SuiteCase


class CaseIds:
    """The ids that are taken, and by which file."""

    def __init__(self) -> None:
        """None is taken yet."""
        self._taken: dict[str, SuiteCase] = {}

    def is_new(self, one: SuiteCase) -> bool:
        """Whether no case before it, in this file or another, has its id; from now on it is taken."""
        return self._taken.setdefault(one.case.id, one) is one

    def clash(self, one: SuiteCase) -> CaseErrored | None:
        """That another file has given the id before; None where this very case has."""
        first = self._taken[one.case.id]
        if Path(str(first.file)).resolve() == Path(str(one.file)).resolve():
            return None
        error = ScenarioUnreadable(
            f"the id {one.case.id!r} is that of {first.file}:{first.line}, too",
            where=f"{one.file}:{one.line}",
            todo="give one of them another",
        )
        return CaseErrored(name=one.case.id, error=str(error), file=one.file, line=one.line)


def each_once(cases: Iterable[SuiteCase | CaseErrored]) -> Iterator[SuiteCase | CaseErrored]:
    """A case that several targets name is one; an id that two files give is told."""
    ids = CaseIds()
    for one in cases:
        if isinstance(one, CaseErrored) or one.file is None or ids.is_new(one):
            yield one
        elif (clash := ids.clash(one)) is not None:
            yield clash

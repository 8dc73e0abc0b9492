"""Which cases of a suite are meant: by tag, by words, by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from taketwo.errors import BadSetting
from taketwo.events import CaseErrored
from taketwo.suite.keywords import Matches
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import content_hash


class Selection(NamedTuple):
    """Which of the cases are meant."""

    tags: tuple[str, ...] = ()
    """Only cases with one of these; all where there are none."""
    part: int = 1
    """Which part, from 1."""
    parts: int = 1
    """Of how many. A case is always in the same part, whatever other cases there are."""
    words: Matches | None = None
    """What is asked of a case's id and tags, its scenario and its file; None for nothing."""

    def of(self, cases: Iterable[SuiteCase | CaseErrored]) -> Iterator[SuiteCase | CaseErrored]:
        """Those that are meant; what cannot be read is told by the first part."""
        for one in cases:
            if isinstance(one, SuiteCase):
                if self.means(one):
                    yield one
            elif self.part == 1:
                yield one

    def means(self, one: SuiteCase) -> bool:
        """Whether this case is among them."""
        is_tagged = not self.tags or bool(set(self.tags) & set(one.case.tags))
        return is_tagged and self._is_of_part(one) and (self.words is None or self.words(_names(one)))

    def _is_of_part(self, one: SuiteCase) -> bool:
        name = f"{Path(one.file).name if one.file else ''}::{one.case.id}"
        return self.parts == 1 or int(content_hash(name)[:12], 16) % self.parts == self.part - 1


def _names(one: SuiteCase) -> set[str]:
    file = "" if one.file is None else Path(one.file).name
    return {name.lower() for name in (one.case.id, one.scenario, file, *one.case.tags)}


def read_shard(text: str | None) -> tuple[int, int]:
    """`2/5` as (2, 5); all in one part for None. Raises BadSetting."""
    if text is None:
        return 1, 1
    part, _, parts = text.partition("/")
    if not (part.isascii() and part.isdigit() and parts.isascii() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise BadSetting(f"there is no part {text!r}", where="--shard", todo="use I/N, such as 2/5")
    return int(part), int(parts)

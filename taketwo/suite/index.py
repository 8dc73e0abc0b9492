"""The index of kept cases: why each exists, who answers for it and until when, what does not count, and its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.files import ScenarioFile, read
from taketwo.scenario import Case, Kept
from taketwo.value import Value
from taketwo.voice.recordings import AUDIO_FOLDER, names_of

Demand: TypeAlias = Literal["why", "incident", "kept-by", "owner", "review"]
"""What may be asked of every case: that it says so; and, of its review, that the day is not past."""


class Entry(Value):
    """One kept case."""

    file: str
    """The scenario file."""
    line: int
    """Line of the case in it, from 1."""
    scenario: str
    """Name of the scenario."""
    case_id: str
    """The case."""
    why: str | None
    """Why it exists; None where nobody has said."""
    tags: tuple[str, ...]
    """Words to select it by."""
    kept: Kept
    """Who answers for it, and whether it counts."""
    is_due: bool
    """Whether its review date is past."""
    is_synthetic: bool
    """Whether it was made from a recorded one."""
    recorded_at: datetime | None
    """When its conversation took place, UTC; None where that is not known."""
    frozen_at: datetime | None
    """When it was kept, UTC; None where that is not known."""
    turns: int
    """How many turns its conversation has."""
    expectations: int
    """How many things must or must not happen; with none, a person looks at what changed."""
    files: tuple[str, ...]
    """Files beside the scenario that it needs: long texts, recordings."""


class Index(Value):
    """Every case of some scenario files."""

    today: date
    """The day for which it says what is due."""
    cases: tuple[Entry, ...] = ()
    """By file and line."""
    unreadable: tuple[str, ...] = ()
    """One line for each file that cannot be read: where, what, what to do."""
    unused: tuple[str, ...] = ()
    """Files of long texts that no case refers to any more."""


def index(files: Iterable[Path], today: date) -> Index:
    """What stands in these scenario files."""
    entries: list[Entry] = []
    unreadable: list[str] = []
    beside: list[Path] = []
    for path in files:
        try:
            found = read(path)
        except ScenarioUnreadable as error:
            unreadable.append(str(error))
            continue
        entries += [_entry(path, found, case, today) for case in found.scenario.cases]
        beside += [path.parent / name for names in found.beside.values() for name in names]
    unused = () if unreadable else _unused(beside)  # what cannot be read may refer to anything
    return Index(today=today, cases=tuple(entries), unreadable=tuple(unreadable), unused=tuple(unused))


def shortcomings(entry: Entry, demands: Iterable[Demand]) -> Iterator[str]:
    """What an entry does not say of what is demanded, in words."""
    for demand in demands:
        match demand:
            case "why":
                yield from () if entry.why else ["does not say why it exists"]
            case "incident":
                yield from () if entry.kept.incident else ["names no incident"]
            case "kept-by":
                yield from () if entry.kept.by else ["does not say who kept it"]
            case "owner":
                yield from () if entry.kept.owner else ["has no owner"]
            case "review":
                yield from [f"was to be reviewed by {entry.kept.review_on}"] if entry.is_due else ()
            case _:
                assert_never(demand)


def _entry(path: Path, found: ScenarioFile, case: Case, today: date) -> Entry:
    recordings = FolderBlobs(path.parent / AUDIO_FOLDER)
    heard = [file for name in names_of(case.recorded) if (file := recordings.file(name)) is not None]
    return Entry(
        file=str(path),
        line=found.lines[case.id],
        scenario=found.scenario.name,
        case_id=case.id,
        why=case.why,
        tags=case.tags,
        kept=case.kept,
        is_due=case.kept.is_due(today),
        is_synthetic=case.origin.kind == "synthetic",
        recorded_at=case.origin.recorded_at,
        frozen_at=case.origin.frozen_at,
        turns=len(case.recorded.turns),
        expectations=len(case.expected),
        files=(*(str(path.parent / name) for name in found.beside[case.id]), *map(str, heard)),
    )


def _unused(beside: Sequence[Path]) -> Iterator[str]:
    """What lies in the folders of these files and is none of them."""
    used = {file.resolve() for file in beside}
    for folder in sorted({file.parent for file in beside}):
        yield from sorted(str(file) for file in folder.iterdir() if file.is_file() and file.resolve() not in used)

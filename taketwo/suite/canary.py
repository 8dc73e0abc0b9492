"""The same cases replayed on a schedule with no change: what moves above the floor then is the provider's doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from errno import ENOSPC
from os import strerror
from pathlib import Path
from typing import Final

import msgspec

from taketwo.errors import BadSetting
from taketwo.scenario import Case, Floor, FloorChange
from taketwo.stats.groups import fisher
from taketwo.suite.floor import ALPHA
from taketwo.value import Value

DAY: Final = timedelta(hours=24)
"""So long a control stands for its day."""


class Control(Value):
    """One round of the unchanged agent."""

    at: datetime
    """When, UTC."""
    agent: str
    """SPEC of the agent."""
    floors: dict[str, Floor]
    """What each case showed, by `FILE::CASE`."""


class Moved(Value):
    """Something that the unchanged agent does more often than it used to."""

    case: str
    """The case, as `FILE::CASE`."""
    what: str
    """In words, with both counts."""
    p: float
    """How likely so much is if nothing has moved."""


def case_key(file: str | None, case_id: str) -> str:
    """How a control names a case: by the file's name, so that the folder it is run from makes no difference."""
    return f"{Path(file or '').name}::{case_id}"


def read_controls(journal: Path) -> list[Control]:
    """The rounds so far, the oldest first; none where there is no journal. Raises BadSetting naming file and line."""
    if not journal.is_file():
        return []
    found = []
    for number, line in enumerate(journal.read_bytes().splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Control))
        except msgspec.DecodeError as error:
            raise BadSetting(f"is no round of a canary: {error}", where=f"{journal}:{number}") from error
    return found


def keep_control(journal: Path, control: Control) -> None:
    """Add a round to the journal; where there is no room for it, the journal stays as it was. Raises BadSetting."""
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("ab", buffering=0) as file:
            before = file.tell()
            line = control.to_json() + b"\n"
            if file.write(line) != len(line):
                file.truncate(before)
                raise OSError(ENOSPC, strerror(ENOSPC))
    except OSError as error:
        raise BadSetting(f"cannot be written: {error.strerror}", where=str(journal)) from error


def usual_floors(cases: Mapping[str, Case], earlier: Sequence[Control], agent: str, at: datetime) -> dict[str, Floor]:
    """How each case usually is: by its own floor where that still counts, else by the earlier rounds together."""
    found: dict[str, Floor] = {}
    for key, case in cases.items():
        rounds = [one.floors[key] for one in earlier if one.agent == agent and key in one.floors]
        if case.floor is not None and case.floor.agent == agent and case.floor.expires_at > at:
            found[key] = case.floor
        elif rounds:
            found[key] = _together(rounds)
    return found


def moved(today: Mapping[str, Floor], usual: Mapping[str, Floor]) -> list[Moved]:
    """What comes more often than it used to, beyond chance, over all that was looked at."""
    looked = [one for key, floor in today.items() if key in usual for one in _looks(key, floor, usual[key])]
    return sorted((one for one in looked if one.p <= ALPHA / len(looked)), key=lambda one: one.p)


def with_control(case: Case, key: str, controls: Iterable[Control], at: datetime) -> Case:
    """The case with the newest control of the last 24 hours as its floor; as it is where there is none."""
    for control in sorted(controls, key=lambda one: one.at, reverse=True):
        if timedelta(0) <= at - control.at <= DAY and key in control.floors:
            return case.but(floor=control.floors[key])
    return case


def _looks(key: str, today: Floor, usual: Floor) -> Iterable[Moved]:
    failed, failed_before = today.runs - today.passed, usual.runs - usual.passed
    yield Moved(
        case=key,
        what=f"fails in {failed} of {today.runs} replays, before in {failed_before} of {usual.runs}",
        p=fisher(failed, today.runs, failed_before, usual.runs),
    )
    before = {(change.kind, change.tool, change.turn): change.seen for change in usual.changes}
    for change in today.changes:
        seen = before.get((change.kind, change.tool, change.turn), 0)
        about = "" if change.tool is None else f" of {change.tool}"
        place = "" if change.turn is None else f" in turn {change.turn}"
        often = f"in {change.seen} of {today.runs} replays, before in {seen} of {usual.runs}"
        yield Moved(
            case=key,
            what=f"{change.kind}{about}{place} {often}",
            p=fisher(change.seen, today.runs, seen, usual.runs),
        )


def _together(floors: Sequence[Floor]) -> Floor:
    seen = Counter[tuple[str, str | None, int | None]]()
    for floor in floors:
        for change in floor.changes:
            seen[change.kind, change.tool, change.turn] += change.seen
    changes = [FloorChange(kind=kind, tool=tool, turn=turn, seen=times) for (kind, tool, turn), times in seen.items()]
    return floors[-1].but(
        runs=sum(floor.runs for floor in floors),
        passed=sum(floor.passed for floor in floors),
        changes=tuple(changes),
    )

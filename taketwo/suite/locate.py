"""Where a failure sits: the shortest conversation, the revision, the turn; each look is a replay of one case."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from taketwo.compare.likeness import step_key
from taketwo.conversation import Call
from taketwo.errors import BadSetting, TakeTwoError
from taketwo.events import CaseErrored, CaseFinished
from taketwo.freeze.shrink import RESULTS, WHOLE_TURNS, BudgetSpent, Shrunk, shrink
from taketwo.replay.agents import Agent
from taketwo.scenario import Case
from taketwo.stats.noisy import Bisection, FirstBad, Look, surely
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.value import Value, content_hash
from taketwo.verdict import CaseResult, Verdict

ERROR = 0.0005
"""How often a smaller case may be taken for failing, or for not failing, by chance."""
ENOUGH = 0.97
"""A first bad version that is so likely is believed."""


class Journal:
    """What was found out so far, kept in a file line by line, so that a search that was broken off goes on."""

    def __init__(self, path: Path | None) -> None:
        """path: None keeps it in memory only. Raises BadSetting for a file that is no journal."""
        self._path = path
        self.known: dict[str, list[bool | None]] = {}
        if path is not None and path.exists():
            try:
                for line in path.read_text(encoding="utf-8").splitlines():
                    entry = json.loads(line)
                    self.known.setdefault(entry["key"], []).append(entry["fails"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BadSetting("is no journal of a search", where=str(path), todo="name another file") from error

    def note(self, key: str, fails: bool | None) -> None:
        """Keep one finding."""
        self.known.setdefault(key, []).append(fails)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "fails": fails}) + "\n")


async def replayed(suite_case: SuiteCase, agent: Agent, **how: object) -> CaseResult:
    """The result of one case. Raises TakeTwoError when it could not be replayed."""
    async for event in run_suite([suite_case], agent, **how):  # type: ignore[arg-type]  # the caller's own arguments
        if isinstance(event, CaseErrored):
            raise TakeTwoError(event.error)
        if isinstance(event, CaseFinished):
            return event.result
    raise TakeTwoError("the replay was stopped", where=suite_case.case.id)


class Shortest(NamedTuple):
    """The shortest case that fails, and what keeps it a test."""

    shrunk: Shrunk
    """What is left, and what was left out."""
    kept: tuple[str, ...] = ()
    """Parts that the failure does not need and that are there all the same, as an agent that passes may read them."""
    unanswered: tuple[Call, ...] = ()
    """Calls whose answers went with their turns: an agent that makes them comes to no conclusion."""


async def shortest(
    one: SuiteCase,
    agent: Agent,
    passing: Agent | None,
    *,
    noise: float,
    most_runs: int,
    journal: Journal,
    **how: object,
) -> Shortest:
    """The shortest case that this agent still fails.

    passing: an agent that a shorter case must still let pass, so that it tells the two apart; without it the results of
    tools stay whole. noise: how often one replay says the opposite of the truth. most_runs: replays in all.
    how: further arguments of `run_suite`.
    Raises BadSetting for a case that does not fail to begin with, or that the other agent does not pass.
    """
    case, search = one.case, _Search(one, journal, noise=noise, most_runs=most_runs, how=how)

    async def still_fails(candidate: Case) -> bool:
        if await search.fails(candidate, agent) is not True:
            return False
        return passing is None or await search.fails(candidate, passing, "against ") is False

    try:
        if await search.fails(case, agent) is not True:
            raise BadSetting("this case does not fail, so there is nothing to shorten", where=case.id)
        if passing is not None and (failed := await search.fails(case, passing, "against ")) is not False:
            came = "fails" if failed else "comes to no conclusion"
            raise BadSetting(
                f"the agent that should pass this case {came}", where=case.id, todo="name one that passes: --against"
            )
    except BudgetSpent:
        raise BadSetting("too few replays to tell whether the case fails at all", where="most runs") from None
    if passing is not None:
        return Shortest(await shrink(case, still_fails))
    found = await shrink(case, still_fails, WHOLE_TURNS)
    if not found.is_minimal:
        return Shortest(found, (), _unanswered(case, found.case))
    beside = await shrink(found.case, still_fails, RESULTS)
    return Shortest(found.but(tests=found.tests + beside.tests), beside.removed, _unanswered(case, found.case))


class _Search:
    """Replays that the journal remembers, within one budget."""

    def __init__(
        self, one: SuiteCase, journal: Journal, *, noise: float, most_runs: int, how: Mapping[str, object]
    ) -> None:
        self._one, self._journal, self._how = one, journal, how
        self._noise, self._left = noise, most_runs

    async def fails(self, case: Case, agent: Agent, role: str = "") -> bool | None:
        """Whether the agent fails the case, for sure; None where nothing can be told. Raises BudgetSpent.

        role: tells two agents of one name apart, such as `prompt:` with and without a change.
        """
        key = f"{role}{agent.spec} {content_hash(case.to_json())}"
        if known := self._journal.known.get(key, []):
            return known[0]

        async def once() -> bool | None:
            if self._left <= 0:
                raise BudgetSpent
            self._left -= 1
            result = await replayed(self._one._replace(case=case), agent, **self._how)
            return {"fail": True, "inconclusive": None}.get(result.verdict.kind, False)

        fails = await surely(once, noise=self._noise, error=ERROR)
        self._journal.note(key, fails)
        return fails


def _unanswered(whole: Case, left: Case) -> tuple[Call, ...]:
    there = {step_key(call) for _, _, call in left.recorded.calls()}
    gone = {step_key(call): call for _, _, call in whole.recorded.calls()}
    return tuple(call for key, call in gone.items() if key not in there)


class Step(NamedTuple):
    """One version that was looked at."""

    version: int | None
    """Which one, from 0; None for what the journal tells."""
    looks: tuple[bool | None, ...]
    """What each replay said: fails, does not, or no conclusion."""
    so_far: FirstBad
    """What is known after it."""


async def first_bad(
    count: int,
    look: Callable[[int], Awaitable[list[bool | None]]],
    *,
    noise: float,
    most: int,
    key: Callable[[int], str],
    journal: Journal,
) -> AsyncIterator[Step]:
    """Look at versions until the first bad one is known, or `most` were looked at; yields each step.

    look: replays a version a few times. key: a version's name in the journal.
    """
    search = Bisection(count, noise=noise)
    known = [Look(index=index, is_bad=one) for index in range(count) for one in journal.known.get(key(index), [])]
    search.learn(known)
    if any(look.is_bad is not None for look in known):
        yield Step(None, (), search.found)
    for _ in range(most):
        version = search.next_look()
        if search.found.probability >= ENOUGH or version is None:
            return
        looks = await look(version)
        for one in looks or [None]:
            journal.note(key(version), one)
        search.learn([Look(index=version, is_bad=one) for one in looks or [None]])
        yield Step(version, tuple(looks), search.found)


class ForkPoint(Value):
    """What comes of it when the agent acts from one turn on."""

    from_turn: int
    """The first turn in which it acts, from 1."""
    verdict: Verdict
    """What came of it."""
    runs: int
    """How many replays that took."""


class ForkJournal:
    """The points that are known, kept in a file line by line, so that a map that was broken off goes on."""

    def __init__(self, path: Path | None) -> None:
        """path: None keeps nothing. Raises BadSetting for a file that is no such journal."""
        self._path = path
        self._known: dict[tuple[str, int], ForkPoint] = {}
        if path is not None and path.exists():
            try:
                for line in path.read_text(encoding="utf-8").splitlines():
                    entry = _Kept.from_json(line)
                    self._known[entry.case, entry.point.from_turn] = entry.point
            except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
                raise BadSetting("is no journal of a fork map", where=str(path), todo="name another file") from error

    def known(self, case: str, from_turn: int) -> ForkPoint | None:
        """What came of it before. case: as `_key` names it."""
        return self._known.get((case, from_turn))

    def note(self, case: str, point: ForkPoint) -> None:
        """Keep a point."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(_Kept(case=case, point=point).to_json() + b"\n")


class _Kept(Value):
    """A line of the journal."""

    case: str
    """The case, by its content."""
    point: ForkPoint
    """What is known of it."""


async def fork_map(
    one: SuiteCase, agent: Agent, *, most_runs: int | None, journal: ForkJournal, **how: object
) -> AsyncIterator[ForkPoint]:
    """Replay a case from each of its turns on, with the recorded ones before it held.

    most_runs: no further turn is begun once there were so many replays; None for no such limit. What the journal knows
    takes none. how: arguments of `run_suite`.
    """
    case, runs = f"{agent.spec} {content_hash(one.case.to_json())}", 0
    for number in range(1, len(one.case.recorded.turns) + 1):
        if (point := journal.known(case, number)) is None:
            if most_runs is not None and runs >= most_runs:
                return
            result = await replayed(one._replace(from_turn=number), agent, **how)
            point = ForkPoint(from_turn=number, verdict=result.verdict, runs=len(result.attempts))
            journal.note(case, point)
            runs += point.runs
        yield point

"""Cases + agent ─► events: replays every case, compares, checks, decides, and tells what happens while it does."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

from taketwo.compare.severity import TABLE, Weight
from taketwo.evals.evaluator import Evaluator
from taketwo.events import CaseFinished, Event
from taketwo.replay.agents import Agent
from taketwo.replay.engine import DEFAULT_LIMITS, Limits
from taketwo.replay.stand_in import StandIn
from taketwo.replay.tools import DEFAULT_POLICY as DEFAULT_TOOLS
from taketwo.replay.tools import ToolPolicy
from taketwo.replay.user_side import DEFAULT_USERS, Users
from taketwo.suite.case_result import Rules
from taketwo.suite.decide import DEFAULT_POLICY, Policy
from taketwo.suite.open_case import Terms
from taketwo.suite.repeats import Repeats
from taketwo.suite.side_process import SideProcess
from taketwo.suite.suite_case import SuiteCase
from taketwo.suite.tally import ResultStore, Tally
from taketwo.suite.work import Work, has_background

CONCURRENCY = 20
"""How many replays run at a time unless told otherwise."""
WORTH_A_PROCESS = 500
"""From so many replays on, of which many go on at a time, a process beside this one judges them and writes the results;
fewer are judged before it has started. In one of several jobs there is none, as the others have the cores."""

GARBAGE_THRESHOLDS = (200_000, 20, 50)
"""As `gc.set_threshold` takes them; Python's own begin at some hundred objects."""


async def run_suite(
    cases: Iterable[SuiteCase],
    agent: Agent,
    *,
    concurrency: int = CONCURRENCY,
    repeat: int | Repeats = 1,
    against: Agent | None = None,
    policy: Policy = DEFAULT_POLICY,
    limits: Limits = DEFAULT_LIMITS,
    tools: ToolPolicy = DEFAULT_TOOLS,
    stand_in: StandIn | None = None,
    users: Users = DEFAULT_USERS,
    evaluators: Sequence[Evaluator] = (),
    severities: Mapping[str, Weight] = TABLE,
    store: ResultStore | None = None,
    suite_id: str | None = None,
    stop: asyncio.Event | None = None,
    among: int | None = None,
    done: Sequence[CaseFinished] = (),
    cores: int | None = None,
    looks_ahead: bool = True,
) -> AsyncIterator[Event]:
    """Replay every case `repeat` times against the agent, and yield what happens: results as they are ready.

    repeat: a number, or how long to look for evidence; the chance of a false alarm is kept over the whole suite.
    against: the old agent, replayed as often as the new one; what it does as well is no regression.
    concurrency: how many replays run at a time; the attempts of one case count as several.
    evaluators: judgements besides the cases' own expectations.
    severities: how grave each difference is, as `severity_table` makes it.
    store, suite_id: where results are kept, under which name; they are on disk when `SuiteFinished` comes.
    stop: once set, nothing new begins, what runs ends at once, and `SuiteFinished` tells of what was done before.
    among: how many cases the whole suite has, where these are a part of it; None where they are the whole.
    done: cases of the suite besides these, of which all is known; they are told first.
    cores: how many cores there are to use; None for all that this process may use.
    looks_ahead: whether many at a time may be asked for before they can begin: as many again as are replayed.

    Whatever keeps a case from being replayed is a `CaseErrored`; nothing is raised for one case. What is kept in memory
    does not grow with the number of cases, if `cases` has a length and makes its items when they are asked for.
    """
    known = cases if isinstance(cases, Collection) else list(cases)
    in_all = len(known) + len(done)
    repeats = (Repeats(most=repeat) if isinstance(repeat, int) else repeat).for_one_of(among or in_all)
    rules = Rules(policy=policy, repeats=repeats, against=None if against is None else against.spec)
    workers = min(concurrency, len(known) * repeats.most)
    terms = Terms(agent, against, rules, limits, tools, stand_in, users, evaluators, severities, stop)
    tally = Tally(store, suite_id)
    is_worth_it = among is None and (cores or _cores()) > 1 and len(known) * repeats.most >= WORTH_A_PROCESS
    side = _side_process(terms, store, tally.suite_id) if is_worth_it and has_background(workers, terms) else None
    with collecting_rarely(), side or nullcontext():
        yield tally.started(agent.spec, in_all)
        for event in tally.adding(done):
            yield event
        work = Work(known, terms, workers, side=side, looks_ahead=looks_ahead)
        async with beside(work.do_all()):
            while (told := await work.results.get()) is not None:
                tally.add(told.event, is_kept=told.is_kept)
                yield told.event
        if side is not None:
            await side.all_kept()
        yield await tally.finished(cancelled=work.was_cut_short)


def _side_process(terms: Terms, store: ResultStore | None, suite_id: str) -> SideProcess:
    from taketwo.store.tables import TableStore  # who has no such store need not load it

    return SideProcess(terms.severities, terms.rules, store if isinstance(store, TableStore) else None, suite_id)


def _cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        return os.cpu_count() or 1


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let Python look for circular garbage more rarely while many replays are going on.

    A thousand of them keep a million objects alive, and walking through those again and again takes a quarter of all
    time. What is thrown away here has no circles, so it is freed at once all the same.
    """
    before = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let work go on beside the block; it ends with the block, however that is left."""
    leaving: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        everything = group.create_task(work)
        try:
            yield
        except (Exception, GeneratorExit) as error:
            # Not through the task group, which would wrap it in a group of exceptions.
            leaving = error
        everything.cancel()
    if leaving is not None:
        raise leaving

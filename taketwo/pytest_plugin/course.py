"""What a session takes from earlier runs and leaves to later ones, what it may take, and what comes first."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.events import CaseFinished
from taketwo.pytest_plugin.setup import Setup, setup_of
from taketwo.suite import plan
from taketwo.suite.budget import Budget, Spending, read_budget
from taketwo.suite.cache import Agents, Cache, revision
from taketwo.suite.history import seen_at
from taketwo.suite.memory import Memory
from taketwo.suite.order import in_order
from taketwo.suite.revision import project_root
from taketwo.suite.settings_key import settings_key, why_not_cached
from taketwo.verdict import CaseResult

if TYPE_CHECKING:
    from taketwo.suite.suite_case import SuiteCase

REVISION = "TAKETWO_REVISION"
"""Environment variable that names the commit that is replayed."""
GO_ON = "go on with it: the same command with --taketwo-resume"


class _Item(Protocol):
    """A test that has a case."""

    suite_case: SuiteCase


Item = TypeVar("Item", bound=_Item)


class Course:
    """How one process of a session goes about its cases."""

    def __init__(self, cache: Cache | None, agents: Agents, budget: Budget, trouble: str | None) -> None:
        """cache: what is known of earlier runs; None where nothing can be kept, with the reason as trouble."""
        self._cache = cache
        self._agents = agents
        self._spending = Spending(budget, time.monotonic)
        self._said: list[str] = [] if trouble is None else [trouble]
        self._has_replayed = False

    @property
    def notes(self) -> list[str]:
        """What is to be said of it at the end."""
        note = None if self._cache is None or not self._has_replayed else self._cache.note
        return self._said if note is None else [*self._said, note]

    def touched(self, cases: Sequence[SuiteCase], ref: str) -> set[int]:
        """The cases, by identity, that may be touched by what was changed since `ref`. Raises BadSetting."""
        if self._cache is None:  # of which the notes tell
            return {id(one) for one in cases}
        chosen, said = plan.narrowed(cases, self._cache, self._agents, ref)
        self._said.append("\n  ".join(said))
        return {id(one) for one in chosen}

    def in_order(self, items: Sequence[Item]) -> list[Item]:
        """What is likely to fail comes first."""
        if (cache := self._cache) is None:
            return list(items)
        return in_order(items, lambda item: cache.past(item.suite_case), lambda item: cache.is_new(item.suite_case))

    def found(self, one: SuiteCase) -> CaseFinished | None:
        """Its result, where a replay would give it again."""
        return None if self._cache is None else self._cache.find(one)

    def why_no_more(self) -> str | None:
        """Why no further case may begin; None where one may."""
        return self._spending.why_no_more()

    def not_run(self, one: SuiteCase, why: str) -> CaseFinished:
        """What is to be told of a case that was not begun."""
        return CaseFinished(case=one.case, result=plan.not_run(one, why, GO_ON))

    def keep(self, one: SuiteCase, result: CaseResult) -> CaseResult:
        """A case was replayed; gives the result with where it was green and red before."""
        self._has_replayed = True
        self._spending.add(result)
        return result if self._cache is None else self._cache.keep(one, result)

    def end(self) -> None:
        """No more comes from this process; others of the session may go on."""
        if self._cache is not None:
            self._cache.end(is_done=False)


_COURSE = pytest.StashKey[Course]()
_SESSION = pytest.StashKey[str]()


def course_of(config: pytest.Config) -> Course:
    """Opened once a session, before the agent is imported. Raises BadSetting."""
    if _COURSE not in config.stash:
        config.stash[_COURSE] = _opened(config, setup_of(config))
    return config.stash[_COURSE]


def course_so_far(config: pytest.Config) -> Course | None:
    """None where no case was found."""
    return config.stash.get(_COURSE, None)


def session_of(config: pytest.Config) -> str:
    """The name of the session, which all workers of pytest-xdist have in common."""
    worker = getattr(config, "workerinput", None)
    return str(worker["testrunuid"]) if worker else config.stash.setdefault(_SESSION, secrets.token_hex(8))


def memory_of(config: pytest.Config, session: str) -> Memory:
    """What is remembered of the project's suites. Raises StoreUnavailable."""
    return Memory(project_root(config.rootpath), session=session)


def _opened(config: pytest.Config, setup: Setup) -> Course:
    agents = Agents((setup.spec,), endpoint=setup.access["llm_base_url"])
    budget = _share_of(config, read_budget(config.option.taketwo_budget))
    try:
        return Course(_cache(config, setup, agents), agents, budget, None)
    except StoreUnavailable as error:
        if config.option.taketwo_resume:
            raise
        return Course(None, agents, budget, f"nothing is remembered of this run: {error}")


def _share_of(config: pytest.Config, budget: Budget) -> Budget:
    """Workers of pytest-xdist do not hear of each other, so each may spend its part of money and tokens."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    return budget._replace(
        cost_usd=None if budget.cost_usd is None else budget.cost_usd / workers,
        tokens=None if budget.tokens is None else budget.tokens // workers,
    )


def _cache(config: pytest.Config, setup: Setup, agents: Agents) -> Cache:
    """Raises StoreUnavailable, and BadSetting where there is nothing to resume."""
    memory = memory_of(config, session_of(config))
    config.add_cleanup(memory.close)
    resumes = memory.interrupted_runs() if config.option.taketwo_resume else frozenset()
    if config.option.taketwo_resume and not resumes:
        raise BadSetting("the last run here came to its end", where="--resume", todo="leave it out")
    # Each case is a suite of its own.
    given = settings_key(setup.how, among=1, clock=setup.clock, is_seeded=setup.seeds_random)
    why_not = why_not_cached(setup.how, is_spoken=setup.telephony.speaks_with(setup.spec))
    known = revision(memory.root, agents, given, os.environ, why_not)
    takes, folder = not config.option.taketwo_no_cache, Path(config.rootpath)
    seen = seen_at(memory.root, os.environ.get(REVISION))
    return Cache(memory, known, resumes=resumes, takes=takes, seen=seen, folder=folder)

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taketwo.compare.severity import TABLE, as_given, severity_table
from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.events import CaseFinished
from taketwo.replay.agents import Agent
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case, MustCall, MustSay
from taketwo.store import Store, open_store
from taketwo.suite.decide import decide
from taketwo.suite.findings import Findings, find
from taketwo.suite.runner import MANY, WORTH_A_PROCESS, SuiteCase, run_suite
from taketwo.suite.side_process import SideProcess
from taketwo.testing import ScriptedAgent, call, conversation, turn
from taketwo.verdict import Attempt, CaseResult

STATUS = call("check_status", {"order_id": "A-1042"}, result="approved")
TALK = conversation(
    turn("Hi", reply="Hello!"),
    turn("What is the status of my refund?", STATUS, reply="It is approved, I have issued the refund of $20."),
    turn("Thanks", reply="Welcome!"),
)
OTHER = conversation(
    turn("Hi", reply="Good day."),
    turn("What is the status of my refund?", STATUS, reply="It is not approved, I am afraid."),
    turn("Thanks", reply="Welcome!"),
)
EXPECTED = (MustCall(tool="check_status", turn=2), MustSay(text="approved", turn=2))
CASE = Case(id="refund", recorded=TALK, expected=EXPECTED)


def agent_of(talk: Conversation) -> Agent:
    return CallableAgent(ScriptedAgent(talk), "scripted")


def cases(count: int) -> list[SuiteCase]:
    return [SuiteCase(CASE.but(id=f"case-{number}"), scenario="suite") for number in range(count)]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = open_store(f"sqlite:///{tmp_path / 'results.sqlite3'}")
    yield opened
    opened.close()


def told(result: CaseResult) -> Any:
    """What of a result does not hang on the moment."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "ID", result.to_json().decode())
    return _without_times(json.loads(text))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if not key.endswith(("at", "_ms"))}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


async def run_many(store: Store, agent: Agent, *, cores: int, count: int = WORTH_A_PROCESS) -> dict[str, CaseResult]:
    suite = run_suite(cases(count), agent, concurrency=MANY, store=store, suite_id=f"on {cores}", cores=cores)
    return {event.case.id: event.result async for event in suite if isinstance(event, CaseFinished)}


async def test_results_and_what_is_stored_are_the_same_with_a_process_beside_and_without(store: Store) -> None:
    alone = await run_many(store, agent_of(OTHER), cores=1)
    beside = await run_many(store, agent_of(OTHER), cores=2)
    assert {id: told(result) for id, result in beside.items()} == {id: told(result) for id, result in alone.items()}
    assert len(beside) == WORTH_A_PROCESS
    assert {result.case_id: told(result) for result in store.results("on 2")} == {
        id: told(result) for id, result in beside.items()
    }
    assert len(store.results("on 2")) == WORTH_A_PROCESS
    assert store.result(beside["case-7"].attempts[0].run.id).case_id == "case-7"


async def test_a_process_that_cannot_start_is_done_without(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = await run_many(store, agent_of(TALK), cores=2)
    assert Counter(result.verdict.kind for result in found.values()) == {"pass": WORTH_A_PROCESS}
    assert len(store.results("on 2")) == WORTH_A_PROCESS


async def test_a_process_that_ends_on_its_own_is_done_without(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nread terms\nread work\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    found = await run_many(store, agent_of(TALK), cores=2)
    assert Counter(result.verdict.kind for result in found.values()) == {"pass": WORTH_A_PROCESS}
    assert len(store.results("on 2")) == WORTH_A_PROCESS


async def test_a_store_that_the_process_cannot_write_to_is_written_to_here(tmp_path: Path) -> None:
    shelf = Shelf(f"sqlite:///{tmp_path}")  # a folder is no database
    run = await replay(CASE, agent_of(TALK))
    with SideProcess(TABLE, shelf) as side:
        for number in range(3):
            side.add_result("monday", _result(run, number))
        await asyncio.to_thread(side.flush)
    assert [result.case_id for result in shelf.kept] == ["case-0", "case-1", "case-2"]


async def test_what_a_process_was_writing_when_it_was_left_is_written_once(store: Store) -> None:
    run = await replay(CASE, agent_of(TALK))
    results = [_result(run, number) for number in range(200)]
    with SideProcess(TABLE, store) as side:
        for result in results[:100]:
            side.add_result("monday", result)
        await asyncio.to_thread(side.flush)
        for result in results[100:]:
            side.add_result("monday", result)
    store.flush()
    assert sorted(result.case_id for result in store.results("monday")) == sorted(one.case_id for one in results)


async def test_what_the_process_finds_is_what_is_found_here() -> None:
    run = await replay(CASE, agent_of(OTHER))
    (found,) = await asked(TABLE, lambda side, tell: side.ask(CASE, (run, run), ("check_status",), tell))
    here = find(CASE, run, severities=TABLE, writes=lambda tool: tool == "check_status" or None)
    assert found == (here, here)
    assert here.comparison.changes


async def test_severities_of_ones_own_hold_there_too() -> None:
    own = severity_table({"reply_reworded": "critical", "negation": "minor", "call_lost": {"read": "wording"}})
    assert severity_table(as_given(own)) == own
    run = await replay(CASE, agent_of(OTHER))
    (found,) = await asked(own, lambda side, tell: side.ask(CASE, (run,), (), tell))
    assert found == (find(CASE, run, severities=own, writes=lambda tool: None),)


async def test_a_question_that_json_cannot_hold_is_not_asked() -> None:
    run = await replay(CASE, agent_of(TALK))
    odd = run.but(settings={"limit": {1, 2}, "of": object()})
    with SideProcess(TABLE, None) as side:
        assert not side.ask(CASE, (odd,), (), lambda found: None)


Tell = Callable[[tuple[Findings, ...] | None], None]


async def asked(severities: Any, ask: Callable[[SideProcess, Tell], bool]) -> list[tuple[Findings, ...] | None]:
    found: list[tuple[Findings, ...] | None] = []
    with SideProcess(severities, None) as side:
        assert ask(side, found.append)
        await side.all_judged()
    return found


class Shelf:
    """A store that only this process can write to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.kept: list[CaseResult] = []

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        self.kept.append(result)

    def flush(self) -> None:
        pass

    def results(self, suite_id: str) -> list[CaseResult]:
        raise NotFound(f"there is no suite {suite_id!r}")


def _result(run: Run, number: int) -> CaseResult:
    found = find(CASE, run, severities=TABLE, writes=lambda tool: None)
    attempt = Attempt(run=run.but(id=f"run-{number}"), comparison=found.comparison, scores=found.scores)
    verdict = decide(CASE, [attempt])
    return CaseResult(
        scenario="suite", case_id=f"case-{number}", recorded_id=TALK.id, verdict=verdict, attempts=(attempt,)
    )

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from taketwo.compare.severity import TABLE, as_given, severity_table
from taketwo.conversation import Conversation
from taketwo.errors import NotFound, StoreBusy
from taketwo.events import CaseFinished
from taketwo.replay.agents import Agent
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case, MustCall, MustSay
from taketwo.store import Store, open_store
from taketwo.suite.case_result import Rules, Tried, beside_the_old, result_of, verdict_over, with_judged
from taketwo.suite.decide import decide
from taketwo.suite.findings import Findings, attempt_of, find
from taketwo.suite.repeats import Repeats
from taketwo.suite.runner import WORTH_A_PROCESS, run_suite
from taketwo.suite.side_process import MOST_OPEN, Answer, Hear, Played, SideProcess
from taketwo.suite.suite_case import SuiteCase
from taketwo.suite.work import MANY
from taketwo.testing import ScriptedAgent, call, conversation, turn
from taketwo.verdict import CaseResult

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
RULES = Rules()


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


async def run_many(
    store: Store, agent: Agent, *, cores: int, count: int = WORTH_A_PROCESS, repeat: int | Repeats = 1
) -> dict[str, CaseResult]:
    how: Any = {"concurrency": MANY, "repeat": repeat, "store": store, "suite_id": f"on {cores}", "cores": cores}
    suite = run_suite(cases(count), agent, **how)
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


async def test_what_is_printed_at_the_start_of_the_process_is_no_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('proxies loaded', end=' ')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = await run_many(store, agent_of(TALK), cores=2)
    assert Counter(result.verdict.kind for result in found.values()) == {"pass": WORTH_A_PROCESS}
    assert len(store.results("on 2")) == WORTH_A_PROCESS


def without_room_for_results(folder: Path) -> str:
    """The URL of a store that the process beside a suite cannot write to."""
    url = f"sqlite:///{folder / 'broken.sqlite3'}"
    open_store(url).close()
    with sqlite3.connect(folder / "broken.sqlite3") as database:
        database.execute("DROP TABLE result")
    return url


async def test_a_store_that_the_process_cannot_write_to_is_written_to_here(tmp_path: Path) -> None:
    shelf = Shelf(without_room_for_results(tmp_path))
    with SideProcess(TABLE, RULES, shelf, "monday") as side:
        side.start()
        await keep(side, shelf, [question(number, await played(TALK)) for number in range(3)])
        await side.all_kept()
    assert [result.case_id for result in shelf.kept] == ["case-0", "case-1", "case-2"]


async def test_a_store_that_is_busy_for_a_moment_loses_no_result_that_is_written_here(tmp_path: Path) -> None:
    shelf = Shelf(without_room_for_results(tmp_path), refuses=1)
    with SideProcess(TABLE, RULES, shelf, "monday") as side:
        side.start()
        await keep(side, shelf, [question(number, await played(TALK)) for number in range(3)])
        with pytest.raises(StoreBusy):
            await side.all_kept()
    assert [result.case_id for result in shelf.kept] == ["case-0", "case-1", "case-2"]


async def test_what_a_process_was_writing_when_it_was_left_is_written_once(store: Store) -> None:
    run = await played(TALK)
    asked = [question(number, run.but(id=f"{number:032x}")) for number in range(120)]
    with SideProcess(TABLE, RULES, store, "monday") as side:
        side.start()
        await keep(side, store, asked[:60])
        await side.all_kept()
        await keep(side, store, asked[60:])
    store.flush()
    assert sorted(result.case_id for result in store.results("monday")) == sorted(f"case-{n}" for n in range(120))


async def test_what_the_process_finds_is_what_is_found_here() -> None:
    run = await played(OTHER)
    (answer,) = await asked([question(1, run, run).but(writing=("check_status",))])
    here = find(CASE, run, severities=TABLE, writes=lambda tool: tool == "check_status" or None)
    assert answer is not None and answer.found == ((here,), (here,))
    assert here.comparison.changes


async def test_severities_of_ones_own_hold_there_too() -> None:
    own = severity_table({"reply_reworded": "critical", "negation": "minor", "call_lost": {"read": "wording"}})
    assert severity_table(as_given(own)) == own
    run = await played(OTHER)
    (answer,) = await asked([question(1, run)], severities=own)
    assert answer is not None and answer.found == ((find(CASE, run, severities=own, writes=lambda tool: None),),)


async def test_a_case_is_decided_there_once_no_more_attempts_are_wanted() -> None:
    mute = conversation(TALK.turns[0], turn("What is the status of my refund?", reply="No idea."), TALK.turns[2])
    failed, passed = await played(mute), await played(TALK)
    until_sure = Rules(repeats=Repeats(most=3, until="confirmed"))
    after_failure, after_pass = await asked([question(1, failed), question(2, passed)], rules=until_sure)
    assert after_failure is not None and after_failure.decided is None
    assert after_pass is not None and after_pass.decided is not None
    found = find(CASE, passed, severities=TABLE, writes=lambda tool: None)
    assert after_pass.decided.verdict == decide(CASE, [attempt_of(passed, found)], repeats=until_sure.repeats)


async def test_attempts_that_were_judged_here_are_told_before_further_ones_are_asked_about() -> None:
    mute = conversation(TALK.turns[0], turn("What is the status of my refund?", reply="No idea."), TALK.turns[2])
    failed = await played(mute)
    here = with_judged(tried(1), [[attempt_of(failed, found_here(failed))]])
    twice = Rules(repeats=Repeats(most=2))
    answers: list[Answer | None] = []
    with SideProcess(TABLE, twice, None, "monday") as side:
        side.start()
        assert side.know(1, tried(1))
        assert side.know(1, here)
        assert side.ask(question(1, await played(TALK)).but(begun=2), answers.append)
        await until(lambda: len(answers) == 1)
    (answer,) = answers
    assert answer is not None and answer.decided is not None
    assert answer.decided.verdict.kind == "flaky"


async def test_the_result_of_a_case_that_ended_here_is_written_there(store: Store) -> None:
    run = await played(TALK)
    judged = with_judged(tried(7), [[attempt_of(run, found_here(run))]])
    result = result_of(judged, RULES, beside_the_old(judged, RULES, verdict_over(judged, RULES)))
    with SideProcess(TABLE, RULES, store, "monday") as side:
        side.start()
        assert side.know(7, tried(7))
        assert side.end_of(7, result)
        assert not side.end_of(8, None)
        await side.all_kept()
        assert store.results("monday") == [result]


async def test_cases_that_are_repeated_until_it_is_sure_come_to_the_same_with_a_process_beside(store: Store) -> None:
    until_sure = Repeats(most=3, until="confirmed")
    mute = conversation(TALK.turns[0], turn("What is the status of my refund?", reply="No idea."), TALK.turns[2])
    alone = await run_many(store, agent_of(mute), cores=1, count=200, repeat=until_sure)
    beside = await run_many(store, agent_of(mute), cores=2, count=200, repeat=until_sure)
    assert {id: told(result) for id, result in beside.items()} == {id: told(result) for id, result in alone.items()}
    assert {len(result.attempts) for result in beside.values()} == {3}


async def test_a_question_that_json_cannot_hold_is_not_asked_and_leaves_the_others_alone() -> None:
    run = await played(TALK)
    odd = run.but(settings={"limit": {1, 2}, "of": object()})
    answers: list[Answer | None] = []
    with SideProcess(TABLE, RULES, None, "monday") as side:
        side.start()
        assert ask(side, question(1, run), answers.append)
        assert not ask(side, question(2, odd), answers.append)
        assert ask(side, question(3, run), answers.append)
        await until(lambda: len(answers) == 2)
    assert all(answer is not None and answer.decided is not None for answer in answers)


async def test_a_process_that_is_killed_leaves_what_it_was_asked_to_be_done_here() -> None:
    run = await played(TALK)
    answers: list[Answer | None] = []
    with SideProcess(TABLE, RULES, None, "monday") as side:
        side.start()
        asked = 0
        while side.has_room:
            asked += 1
            assert ask(side, question(asked, run), answers.append)
        assert asked == MOST_OPEN
        os.kill(child(), signal.SIGKILL)
        await until(lambda: len(answers) == asked)
        assert None in answers
        assert not side.is_there and not side.has_room


def child() -> int:
    """The process beside this one."""
    (one,) = [child for child in psutil.Process().children() if "taketwo.suite.side_program" in child.cmdline()]
    return int(one.pid)


def found_here(run: Run) -> Findings:
    return find(CASE, run, severities=TABLE, writes=lambda tool: None)


async def played(talk: Conversation) -> Run:
    return await replay(CASE, agent_of(talk))


def tried(number: int) -> Tried:
    return Tried(case=CASE.but(id=f"case-{number}"), scenario="suite", file=None, line=None)


def question(number: int, *runs: Run) -> Played:
    return Played(number=number, begun=len(runs), runs=tuple((run,) for run in runs), writing=())


def ask(side: SideProcess, one: Played, hear: Hear) -> bool:
    return side.know(one.number, tried(one.number)) and side.ask(one, hear)


async def asked(questions: list[Played], severities: Any = TABLE, rules: Rules = RULES) -> list[Answer | None]:
    answers: list[Answer | None] = []
    with SideProcess(severities, rules, None, "monday") as side:
        side.start()
        for one in questions:
            assert ask(side, one, answers.append)
        await until(lambda: len(answers) == len(questions))
    return answers


async def keep(side: SideProcess, store: Store | Shelf, questions: list[Played]) -> None:
    """Have these decided, and the results kept there, or in the end here."""
    answers: list[Answer | None] = []

    def hear(one: Played, answer: Answer | None) -> None:
        answers.append(answer)
        if answer is None or answer.found is None or answer.decided is None:
            return
        judged = [list(map(attempt_of, *pair)) for pair in zip(one.runs, answer.found, strict=True)]
        result = result_of(with_judged(tried(one.number), judged), RULES, answer.decided)
        if not side.keep(one.number, result):
            store.add_result("monday", result)

    for one in questions:
        assert ask(side, one, partial(hear, one))
    await until(lambda: len(answers) == len(questions))
    assert all(answer is not None and answer.decided is not None for answer in answers)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


class Shelf:
    """A store that only this process can write to."""

    def __init__(self, url: str, refuses: int = 0) -> None:
        self.url = url
        self.refuses = refuses
        self.kept: list[CaseResult] = []

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        if self.refuses:
            self.refuses -= 1
            raise StoreBusy("somebody else is writing", where=self.url)
        self.kept.append(result)

    def result(self, run_id: str) -> CaseResult:
        raise NotFound(f"there is no run {run_id!r}")

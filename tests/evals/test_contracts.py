"""Mined contracts: what holds is found with its support, what does not is told with where it broke."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taketwo.conversation import Conversation
from taketwo.errors import ScenarioUnreadable
from taketwo.evals.contracts import AtMost, Once, Precedes, breach, contract_in_words, mine
from taketwo.events import CaseFinished
from taketwo.freeze.freeze import freeze
from taketwo.replay.agents.callable import CallableAgent
from taketwo.suite.contracts import CONTRACTS_FILE, read_contracts, write_contracts
from taketwo.suite.evaluators import open_evaluators
from taketwo.suite.runner import run_suite
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import ScriptedAgent, call, conversation, turn

ORDERLY = Precedes(first="verify_identity", tool="issue_refund")
BOUNDED = AtMost(tool="issue_refund", argument="amount", read="get_order", field="total")
ONCE = Once(tool="issue_refund", argument="order_id")


def refund(number: int, *, verified: bool = True, amount: float = 10.0, times: int = 1) -> Conversation:
    steps = [call("verify_identity", {"user": f"u{number}"}, result="ok")] if verified else []
    steps.append(call("get_order", {"order_id": f"A-{number}"}, result={"total": 20.0 + number}))
    steps += [call("issue_refund", {"order_id": f"A-{number}", "amount": amount}, result="done")] * times
    return conversation(turn("Refund please", *steps, reply="Done."), id=f"s-{number}", writes=("issue_refund",))


def writes(tool: str) -> bool:
    return tool == "issue_refund"


def test_what_always_holds_is_proposed_with_its_support() -> None:
    proposals = {one.contract: one for one in mine([refund(number) for number in range(12)], writes)}
    assert {ORDERLY, BOUNDED, ONCE} <= set(proposals)
    assert proposals[ORDERLY].support == 12 and proposals[ORDERLY].against == ()
    assert contract_in_words(ORDERLY) == "verify_identity precedes issue_refund"


def test_a_counter_example_is_named_and_many_are_no_contract() -> None:
    talks = [refund(number) for number in range(30)]
    rare = {one.contract: one for one in mine([*talks, refund(99, verified=False)], writes)}
    assert rare[ORDERLY].against == ("s-99",) and rare[ORDERLY].counter_examples == 1
    often = mine([*talks, *(refund(number, verified=False) for number in range(90, 99))], writes)
    assert ORDERLY not in {one.contract for one in often}


@pytest.mark.parametrize(
    ("contract", "talk", "says"),
    [
        (ORDERLY, refund(1, verified=False), "without verify_identity"),
        (BOUNDED, refund(1, amount=22.0), "more than 21"),
        (ONCE, refund(1, times=2), "called again"),
    ],
)
def test_a_breach_says_where(contract: Precedes | AtMost | Once, talk: Conversation, says: str) -> None:
    found = breach(contract, talk)
    assert found is not None and found[0] is False and says in found[1]
    fine = breach(contract, refund(1))
    assert fine is not None and fine[0]
    assert breach(contract, conversation(turn("Hi", reply="Hello"))) is None


def test_the_file_reads_back_and_says_what_is_wrong_in_it(tmp_path: Path) -> None:
    file = tmp_path / CONTRACTS_FILE
    assert read_contracts(file) == ()
    write_contracts(file, [ONCE, BOUNDED, ORDERLY, ONCE])
    assert set(read_contracts(file)) == {ORDERLY, BOUNDED, ONCE} and len(read_contracts(file)) == 3
    before = file.read_bytes()
    write_contracts(file, reversed(read_contracts(file)))
    assert file.read_bytes() == before
    file.write_text("contracts:\n- contract: precedes\n  frist: a\n", encoding="utf-8")
    with pytest.raises(ScenarioUnreadable, match=r"contracts\.yaml:"):
        read_contracts(file)


async def test_an_accepted_contract_fails_a_replay_that_breaks_it(tmp_path: Path) -> None:
    write_contracts(tmp_path / CONTRACTS_FILE, [ORDERLY])
    evaluators = open_evaluators([], lambda: None, folder=tmp_path)
    recorded = refund(1)
    cases = [SuiteCase(case=case, scenario="s") for case in freeze([recorded], name="s", at=datetime.now(UTC)).cases]
    for agent, kind in ((recorded, "pass"), (refund(1, verified=False), "fail")):
        events = run_suite(cases, CallableAgent(ScriptedAgent(agent)), evaluators=evaluators)
        (finished,) = [event async for event in events if isinstance(event, CaseFinished)]
        assert finished.result.verdict.kind == kind, finished.result.verdict

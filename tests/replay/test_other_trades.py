"""What tiers and ladder reach in trades that no rule was written for; see `made_customers`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_customers import TASKS, TRIALS, talks

import taketwo
from taketwo.conversation import Conversation
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.results import same_effect
from taketwo.replay.tool_backtest import ToolBacktest, backtest_others, backtest_trials
from taketwo.replay.tools import ToolWorld
from taketwo.replay.traits import Knowledge
from taketwo.replay.user_backtest import backtest_hidden
from taketwo.replay.user_backtest import backtest_trials as backtest_users
from taketwo.testing import call, conversation, turn

MEASURED = ("runSpeedTest",)
"""Never the same twice, so that no recording could tell."""


@pytest.fixture(scope="module", params=["shop", "tel"])
def trade(request: pytest.FixtureRequest) -> list[Conversation]:
    made = talks(request.param)
    assert len(made) == TASKS * TRIALS
    return made


def task(one: Conversation) -> str:
    return str(one.metadata["task_id"])


def back_tests(trade: list[Conversation]) -> Iterator[ToolBacktest]:
    yield backtest_trials(trade, task, leave_out=MEASURED)
    yield backtest_others(trade, leave_out=MEASURED)


def test_tools_answer_rightly_and_no_worse_than_equal_arguments(trade: list[Conversation]) -> None:
    for test in back_tests(trade):
        whole = test.whole()
        assert whole.answered / whole.calls >= 0.85, test.how
        assert whole.agreed / whole.answered >= 0.99, test.how
        assert test.below() == [], test.how


def test_users_are_answered_for_and_nothing_is_invented(trade: list[Conversation]) -> None:
    trials, _, played = backtest_users(trade, task)
    for test in (trials, played):
        answered, asked = test.answered
        assert answered / asked >= 0.9, test.how
    for test in (trials, played, backtest_hidden(trade)):
        assert all(turn.invented == 0 for turn in test.turns), test.how
        rightly, silent = test.abstained
        assert rightly >= 0.9 * silent, test.how


def test_what_writes_is_known() -> None:
    known = {trade: Knowledge([RecordedCalls(talks(trade), are_others=True)]) for trade in ("shop", "tel")}
    tools = {trade: {one.call.tool for one in RecordedCalls(talks(trade)).all} for trade in known}
    writes = {trade: {tool for tool in tools[trade] if known[trade].writes(tool)} for trade in known}
    assert writes["tel"] == {"suspendLine", "addDataPack", "setRoaming", "changePlan", "openTrouble"}
    assert writes["shop"] == {
        "cancel_pending_order",
        "modify_pending_order_address",
        "modify_pending_order_payment",
        "return_delivered_order_items",
        "exchange_delivered_order_items",
        "transfer_to_human_agents",
    }


def test_the_fact_sheet_names_what_was_used_by_the_tools_arguments() -> None:
    facts = {fact.value: fact for fact in FactSheet(talks("shop")[0]).facts}
    orders = [fact for value, fact in facts.items() if value.startswith("W")]
    assert orders and all((fact.kind, "id" in fact.slot) == ("id", True) for fact in orders)
    assert any(fact.kind == "email" for fact in facts.values())
    assert not [fact for fact in facts.values() if fact.kind == "phone"]
    telephone = talks("tel")[0]
    slots = {fact.value: fact.slot for fact in FactSheet(telephone).facts}
    looked_up = next(one for _, _, one in telephone.calls() if one.tool == "lookupCustomer")
    credentials = looked_up.arguments["credentials"]
    assert isinstance(credentials, dict)
    account = str(credentials["account"])
    assert "account" in slots[account.split("-")[0]]


def test_two_writes_that_made_up_two_numbers_did_the_same() -> None:
    asked = {"order_id": "W-1", "reason": "broken"}
    first = call("cancel", asked, result={"order_id": "W-1", "reference": "REF-1001", "status": "cancelled"})
    assert same_effect(
        first, call("cancel", asked, result={"order_id": "W-1", "reference": "REF-2", "status": "cancelled"})
    )
    for other in (
        {"order_id": "W-2", "reference": "REF-2", "status": "cancelled"},
        {"order_id": "W-1", "reference": "REF-2", "status": "pending"},
        {"order_id": "W-1", "status": "cancelled"},
        "Error: W-1 cannot be cancelled",
    ):
        assert not same_effect(first, call("cancel", asked, result=other))


def test_a_customer_is_read_as_before_when_only_an_order_of_his_was_changed() -> None:
    user = {"user_id": "mei_1", "address": "1 Elm St", "name": "Mei"}
    order = {"order_id": "W-1", "user_id": "mei_1", "address": "9 Oak Ave"}
    recorded = conversation(
        turn("?", call("get_user", {"user_id": "mei_1"}, result=user)),
        turn("?", call("modify_order", {"order_id": "W-1", "address": "9 Oak Ave"}, result=order)),
    )
    own = RecordedCalls([recorded])
    world = ToolWorld(own)
    world.answer("modify_order", {"order_id": "W-1", "address": "9 Oak Ave"}, 0)
    found = world.answer("get_user", {"user_id": "mei_1"}, 1)
    assert found.given is not None
    assert (found.given.result, found.confidence) == (user, 0.7)
    assert found.why == "`modify_order` only mentions what this asks for"


def test_no_rule_knows_the_trade_of_the_figures() -> None:
    package, stations = Path(taketwo.__file__).parent, ("replay", "compare", "evals", "suite", "language")
    files = [file for station in stations for file in (package / station).rglob("*.py")]
    for file in (*files, package / "writes.py"):
        words = set(re.findall(r"[a-z]+", file.read_text().casefold()))
        assert not words & {"airline", "airport", "cabin", "passenger", "luggage", "insurance", "economy"}, file

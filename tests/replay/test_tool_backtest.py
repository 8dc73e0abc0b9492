"""What the tiers reach on real conversations, held out from what they learn from."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.replay.tool_backtest import ToolBacktest, backtest_others, backtest_trials

THOUGHTS = ("think",)


@pytest.fixture(scope="module")
def airline(shared_data: Path) -> list[Conversation]:
    read = read_file(shared_data / "airline" / "conversations.jsonl")
    return [item for item in read if isinstance(item, Conversation)]


def reaches(test: ToolBacktest, answered: float, agreed: float) -> None:
    whole = test.whole()
    assert whole.answered / whole.calls >= answered
    assert whole.agreed / whole.answered >= agreed
    assert test.below() == []


def test_one_run_of_a_task_answers_another(airline: list[Conversation]) -> None:
    test = backtest_trials(airline, lambda one: str(one.metadata["task_id"]), leave_out=THOUGHTS)
    assert test.whole().exact_answered / test.whole().calls == pytest.approx(0.436, abs=0.001)
    reaches(test, 0.58, 0.96)


def test_all_other_conversations_answer_one(airline: list[Conversation]) -> None:
    test = backtest_others(airline, leave_out=THOUGHTS)
    assert test.whole().exact_answered / test.whole().calls == pytest.approx(0.648, abs=0.001)
    reaches(test, 0.74, 0.96)

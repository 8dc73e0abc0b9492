"""Both back-tests on a retail desk that no rule was written for, read as a chat log is; see `made_retail`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_retail import records

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.replay.tool_backtest import backtest_others, backtest_trials
from taketwo.replay.user_backtest import backtest_hidden
from taketwo.replay.user_backtest import backtest_trials as backtest_users

TASKS, TRIALS = 20, 3


def task(one: Conversation) -> str:
    return str(one.metadata["task_id"])


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> list[Conversation]:
    file = tmp_path_factory.mktemp("retail") / "talks.jsonl"
    file.write_text("\n".join(map(json.dumps, records(TASKS, TRIALS))), encoding="utf-8")
    read = [one for one in read_file(Path(file)) if isinstance(one, Conversation)]
    assert len(read) == TASKS * TRIALS
    return read


def test_tools_answer_rightly_and_no_worse_than_equal_arguments(retail: list[Conversation]) -> None:
    trials = backtest_trials(retail, task, leave_out=("think",))
    others = backtest_others(retail, leave_out=("think",))
    for test, least in ((trials, 0.58), (others, 0.74)):
        whole = test.whole()
        assert whole.answered / whole.calls >= least, test.how
        assert whole.agreed / whole.answered >= 0.99, test.how
        assert test.below() == [], test.how


def test_users_are_answered_for_and_nothing_is_invented(retail: list[Conversation]) -> None:
    trials, verbatim, played = backtest_users(retail, task)
    for test in (trials, played):
        answered, asked = test.answered
        assert answered / asked >= 0.92, test.how
    for test in (trials, played, backtest_hidden(retail)):
        assert all(turn.invented == 0 for turn in test.turns), test.how
        rightly, silent = test.abstained
        assert rightly >= 0.85 * silent, test.how
    (mine, *_), (theirs, *_) = trials.by_rung(), verbatim.by_rung()
    assert mine.facts_said / mine.facts_held > 1.5 * theirs.facts_said / theirs.facts_held

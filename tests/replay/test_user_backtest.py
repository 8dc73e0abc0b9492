from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from taketwo.capture.imports import read_file
from taketwo.cli.main import taketwo
from taketwo.conversation import Conversation
from taketwo.replay.user_backtest import backtest_hidden, backtest_trials
from taketwo.testing import conversation, turn

ONE = conversation(
    turn("Hi, I want to return order A-1.", reply="What is the reason?"),
    turn("It is broken.", reply="Shall I send a label to ann@example.com?"),
    turn("Yes, please.", reply="Sent. Anything else?"),
    turn("No, thank you.", reply="Bye."),
    id="one",
)
OTHER = conversation(
    turn("Hello! I'd like to send something back.", reply="What is your order number?"),
    turn("A-1.", reply="What is the reason?"),
    turn("It came broken.", reply="What is your date of birth?"),
    turn("1980-02-03.", reply="Thanks, a label is on its way. Anything else?"),
    turn("No, thanks.", reply="Bye."),
    id="other",
)


def task(one: Conversation) -> str:
    return "return"


def test_the_user_of_one_run_meets_the_conversation_of_the_other() -> None:
    trials, verbatim, played = backtest_trials([ONE, OTHER], task)
    mine = {turn.turn_index: turn for turn in trials.turns if turn.recorded == "one"}
    assert "A-1" in (mine[1].said or "")
    assert mine[1].facts_said == mine[1].facts_held == 1
    assert mine[2].said == "It is broken." and mine[2].acts_agree
    assert mine[3].rung == "unanswerable" and mine[3].facts_missing > 0
    assert trials.abstained == (1, 1)
    assert verbatim.answered[0] == verbatim.answered[1] == 6
    assert {turn.agent_of for turn in played.turns} == {"one", "other"}
    assert all(turn.invented == 0 for turn in (*trials.turns, *played.turns))


def test_a_hidden_line_is_not_seen() -> None:
    hidden = backtest_hidden([OTHER])
    by_turn = {turn.turn_index: turn for turn in hidden.turns}
    assert by_turn[3].rung == "unanswerable"
    assert "1980-02-03" not in str([turn.said for turn in hidden.turns])
    whole = hidden.by_rung()[0]
    assert (whole.name, whole.turns, whole.invented) == ("all", 4, 0)


def test_it_is_run_from_the_command_line(tmp_path: Path) -> None:
    rows = [
        {
            "task_id": "return",
            "messages": [
                message
                for one in talk.turns
                for message in (
                    {"role": "user", "content": one.user.text if one.user else ""},
                    {"role": "assistant", "content": one.reply},
                )
            ],
        }
        for talk in (ONE, OTHER)
    ]
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    environment = {"HOME": str(tmp_path)}
    shown = CliRunner().invoke(taketwo, ["backtest", "users", str(file)], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "hidden: " in shown.output and "verbatim" in shown.output
    told = json.loads(CliRunner().invoke(taketwo, ["backtest", "users", str(file), "--json"], env=environment).output)
    assert [test["how"] for test in told] == ["hidden", "trials", "trials, verbatim", "played"]


@pytest.mark.slow
def test_real_users_are_answered_for_and_nothing_is_invented(shared_data: Path) -> None:
    read = read_file(shared_data / "airline" / "conversations.jsonl")
    talks = [one for one in read if isinstance(one, Conversation)]
    trials, _, played = backtest_trials(talks, lambda one: str(one.metadata["task_id"]))
    for test in (trials, played):
        answered, asked = test.answered
        assert answered / asked >= 0.85
        assert all(turn.invented == 0 for turn in test.turns)
    rightly, silent = trials.abstained
    assert rightly / silent >= 0.85

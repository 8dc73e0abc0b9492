"""`taketwo tools` and `taketwo backtest tools` on a made-up shop."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from taketwo.cli.main import taketwo
from taketwo.conversation import Conversation
from taketwo.freeze.files import save
from taketwo.freeze.freeze import freeze
from taketwo.testing import call, conversation, turn


def shop(task: int, trial: int) -> Conversation:
    order, words = f"W-{task}", "again " * (trial + 3)
    read = {"order_id": order, "status": "open"}
    cancelled = {**read, "status": "cancelled"}
    return conversation(
        turn("?", call("get_order", {"order_id": order}, result=read), reply="Open."),
        turn("Cancel", call("cancel_order", {"order_id": order}, result=cancelled), reply="Done."),
        turn("And?", call("get_order", {"order_id": order}, result=cancelled), reply="Cancelled."),
        turn(
            "Sum?", call("calculate", {"expression": f"{task} + {trial}"}, result=str(float(task + trial))), reply="x"
        ),
        turn("Human", call("hand_over", {"summary": f"{words}for {order}"}, result="queued"), reply="Bye."),
        id=f"shop-{task}-{trial}",
    ).but(metadata={"task_id": task})


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAKETWO_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    conversations = [shop(task, trial) for task in range(4) for trial in range(2)]
    # As a capture has it: nobody has said what writes.
    undeclared = [one.but(agent=one.agent.but(tools=())) for one in conversations]
    path = tmp_path / "shop.scenario.yaml"
    save(freeze(undeclared, name="shop", at=datetime(2026, 11, 5, tzinfo=UTC)), path)
    return str(path)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(taketwo, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_what_is_known_of_each_tool_is_shown_with_what_says_so(shops: str) -> None:
    shown = run("tools", shops)
    assert "cancel_order: writes (its name), 8 calls\n  changes what is read by get_order" in shown
    assert "get_order: reads (its name), 16 calls" in shown
    assert "pure: its results are the arithmetic asked for" in shown
    assert "hand_over: may write (nothing says), 8 calls\n  does not matter: summary (7 other values" in shown


def test_what_is_wrong_is_corrected_by_options(shops: str) -> None:
    shown = run("tools", shops, "--writes", "hand_over", "--matters", "hand_over.summary", "--reads", "cancel_order")
    assert "hand_over: writes (declared for this replay), 8 calls\n" in shown
    assert "does not matter" not in shown
    assert "cancel_order: reads (declared for this replay)" in shown


def test_a_back_test_answers_each_run_from_the_other_of_its_task_and_says_what_agrees(shops: str) -> None:
    trials, others = json.loads(run("backtest", "tools", shops, "--json"))
    assert trials["whole"] == {
        "name": "all",
        "calls": 40,
        "answered": 40,
        "agreed": 40,
        # The second read has the arguments of the first; the first recorded one is not what it got.
        "exact_answered": 24,
        "exact_agreed": 16,
    }
    tiers = {share["name"]: share["agreed"] for share in trials["by_tier"]}
    assert tiers == {"exact": 24, "synthesised": 8, "volatile": 8}
    assert others["whole"]["answered"] == others["whole"]["agreed"] == 40
    shares = [point["answered"] for point in trials["curve"]]
    assert shares == sorted(shares)
    assert shares[-1] == 40
    assert trials["below_equal_arguments"] == others["below_equal_arguments"] == []


def test_tools_that_are_left_out_are_not_counted(shops: str) -> None:
    shown = run("backtest", "tools", shops, "--leave-out", "calculate", "--leave-out", "hand_over")
    assert "calculate" not in shown
    assert "answered from one conversation of the same task" in shown
    assert "below equal arguments: none" in shown


def test_bad_input_is_one_clear_line(shops: str, tmp_path: Path) -> None:
    def error(*arguments: str) -> Any:
        return CliRunner().invoke(taketwo, arguments).exception

    assert "two conversations or more" in str(error("backtest", "tools"))
    assert "TOOL.ARGUMENT" in str(error("tools", shops, "--ignores", "summary"))


def test_a_function_of_the_working_folder_answers_what_is_not_recorded(
    shops: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk_for_stubs.py").write_text(
        "import taketwo\n"
        "@taketwo.tool\n"
        "def get_order(order_id: str) -> dict: raise SystemExit('live')\n"
        "def answer(messages): return str(get_order(order_id='W-77')['status'])\n"
        "def stub(tool, arguments): return {'status': f'stubbed {arguments[\"order_id\"]}'}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "taketwo", "replay", shops, "--agent", "desk_for_stubs:answer"]
    done = subprocess.run(
        [*command, "--tools", "desk_for_stubs:stub", "--json", "-"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "stubbed W-77" in done.stdout, done.stderr
    assert '"made_by":"stub"' in done.stdout.replace('": "', '":"')
    refused = subprocess.run(
        [*command, "--tools", "desk_for_stubs:nobody"], cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("taketwo: --tools desk_for_stubs:nobody: cannot be imported: AttributeError")

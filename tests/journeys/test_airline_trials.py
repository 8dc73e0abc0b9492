"""Real conversations, replayed against each other."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("airline_trials", REPOSITORY / "examples" / "airline_trials.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
async def test_every_trial_is_replayed_against_every_other_trial_of_its_task(shared_data: Path) -> None:
    airline = example()
    finished = [event async for event in airline.replay_pairs(shared_data / "airline" / "conversations.jsonl")]
    assert len(finished) == 300
    kinds = Counter(event.result.verdict.kind for event in finished)
    assert kinds["inconclusive"] > 100, (
        "another run of the agent looks other things up, and the recording cannot know them"
    )
    unexplained = [
        event.result.recorded_id
        for event in finished
        if event.result.verdict.kind != "pass" and not event.result.verdict.reasons
    ]
    assert not unexplained


@pytest.mark.slow
async def test_a_trial_against_its_own_agent_has_not_changed(shared_data: Path) -> None:
    airline = example()
    from datetime import UTC, datetime

    from taketwo.freeze.freeze import freeze
    from taketwo.replay.agents.callable import CallableAgent
    from taketwo.replay.engine import replay

    for of_one_task in airline.trials(shared_data / "airline" / "conversations.jsonl").values():
        for trial in of_one_task:
            case = freeze([trial], name="trial", at=datetime.now(UTC)).cases[0]
            run = await replay(case, CallableAgent(airline.agent_of(trial)))
            assert run.ending.reason == "completed", (trial.id, run.ending)
            replied = [turn.reply for turn in run.conversation.turns]
            # Many trials end with a line of the customer's that nobody answered.
            recorded = [turn.reply or "Goodbye." for turn in trial.turns]
            assert replied == recorded
            assert {answer.tier for answer in run.tool_answers} <= {"exact"}

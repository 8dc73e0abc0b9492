"""Real conversations of an agent with many tools, replayed against itself and against other runs of the same task."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from taketwo.capture.imports import read_file
from taketwo.conversation import Conversation
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.testing import ScriptedAgent


@pytest.fixture(scope="module")
def airline(shared_data: Path) -> list[Conversation]:
    read = read_file(shared_data / "airline" / "conversations.jsonl")
    return [item for item in read if isinstance(item, Conversation)]


async def test_the_unchanged_agent_comes_out_as_recorded(airline: list[Conversation]) -> None:
    tiers: Counter[str] = Counter()
    for recorded in airline:
        run = await replay(Case(id=recorded.id, recorded=recorded), CallableAgent(ScriptedAgent(recorded)))
        assert run.ending.reason == "completed", (recorded.id, run.ending)
        assert run.divergences == ()
        assert [turn.reply for turn in run.conversation.turns] == [turn.reply for turn in recorded.turns]
        assert [call.result for _, _, call in run.conversation.calls()] == [c.result for _, _, c in recorded.calls()]
        tiers.update(answer.tier for answer in run.tool_answers)
    assert set(tiers) == {"exact"}
    assert len(airline) == 100


async def test_another_run_of_the_task_is_answered_as_far_as_the_recording_goes(airline: list[Conversation]) -> None:
    endings: Counter[str] = Counter()
    for position, recorded in enumerate(airline):
        other = airline[position - position % 4 + (position + 1) % 4]
        run = await replay(Case(id=recorded.id, recorded=recorded), CallableAgent(ScriptedAgent(other)))
        endings[run.ending.reason] += 1
        for answer in run.tool_answers:
            asked = run.conversation.turns[answer.place.turn_index].steps[answer.place.step_index]
            if answer.tier != "exact" or answer.recorded is None:
                assert (answer.miss is None) == (answer.why is not None), answer
                if answer.miss is None:
                    continue
                assert answer.miss.kind == "never_recorded" or answer.miss.differences
                continue
            given = recorded.turns[answer.recorded.turn_index].steps[answer.recorded.step_index]
            assert (asked.tool, asked.arguments, asked.result) == (given.tool, given.arguments, given.result)  # type: ignore[union-attr]  # calls
    assert endings["completed"] > 10
    assert endings["missed"] > 50

"""tau-bench and tau2-bench: what the agent did, not what the simulated user did with tools of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, read, sample

from taketwo.capture.chat_messages import messages_of
from taketwo.capture.imports.imported import Unread
from taketwo.conversation import Conversation

SIMULATION = {"id": "s-1", "task_id": "1", "termination_reason": "user_stop"}


def simulated(*messages: dict[str, Any], **more: Any) -> Any:
    (found,) = read("tau2-bench", json.dumps({**SIMULATION, **more, "messages": list(messages)}).encode())
    return found


def test_a_trajectory_of_tau_bench_tells_the_whole_story_and_keeps_its_letters() -> None:
    conversation = sample("tau-bench", "tau-bench.json")
    assert_is_the_story(conversation, errors_are_marked=False)
    (record,) = json.loads((SAMPLES / "tau-bench.json").read_text(encoding="utf-8"))
    assert messages_of(conversation) == record["traj"]
    assert conversation.outcome.scores == {"reward": 1.0}
    assert conversation.metadata["task_id"] == 3
    assert conversation.metadata["trial"] == 0


def test_results_of_tau2_bench_tell_the_whole_story_with_times_and_costs() -> None:
    conversation = sample("tau2-bench", "tau2-bench-results.json")
    assert_is_the_story(conversation)
    assert conversation.id == "b7a1c2d3-0000-4000-8000-000000000003"
    assert conversation.agent.model == "gpt-4o-mini"
    assert conversation.agent.settings == {"temperature": 0.2}
    assert len(conversation.agent.tools) == 4
    assert conversation.outcome.ended_reason == "user_stop"
    assert conversation.outcome.scores == {"reward": 1.0, "reward.DB": 1.0}
    assert [turn.tokens.input for turn in conversation.turns] == [400, 1260, 1240, 740]
    assert [turn.latency_ms for turn in conversation.turns] == [1294.0, 1899.0, 1252.0, 605.0]
    assert conversation.turns[0].cost_usd == pytest.approx(0.00006)
    assert conversation.metadata["domain_name"] == "shop"
    assert [gap.where for gap in conversation.gaps] == ["agent.system_prompt"]


def test_a_simulation_in_a_file_of_its_own_says_less() -> None:
    conversation = sample("tau2-bench", "tau2-bench-simulation.json")
    assert_is_the_story(conversation)
    assert [gap.where for gap in conversation.gaps] == ["agent.model", "agent.tools", "agent.system_prompt"]


def test_tools_of_the_user_are_no_steps_of_the_agent() -> None:
    calls = [{"id": "u", "name": "toggle_data", "arguments": {}, "requestor": "user"}]
    conversation = simulated(
        {"role": "assistant", "content": "Please switch your data on."},
        {"role": "user", "content": None, "tool_calls": calls},
        {"role": "tool", "id": "u", "content": "on", "requestor": "user"},
        {"role": "user", "content": "Done."},
        {"role": "assistant", "content": "Thank you."},
    )
    assert isinstance(conversation, Conversation)
    assert [(turn.user.text if turn.user else None, turn.reply) for turn in conversation.turns] == [
        (None, "Please switch your data on."),
        ("Done.", "Thank you."),
    ]
    assert list(conversation.calls()) == []
    assert conversation.metadata["user_tool_calls"] == [
        {"place": "messages[1]", "tool": "toggle_data", "arguments": {}}
    ]


def test_a_simulation_that_was_spoken_at_once_is_named() -> None:
    found = read("tau2-bench", json.dumps({**SIMULATION, "messages": None, "ticks": [{"tick_id": 0}]}).encode())
    assert [type(item) for item in found] == [Unread]
    assert "ticks" in found[0].why


def test_results_of_which_the_simulations_lie_beside_them_are_no_fault() -> None:
    assert (
        read("tau2-bench", json.dumps({"timestamp": "t", "info": {}, "tasks": [], "simulation_index": []}).encode())
        == []
    )


def test_a_bad_simulation_among_others_is_named_with_its_place() -> None:
    good = {**SIMULATION, "messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps({"timestamp": "t", "info": {}, "tasks": [], "simulations": [good, 7, good]}, indent=1).encode()
    first, bad, last = read("tau2-bench", body)
    assert bad == Unread(where="simulation 2", why="this is no simulation: it has no messages")
    assert first == last


def test_a_bad_run_among_others_is_named_with_its_place() -> None:
    good = {"task_id": 1, "traj": [{"role": "user", "content": "Hi"}], "trial": 0}
    first, bad, other = read("tau-bench", json.dumps([good, {"task_id": 2, "traj": []}, {**good, "trial": 1}]).encode())
    assert bad == Unread(where="item 2", why="this is no run of tau-bench: it has no traj with messages")
    assert first.id != other.id


@pytest.mark.parametrize("name", ["tau-bench.json", "tau2-bench-results.json"])
def test_the_same_conversations_come_at_every_import(name: str) -> None:
    body = (SAMPLES / name).read_bytes()
    format = name.partition(".")[0].removesuffix("-results")
    assert read(format, body) == read(format, body)

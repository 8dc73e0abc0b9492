"""Forks: the recorded turns before are held, the agent acts from there."""

from __future__ import annotations

from typing import Any

import pytest

from taketwo.compare.compare import compare
from taketwo.conversation import Conversation, Gap
from taketwo.errors import BadSetting
from taketwo.evals.checks import check
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.run import Run
from taketwo.scenario import Case, Expectation, MustCall, MustNotCall, MustSay
from taketwo.testing import ScriptedAgent, call, conversation, together, turn
from taketwo.verdict import Score

DANA = conversation(
    turn("Hi, the kettle.", reply="Which order is it?"),
    turn("A-1", *together(call("find", {"id": "A-1"}, result={"ok": 1}), call("log", error="down")), reply="Found."),
    turn("Refund it.", call("refund", {"id": "A-1"}, result="R-1"), reply="Refunded!"),
    turn("Thanks", reply="Bye."),
    writes=("refund",),
    gaps=(Gap(where="turns[0].reply", why="cut"), Gap(where="turns[3].reply", why="cut")),
)


async def fork(agent: Any, from_turn: int, recorded: Conversation = DANA) -> Run:
    return await replay(Case(id="dana", recorded=recorded), CallableAgent(agent), How(from_turn=from_turn))


@pytest.mark.parametrize("from_turn", [1, 2, 3, 4])
async def test_the_unchanged_agent_goes_on_as_recorded_from_any_turn(from_turn: int) -> None:
    done = await fork(ScriptedAgent(DANA), from_turn)
    assert done.ending.reason == "completed"
    assert not done.divergences
    assert done.held_turns == from_turn - 1
    assert [answer.turn_index for answer in done.user_answers] == list(range(from_turn - 1, 4))
    assert not compare(DANA, done.conversation).changes


async def test_the_agent_sees_the_held_turns_as_if_it_had_spoken_in_them() -> None:
    whole: list[list[dict[str, Any]]] = []
    forked: list[list[dict[str, Any]]] = []

    def listening(seen: list[list[dict[str, Any]]]) -> Any:
        script = ScriptedAgent(DANA)

        async def agent(messages: list[dict[str, Any]]) -> dict[str, Any]:
            seen.append(messages)
            return await script(messages)

        return agent

    def without_ids(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        plain = [{key: value for key, value in message.items() if key != "tool_call_id"} for message in messages]
        for message in plain:
            message["tool_calls"] = [one["function"] for one in message.get("tool_calls", ())]
        return plain

    await fork(listening(whole), 1)
    await fork(listening(forked), 3)
    assert without_ids(forked[0]) == without_ids(whole[3])
    assert forked[0][4]["tool_call_id"] == forked[0][3]["tool_calls"][0]["id"]


async def test_what_was_written_in_a_held_turn_is_not_written_again() -> None:
    again = ScriptedAgent(
        DANA.but(
            turns=(
                *DANA.turns[:3],
                turn("Thanks", call("refund", {"id": "A-1"}), reply="Again!").but(index=3),
            )
        )
    )
    done = await fork(again, 4)
    assert [one.kind for one in done.divergences] == ["write_repeated"]
    assert "asked once more" in done.divergences[0].why


async def test_what_is_unknown_of_the_held_turns_stays_unknown() -> None:
    done = await fork(ScriptedAgent(DANA), 3)
    assert [gap.where for gap in done.conversation.gaps] == ["turns[0].reply"]


async def test_a_turn_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadSetting, match="there is no turn 5 to begin from: the recording has 4"):
        await fork(ScriptedAgent(DANA), 5)


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        (MustNotCall(tool="refund"), True),
        (MustNotCall(tool="refund", turn=3), None),
        (MustNotCall(tool="refund", turn=4), True),
        (MustCall(tool="refund"), True),
        (MustCall(tool="find", turn=4), False),
        (MustSay(text="Refunded"), True),
    ],
)
async def test_the_agent_is_not_judged_by_what_it_had_no_say_in(expected: Expectation, holds: bool | None) -> None:
    case = Case(id="dana", recorded=DANA, expected=(expected,))
    done = await replay(case, CallableAgent(ScriptedAgent(DANA)), How(from_turn=4))
    (score,) = check(case, done, compare(DANA, done.conversation))
    assert (score.value if isinstance(score, Score) else None) == holds

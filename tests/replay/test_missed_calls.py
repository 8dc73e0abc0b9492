"""What becomes of a call that no recording answers, and how long a recorded one takes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import taketwo
from taketwo.conversation import Conversation, ToolDefinition
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.stand_in import StandIn, person, stub
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import ScriptedAgent, call, conversation, turn

RECORDED = conversation(
    turn("A?", call("get_order", {"order_id": "W-1"}, result="packed"), reply="Packed."),
)
ASKED = conversation(
    turn("A?", call("get_order", {"order_id": "W-2"}, result="never read"), reply="Packed."),
)
STAND_IN = ToolPolicy(on_miss="stand_in")


async def replayed(
    script: Conversation, policy: ToolPolicy, stand_in: StandIn | None = None, recorded: Conversation = RECORDED
) -> Run:
    case = Case(id="case", recorded=recorded)
    return await replay(case, CallableAgent(ScriptedAgent(script)), How(tools=policy, stand_in=stand_in))


async def test_a_stub_answers_a_missed_call_and_is_named() -> None:
    run = await replayed(ASKED, STAND_IN, stub(lambda tool, arguments: {"tool": tool, **arguments}, "my_stub"))
    (answer,) = run.tool_answers
    assert (answer.tier, answer.made_by, answer.why) == ("synthesised", "my_stub", "made by my_stub")
    assert run.conversation.turns[0].calls[0].result == {"tool": "get_order", "order_id": "W-2"}
    assert run.ending.reason == "completed"


async def test_what_a_stub_raises_is_the_error_of_the_tool_and_a_lookup_error_is_a_miss() -> None:
    def broken(tool: str, arguments: dict[str, Any]) -> None:
        raise ValueError("no such order")

    def knows_nothing(tool: str, arguments: dict[str, Any]) -> None:
        raise KeyError(tool)

    run = await replayed(ASKED, STAND_IN, stub(broken, "broken"))
    assert run.conversation.turns[0].calls[0].error == "ValueError: no such order"
    assert (await replayed(ASKED, STAND_IN, stub(knows_nothing, "x"))).ending.reason == "missed"


@pytest.mark.parametrize(
    ("typed", "came_back"),
    [('{"status": "lost"}', ({"status": "lost"}, None)), ("lost", ("lost", None)), ("error: gone", (None, "gone"))],
)
async def test_a_person_is_shown_the_call_and_types_its_result(typed: str, came_back: tuple[Any, Any]) -> None:
    shown: list[str] = []

    def ask(text: str) -> str:
        shown.append(text)
        return typed

    run = await replayed(ASKED, STAND_IN, person(ask))
    made = run.conversation.turns[0].calls[0]
    assert (made.result, made.error) == came_back
    assert 'get_order {"order_id":"W-2"}' in shown[0]
    assert 'recorded "W-1", asked "W-2"' in shown[0]
    assert run.tool_answers[0].made_by == "person"
    assert (await replayed(ASKED, STAND_IN, person(lambda text: ""))).ending.reason == "missed"


async def test_nobody_is_asked_for_what_is_recorded() -> None:
    def must_not(tool: str, arguments: dict[str, Any]) -> None:
        raise AssertionError

    run = await replayed(RECORDED, STAND_IN, stub(must_not, "x"))
    assert run.tool_answers[0].tier == "exact"
    assert run.tool_answers[0].confidence == 0.99


async def test_tools_take_the_share_of_the_recorded_time_that_is_asked_for() -> None:
    slow = conversation(
        turn("A?", call("get_order", {"order_id": "W-1"}, result="packed").but(latency_ms=200.0), reply="Packed.")
    )
    began = time.perf_counter()
    run = await replayed(slow, ToolPolicy(latency=0.5), recorded=slow)
    assert time.perf_counter() - began >= 0.1
    assert run.conversation.turns[0].calls[0].latency_ms == 100.0
    assert (await replayed(slow, ToolPolicy(), recorded=slow)).conversation.turns[0].calls[0].latency_ms is None


async def test_a_marked_tool_takes_its_time_too() -> None:
    @taketwo.tool
    async def get_order(order_id: str) -> str:
        raise AssertionError("must not run")

    async def agent(messages: list[Any]) -> str:
        return await get_order(order_id="W-1")

    slow = conversation(
        turn("A?", call("get_order", {"order_id": "W-1"}, result="packed").but(latency_ms=100.0), reply="packed")
    )
    began = time.perf_counter()
    run = await replay(Case(id="case", recorded=slow), CallableAgent(agent), How(tools=ToolPolicy(latency=1.0)))
    assert time.perf_counter() - began >= 0.1
    assert run.conversation.turns[0].reply == "packed"


async def test_a_pure_tool_of_this_process_runs_where_nothing_recorded_answers() -> None:
    @taketwo.tool(pure=True)
    def vat(net: float) -> float:
        return net * 1.2

    async def agent(messages: list[Any]) -> str:
        return f"{vat(net=10)} {vat(net=5)}"

    recorded = conversation(turn("?", call("vat", {"net": 10}, result=12.0), reply="x"))
    run = await replay(Case(id="case", recorded=recorded), CallableAgent(agent))
    assert run.conversation.turns[0].reply == "12.0 6.0"
    assert [answer.tier for answer in run.tool_answers] == ["exact", "live"]


async def test_a_scenario_file_corrects_what_is_learned() -> None:
    handed = conversation(
        turn("?", call("hand_over", {"note": "the customer wants to talk to somebody"}, result="queued"), reply="x")
    )
    other = conversation(
        turn("?", call("hand_over", {"note": "she would like to be called back soon"}, result=""), reply="x")
    )
    agent = handed.agent.but(tools=(ToolDefinition(name="hand_over", ignores=("note",)),))
    run = await replayed(other, ToolPolicy(), recorded=handed.but(agent=agent))
    assert run.tool_answers[0].tier == "volatile"
    none_ignored = handed.agent.but(tools=(ToolDefinition(name="hand_over", writes=True, ignores=()),))
    run = await replayed(other, ToolPolicy(), recorded=handed.but(agent=none_ignored))
    assert run.ending.reason == "missed"


async def test_a_live_write_is_seen_by_later_reads() -> None:
    @taketwo.tool(writes=True)
    def cancel_order(order_id: str) -> str:
        return json.dumps({"order_id": order_id, "status": "cancelled"})

    @taketwo.tool
    def get_order(order_id: str) -> str:
        raise AssertionError("must not run")

    async def agent(messages: list[Any]) -> str:
        cancel_order(order_id="W-1")
        return get_order(order_id="W-1")

    recorded = conversation(
        turn("?", call("get_order", {"order_id": "W-1"}, result='{"order_id": "W-1", "status": "open"}'), reply="x")
    )
    case = Case(id="case", recorded=recorded)
    run = await replay(case, CallableAgent(agent), How(tools=ToolPolicy(live=("cancel_order",))))
    assert [answer.tier for answer in run.tool_answers] == ["live", "state"]
    assert run.conversation.turns[0].reply == '{"order_id": "W-1", "status": "cancelled"}'

"""A model that stands in for tools, over the protocol of a real provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_providers import fake_providers

from taketwo.conversation import Conversation, ToolDefinition
from taketwo.llm import ModelSettings, open_model
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.modelled_tools import CONFIDENCE, modelled
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import ScriptedAgent, call, conversation, turn

pytest.importorskip("pydantic_ai", reason="the extra [llm] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FOUND = json.dumps({"order_id": "W-1", "status": "packed"})
RECORDED = conversation(turn("A?", call("get_order", {"order_id": "W-1"}, result=FOUND), reply="Packed."))
RECORDED = RECORDED.but(
    agent=RECORDED.agent.but(tools=(ToolDefinition(name="get_order", description="Finds an order"),))
)
ASKED = conversation(turn("A?", call("get_order", {"order_id": "W-2"}, result="never read"), reply="Packed."))


async def replayed(thinks: Any, script: Conversation = ASKED) -> Run:
    with fake_providers(thinks) as server:
        model = open_model(ModelSettings(model="local", base_url=f"{server.url}/v1"))
        return await replay(
            Case(id="case", recorded=RECORDED),
            CallableAgent(ScriptedAgent(script)),
            How(tools=ToolPolicy(on_miss="stand_in"), stand_in=modelled(model)),
        )


async def test_it_is_shown_the_tool_and_its_results_and_answers_in_their_form() -> None:
    shown: list[str] = []

    def thinks(situation: str) -> Any:
        shown.append(situation)
        return {"known": True, "result": {"order_id": "W-2", "status": "lost"}, "error": None}

    run = await replayed(thinks)
    (made,) = run.conversation.turns[0].calls
    # The recorded tool gives JSON as text, so its stand-in does.
    assert json.loads(made.result) == {"order_id": "W-2", "status": "lost"}
    (answer,) = run.tool_answers
    assert (answer.tier, answer.confidence) == ("synthesised", CONFIDENCE)
    assert answer.made_by is not None and "local" in answer.made_by
    assert "Finds an order" in shown[0] and "packed" in shown[0] and "W-2" in shown[0]
    assert run.fidelity is not None and run.fidelity.score < 0.5


async def test_it_may_refuse_as_the_tool_would_and_what_it_does_not_know_is_a_miss() -> None:
    refused = await replayed(lambda situation: {"known": True, "result": None, "error": "no such order"})
    assert refused.conversation.turns[0].calls[0].error == "no such order"
    unknown = await replayed(lambda situation: {"known": False, "result": None, "error": None})
    assert unknown.ending.reason == "missed"


async def test_a_model_that_cannot_be_asked_leaves_a_miss_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    model = open_model(ModelSettings(model="local", base_url="http://127.0.0.1:1/v1"))
    run = await replay(
        Case(id="case", recorded=RECORDED),
        CallableAgent(ScriptedAgent(ASKED)),
        How(tools=ToolPolicy(on_miss="stand_in"), stand_in=modelled(model)),
    )
    assert run.ending.reason == "missed"
    assert "no model answers `get_order`" in caplog.text

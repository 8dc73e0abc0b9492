"""The tools of the real frameworks in a replay; only the model is a fake, which speaks OpenAI's protocol."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fake_endpoint import Answer, raw, serving

import taketwo
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

pytestmark = pytest.mark.slow

STATUS = conversation(
    turn(
        "Where is A-1?",
        call("check_status", {"order_id": "A-1"}, result={"parcel": "lost"}),
        call("check_status", {"order_id": "B-2"}, error="no order B-2"),
        reply="It is lost.",
    )
)
ran: list[str] = []


def check_status(order_id: str, depth: int = 3) -> str:
    """Look an order up."""
    ran.append(order_id)
    return f"really looked up {order_id}"


def completion(order_id: str | None) -> Answer:
    """The model's answer: a call for this order, or the reply."""
    function = {"name": "check_status", "arguments": json.dumps({"order_id": order_id})}
    calls = [{"id": f"call_{order_id}", "type": "function", "function": function}]
    message: dict[str, Any] = {"role": "assistant", "content": "It is lost." if order_id is None else None}
    if order_id is not None:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": "stop" if order_id is None else "tool_calls"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice], "usage": usage}
    return raw(200, json.dumps(body).encode(), content_type="application/json")


Answering = Callable[[str, str], Awaitable[str]]


async def openai_agents(base_url: str, line: str) -> str:
    agents = pytest.importorskip("agents", reason="the OpenAI Agents SDK is not installed")
    from openai import AsyncOpenAI

    agents.set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=base_url, api_key="none")
    tools = taketwo.intercept([agents.function_tool(check_status)])
    model = agents.OpenAIChatCompletionsModel(model="gpt", openai_client=client)
    result = await agents.Runner.run(agents.Agent(name="desk", model=model, tools=tools), line)
    await client.close()
    return str(result.final_output)


async def langgraph(base_url: str, line: str) -> str:
    pytest.importorskip("langgraph", reason="LangGraph is not installed")
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.prebuilt import ToolNode

    (looked_up,) = taketwo.intercept([tool(check_status)])
    model = ChatOpenAI(base_url=base_url, api_key="none", model="gpt")
    try:
        return await _graph(model.bind_tools([looked_up]), ToolNode([looked_up]), line)
    finally:
        await model.root_async_client.close()


async def _graph(model: Any, node: Any, line: str) -> str:
    from langgraph.graph import END, START, MessagesState, StateGraph

    async def ask(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", ask)
    graph.add_node("tools", node)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "model")
    result = await graph.compile().ainvoke({"messages": [("user", line)]})
    return str(result["messages"][-1].content)


async def pydantic_ai(base_url: str, line: str) -> str:
    pytest.importorskip("pydantic_ai", reason="Pydantic AI is not installed")
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.toolsets import FunctionToolset

    toolset = taketwo.intercept(FunctionToolset([check_status], max_retries=3))
    async with AsyncOpenAI(base_url=base_url, api_key="none") as client:
        model = OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=client))
        return str((await Agent(model, toolsets=[toolset]).run(line)).output)


async def plain_loop(base_url: str, line: str) -> str:
    pytest.importorskip("openai", reason="the OpenAI client is not installed")
    from openai import AsyncOpenAI

    tools = taketwo.intercept({"check_status": check_status})
    messages: list[Any] = [{"role": "user", "content": line}]
    async with AsyncOpenAI(base_url=base_url, api_key="none") as client:
        while True:
            answer = await client.chat.completions.create(model="gpt", messages=messages)
            message = answer.choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                return str(message.content)
            for one in message.tool_calls:
                try:
                    result = json.dumps(tools[one.function.name](**json.loads(one.function.arguments)))
                except taketwo.ToolError as error:
                    result = str(error)
                messages.append({"role": "tool", "tool_call_id": one.id, "content": result})


async def run(answering: Answering, base_url: str, policy: ToolPolicy) -> Run:
    async def agent(messages: list[dict[str, Any]]) -> str:
        return await answering(base_url, messages[-1]["content"])

    return await replay(Case(id="status", recorded=STATUS), CallableAgent(agent), How(tools=policy))


FRAMEWORKS = pytest.mark.parametrize("answering", [openai_agents, langgraph, pydantic_ai, plain_loop])


@FRAMEWORKS
async def test_tools_of_a_framework_are_answered_and_not_run(answering: Answering) -> None:
    ran.clear()
    with serving(completion("A-1"), completion("B-2"), completion(None)) as (url, fake):
        done = await run(answering, url.removesuffix("/chat/completions"), ToolPolicy())
    assert done.ending.reason == "completed", done.ending
    assert done.conversation.turns[0].reply == "It is lost."
    assert [answer.tier for answer in done.tool_answers] == ["exact", "exact"]
    last = json.dumps(fake.requests[-1]["messages"])
    assert "lost" in last and "no order B-2" in last
    assert not ran


@FRAMEWORKS
async def test_a_tool_that_may_run_really_runs(answering: Answering) -> None:
    ran.clear()
    with serving(completion("C-3"), completion(None)) as (url, fake):
        done = await run(answering, url.removesuffix("/chat/completions"), ToolPolicy(live=("check_status",)))
    assert ran == ["C-3"]
    assert "really looked up C-3" in json.dumps(fake.requests[-1]["messages"])
    assert [answer.tier for answer in done.tool_answers] == ["live"]


@FRAMEWORKS
async def test_outside_a_replay_nothing_changes(answering: Answering) -> None:
    ran.clear()
    with serving(completion("A-1"), completion(None)) as (url, _):
        assert await answering(url.removesuffix("/chat/completions"), "Where is A-1?") == "It is lost."
    assert ran == ["A-1"]


def test_what_is_no_tool_is_refused() -> None:
    with pytest.raises(TypeError, match="int is no tool that is known"):
        taketwo.intercept([3])

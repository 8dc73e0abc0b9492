"""The demo's support desk, in the version that has the bug and in the one that has not.

It is driven by rules, so that it runs without a model; with `TAKETWO_LLM_BASE_URL` set, the same desk is driven by that
OpenAI-compatible model (`TAKETWO_LLM_MODEL`, `TAKETWO_LLM_API_KEY`). Either way it is instrumented with OpenTelemetry
as any agent in production is: one `invoke_agent` span a turn, `chat` and `execute_tool` spans below it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

import taketwo
from taketwo.demo.shop import ORDERS, TOOLS

Message: TypeAlias = dict[str, Any]
"""A chat message in OpenAI's form."""
Model: TypeAlias = Callable[[str, list[Message]], Awaitable[Message]]
"""Reads a system prompt and the messages so far, answers with the assistant's next message."""

DEFAULT_MODEL = "gpt-4o-mini"
"""Asked for where `TAKETWO_LLM_MODEL` names no other."""

PROMPT_V1 = """You are the support desk of a small household shop. Be brief and friendly.
Use the tools to look things up; never guess. When a customer mentions a refund, pay it with issue_refund at once."""

PROMPT_V2 = """You are the support desk of a small household shop. Be brief and friendly.
Use the tools to look things up; never guess. When a customer asks how a refund stands, use check_status.
Pay a refund with issue_refund only when the customer asks for the money back."""


async def desk_v1(messages: list[Message]) -> str:
    """The desk as it went live on Tuesday: whoever mentions a refund gets one."""
    return await _answer(messages, PROMPT_V1)


async def desk_v2(messages: list[Message]) -> str:
    """The desk after the fix: a question about a refund is looked up."""
    return await _answer(messages, PROMPT_V2)


async def _answer(messages: list[Message], prompt: str) -> str:
    """The usual loop: ask the model, run the tools it wants, until it answers in words."""
    model = _model()
    history = [message for message in messages if message["role"] != "system"]
    with _tracer().start_as_current_span("invoke_agent support-desk") as span:
        span.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support-desk"})
        for _ in range(8):
            said = await _chat(model, prompt, history)
            history.append(said)
            if not said.get("tool_calls"):
                return str(said["content"])
            history += [await _run_tool(call) for call in said["tool_calls"]]
    return "I am sorry, I could not find that out."


async def _chat(model: Model, prompt: str, history: list[Message]) -> Message:
    """One call of the model, in a span that carries what was asked and answered."""
    name = "rules" if model is follow_rules else os.environ.get("TAKETWO_LLM_MODEL", DEFAULT_MODEL)
    with _tracer().start_as_current_span(f"chat {name}", kind=SpanKind.CLIENT) as span:
        said = await model(prompt, history)
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "rules" if name == "rules" else "openai",
                "gen_ai.request.model": name,
                "gen_ai.response.model": name,
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": prompt}]),
                "gen_ai.input.messages": json.dumps([_parts(message) for message in history]),
                "gen_ai.output.messages": json.dumps([{**_parts(said), "finish_reason": "stop"}]),
                "gen_ai.tool.definitions": json.dumps(definitions()),
            }
        )
        return said


async def _run_tool(call: Message) -> Message:
    """Run one tool; an error is shown to the model as a text."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    with _tracer().start_as_current_span(f"execute_tool {name}") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": call["id"],
                "gen_ai.tool.call.arguments": arguments,
            }
        )
        result = _result(name, arguments, span)
        span.set_attribute("gen_ai.tool.call.result", result)
    return {"role": "tool", "tool_call_id": call["id"], "name": name, "content": result}


def _result(name: str, arguments: str, span: Span) -> str:
    """What the tool gave, as the text that the model reads."""
    tools = {tool.__name__: tool for tool, _ in TOOLS}
    try:
        given = tools[name](**json.loads(arguments))
    except (ValueError, TypeError, KeyError, taketwo.ToolError) as error:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, str(error)))
        span.set_attribute("error.type", type(error).__name__)
        return f"Error: {error}"
    return given if isinstance(given, str) else json.dumps(given)


def definitions() -> list[dict[str, Any]]:
    """The tools as a model is told of them."""
    return [
        {"type": "function", "name": tool.__name__, "description": tool.__doc__, "parameters": schema}
        for tool, schema in TOOLS
    ]


def _parts(message: Message) -> dict[str, Any]:
    """A chat message in the form of OpenTelemetry's GenAI conventions."""
    if message["role"] == "tool":
        part = {"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]}
        return {"role": "tool", "parts": [part]}
    parts: list[dict[str, Any]] = [
        {
            "type": "tool_call",
            "id": call["id"],
            "name": call["function"]["name"],
            "arguments": json.loads(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", ())
    ]
    if message.get("content"):
        parts.insert(0, {"type": "text", "content": message["content"]})
    return {"role": message["role"], "parts": parts}


def _tracer() -> trace.Tracer:
    return trace.get_tracer("taketwo.demo.desk")


def _model() -> Model:
    return _ask_model if os.environ.get("TAKETWO_LLM_BASE_URL") else follow_rules


async def _ask_model(prompt: str, history: list[Message]) -> Message:
    """The next message of a real model behind an OpenAI-compatible endpoint."""
    import httpx

    tools = [{"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}} for tool in definitions()]
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            os.environ["TAKETWO_LLM_BASE_URL"].rstrip("/") + "/chat/completions",
            headers={"Authorization": f"Bearer {os.environ.get('TAKETWO_LLM_API_KEY', 'none')}"},
            json={
                "model": os.environ.get("TAKETWO_LLM_MODEL", DEFAULT_MODEL),
                "messages": [{"role": "system", "content": prompt}, *history],
                "tools": tools,
                "temperature": 0,
            },
        )
    answer.raise_for_status()
    said: Message = answer.json()["choices"][0]["message"]
    return {key: value for key, value in said.items() if key in ("role", "content", "tool_calls") and value}


async def follow_rules(prompt: str, history: list[Message]) -> Message:
    """What a model would do, by rules: look something up first, then tell the customer what came back."""
    if history[-1]["role"] == "tool":
        return {"role": "assistant", "content": _tell(history[-1]["name"], history[-1]["content"])}
    asked = _words(history[-1])
    order_id = _order_named(history)
    wanted = _wanted(asked, order_id, careful="check_status" in prompt)
    if wanted is None:
        return {"role": "assistant", "content": _small_talk(asked, order_id)}
    tool, arguments = wanted
    # The id depends on nothing but the place, as the rules do not roll dice.
    call = {"id": f"call_{len(history)}", "type": "function"}
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{**call, "function": function}]}


def _wanted(asked: str, order_id: str | None, *, careful: bool) -> tuple[str, dict[str, Any]] | None:
    """The tool that the rules pick for this line. `careful` is the whole difference between the two versions."""
    if re.search(r"how long|policy|usually|rules|for free", asked):
        topics = [topic for topic in ("refund", "return", "shipping") if topic[:4] in asked]
        return "search_policy", {"topic": topics[0] if topics else "shipping"}
    if order_id is None:
        return None
    if "refund" in asked and not (careful and "status" in asked):
        return "issue_refund", {"order_id": order_id, "amount": ORDERS.get(order_id, {"total": 0})["total"]}
    if address := re.search(r"send it to (.+?)[.?!]?$", asked):
        return "change_address", {"order_id": order_id, "address": address[1]}
    if re.search(r"where|status|arriv|reach|deliver|track|left", asked):
        return "check_status", {"order_id": order_id}
    if re.search(r"a-\d+", asked):
        return "find_order", {"order_id": order_id}
    return None


def _tell(tool: str, result: str) -> str:
    """The reply that follows from what a tool gave."""
    if result.startswith("Error: "):
        return f"I am sorry, that did not work: {result[7:]}."
    if tool == "search_policy":
        return result
    given = json.loads(result)
    match tool:
        case "find_order":
            return f"I see order {given['order_id']}: {given['item']}, ${given['total']:.2f}, bought {given['bought']}."
        case "issue_refund":
            return f"Done: I have refunded ${given['amount']:.2f} to your card (refund {given['refund_id']})."
        case "change_address":
            return f"Order {given['order_id']} will be sent to {given['address']}."
        case _:
            facts = "; ".join(f"{what}: {state}" for what, state in given.items() if what != "order_id")
            return f"Order {given['order_id']}: {facts}."


def _small_talk(asked: str, order_id: str | None) -> str:
    """A reply that needs no tool."""
    if re.search(r"thank|bye|great|that's all", asked):
        return "You're welcome! Have a nice day."
    return "How else can I help you?" if order_id else "Could you tell me the order number, please?"


def _order_named(history: list[Message]) -> str | None:
    """The order that the customer named last."""
    named = [found for m in history if m["role"] == "user" for found in re.findall(r"a-\d+", _words(m))]
    return named[-1].upper() if named else None


def _words(message: Message) -> str:
    return str(message["content"]).lower()

"""Google's Agent Development Kit 1: requests and responses of Gemini under `gcp.vertex.agent.*`; 2 is semconv."""

from __future__ import annotations

import re
from collections.abc import Mapping

from taketwo.capture.dialects import marks, otel_genai
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, number_of, python_literal, text_of
from taketwo.capture.dialects.messages import instructions, read_messages
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Message, Reading, ToolCall, ToolResult
from taketwo.span import Span
from taketwo.value import JSON

SCOPE = "gcp.vertex.agent"
MERGED = "(merged tools)"
REQUEST, RESPONSE = "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"

SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_output_tokens": "max_tokens",
    "seed": "seed",
    "stop_sequences": "stop",
}
"""Settings in Gemini's request, and their names in other model APIs."""


def reads(span: Span) -> bool:
    """Whether ADK made the span."""
    return span.scope == SCOPE or REQUEST in span.attributes


def read(span: Span) -> Reading:
    """A model call, a tool, or a run; what is in semconv's form is read as such."""
    attributes = span.attributes
    if "gen_ai.tool.name" in attributes:
        return _tool(span)
    reading = otel_genai.read(span).but(rule="adk")
    if span.name == "invocation" or span.name.startswith(("agent_run", "invoke_agent")):
        name = reading.agent or _named_in(span.name)
        # OpenInference writes each model call of a run to the span of the run: whole are only the values of the last.
        if attributes.get("openinference.span.kind") == "LLM":
            last = as_object(attributes.get("input.value")) or {}
            return _model(attributes, reading.but(agent=name), last, attributes.get("output.value"))
        return reading.but(kind="agent", agent=name)
    given = as_object(attributes.get(REQUEST))
    if given and "contents" in given:
        return _model(attributes, reading, given, attributes.get(RESPONSE))
    if span.name == "call_llm":
        reading = reading.but(kind="model")
    if reading.request is not None:
        reading = reading.but(request=without_context(reading.request))
    return reading


def _named_in(name: str) -> str | None:
    _, _, rest = name.partition(" ")
    return rest.strip("[]") or None


def _model(attributes: Mapping[str, JSON], reading: Reading, given: dict[str, JSON], answer: JSON) -> Reading:
    config = as_object(given.get("config")) or {}
    gave = as_object(answer) or {}
    content = gave.get("content")
    counted = as_object(gave.get("usage_metadata")) or {}
    return reading.but(
        kind="model",
        evidence="messages",
        request=without_context(read_messages(given.get("contents"))),
        request_rule=REQUEST,
        response=read_messages(content, "assistant") if content is not None else None,
        response_rule=RESPONSE,
        system=instructions(config.get("system_instruction")),
        tools=read_definitions(config.get("tools")),
        model=text_of(given.get("model")) or reading.model,
        settings={name: config[key] for key, name in SETTINGS.items() if config.get(key) is not None},
        input_tokens=number_of(counted.get("prompt_token_count", reading.input_tokens)),
        output_tokens=number_of(counted.get("candidates_token_count", reading.output_tokens)),
        finish=text_of(gave.get("finish_reason")) or reading.finish,
        hidden=marks.LEFT_OUT,
    )


def _tool(span: Span) -> Reading:
    attributes = span.attributes
    name = text_of(attributes.get("gen_ai.tool.name"))
    if name is None or name == MERGED:
        return Reading(rule="adk")
    identity = text_of(attributes.get("gen_ai.tool.call.id"))
    given = attributes.get("gcp.vertex.agent.tool_call_args", attributes.get("gen_ai.tool.call.arguments"))
    gave = attributes.get("gcp.vertex.agent.tool_response", attributes.get("gen_ai.tool.call.result"))
    gave = None if gave in ("<not specified>", "{}", "N/A") else gave
    result = as_object(gave) if gave is not None else None
    ran = execution(
        span,
        name=name,
        call_id=None if identity == "<not specified>" else identity,
        arguments=as_object(given),
        result=result if result is not None else gave,
    )
    return Reading(
        kind="tool",
        rule="adk",
        error=failure(span),
        agent=text_of(attributes.get("gen_ai.agent.name")),
        execution=ran,
    )


_CONTEXT = re.compile(r"For context:\n\[(?P<agent>[^\]\n]+)\] (?P<what>.*)", re.DOTALL)
_CALLED = re.compile(r"called tool `(?P<tool>[^`]+)` with parameters: (?P<given>.*)", re.DOTALL)
_RETURNED = re.compile(r"`(?P<tool>[^`]+)` tool returned result: (?P<gave>.*)", re.DOTALL)


def without_context(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with what other agents did as their own doing: ADK tells it to an agent as if the user said it."""
    return tuple(_own(message) for message in messages)


def _own(message: Message) -> Message:
    context = _CONTEXT.fullmatch(message.text) if message.role == "user" else None
    if context is None:
        return message
    what = context["what"]
    if (called := _CALLED.fullmatch(what)) is not None:
        arguments = python_literal(called["given"].strip())
        given = arguments if isinstance(arguments, dict) else None
        flaw = None if given is not None else "they are no JSON"
        call = ToolCall(name=called["tool"], arguments=given, text=None if given else called["given"], flaw=flaw)
        return Message(role="assistant", calls=(call,))
    if (returned := _RETURNED.fullmatch(what)) is not None:
        value = python_literal(returned["gave"].strip())
        result = ToolResult(name=returned["tool"], value=returned["gave"] if value is None else value)
        return Message(role="tool", results=(result,))
    return Message(role="assistant", text=what.removeprefix("said: "))

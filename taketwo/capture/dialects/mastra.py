"""Mastra: `mastra.span.type`, with whole messages around all steps of a model, and each step's answer on its span."""

from __future__ import annotations

import re

from taketwo.capture.dialects import marks, otel_genai
from taketwo.capture.dialects.definitions import named_tools
from taketwo.capture.dialects.loose_json import as_object
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.reading import Kind, Message, Reading, ToolCall, ToolResult
from taketwo.span import Span
from taketwo.value import JSON

TYPE = "mastra.span.type"

KINDS: dict[str, Kind] = {
    "agent_run": "agent",
    "workflow_run": "agent",
    "model_generation": "model",
    "model_step": "model",
    "model_inference": "model",
    "tool_call": "tool",
    "mcp_tool_call": "tool",
    "model_chunk": "part",
}
"""What the values of `mastra.span.type` stand for."""


def reads(span: Span) -> bool:
    """Whether Mastra says what kind of span it is."""
    return TYPE in span.attributes


def read(span: Span) -> Reading:
    """The span by its type; what its exporter writes as semconv's is read as such."""
    word = str(span.attributes[TYPE])
    kind = KINDS.get(word, "other")
    reading = otel_genai.read(span).but(rule="mastra", kind=kind)
    given, gave = (span.attributes.get(f"mastra.{word}.{end}") for end in ("input", "output"))
    match word:
        case "model_generation":
            return _generation(reading, given)
        case "model_step":
            return _step(reading, given, gave)
        case _ if kind == "tool" and "gen_ai.tool.name" not in span.attributes:
            return Reading(rule="mastra", kind=kind)
        case _ if kind == "agent":
            answer = as_object(gave)
            return reading.but(
                input=given,
                output=answer.get("text") if answer is not None else gave,
                tools=named_tools(span.attributes.get("gen_ai.tool.definitions")),
            )
        case _:
            return reading


def _generation(reading: Reading, given: JSON) -> Reading:
    """What the first step was given; what was given back is that of all steps in one, and so no message."""
    request = read_messages((as_object(given) or {}).get("messages"))
    talk, system = without_system(request)
    return reading.but(
        evidence="messages" if request else "nothing",
        request=talk or None,
        request_rule="mastra.model_generation.input",
        system=system,
        hidden=marks.LEFT_OUT,
    )


def _step(reading: Reading, given: JSON, gave: JSON) -> Reading:
    """What a step was given, in which words stand for calls and results, and what it gave."""
    request = tuple(map(_out_of_words, read_messages(given)))
    talk, system = without_system(request)
    answer = as_object(gave)
    response: tuple[Message, ...] | None = None
    if answer is not None:
        calls = answer.get("toolCalls")
        said = {"role": "assistant", "content": answer.get("text")}
        response = read_messages(said | ({"tool_calls": calls} if isinstance(calls, list) else {}))
    return reading.but(
        evidence="messages" if response or talk else "nothing",
        request=talk or None,
        request_rule="mastra.model_step.input",
        system=system,
        response=response,
        response_rule="mastra.model_step.output",
        hidden=marks.LEFT_OUT,
    )


_CALL, _RESULT = re.compile(r"\[tool: ([^\]]+)\]"), re.compile(r"\[tool-result: ([^\]]+)\]")


def _out_of_words(message: Message) -> Message:
    """The message with calls and results, of which no more than the tool's name is known, in place of the words."""
    if message.role == "assistant" and (names := _CALL.findall(message.text)):
        calls = tuple(ToolCall(name=name, flaw=marks.LEFT_OUT) for name in names)
        return message.but(text=_CALL.sub("", message.text), calls=calls)
    told = " ".join(str(result.value) for result in message.results)
    if names := _RESULT.findall(told):
        return message.but(results=tuple(ToolResult(name=name, flaw=marks.LEFT_OUT) for name in names))
    return message

"""The AI SDK of Vercel up to 6, and 7 in its older form: `ai.*`."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, first_number, loosely, text_of
from taketwo.capture.dialects.messages import read_messages, told
from taketwo.capture.dialects.otel_genai import finish, read_settings
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

STEPS = (".doGenerate", ".doStream")
"""Ends of the operations that are model calls; those without are the runs around them."""

SETTING_NAMES = {
    "maxOutputTokens": "max_tokens",
    "maxTokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "stopSequences": "stop",
    "temperature": "temperature",
    "seed": "seed",
}
"""Settings of the model, and their names in model APIs; the others are the SDK's own."""


def reads(span: Span) -> bool:
    """Whether the span names an operation of the AI SDK."""
    return "ai.operationId" in span.attributes


def read(span: Span) -> Reading:
    """The span by its operation."""
    operation = str(span.attributes["ai.operationId"])
    reading = Reading(rule="vercel", error=failure(span), agent=text_of(span.attributes.get("ai.telemetry.functionId")))
    if operation == "ai.toolCall":
        return _tool(span, reading)
    if "mbed" in operation or "rerank" in operation:
        return reading.but(kind="retrieval")
    return _model(span, reading) if operation.endswith(STEPS) else _run(span, reading)


def _run(span: Span, reading: Reading) -> Reading:
    """The span around all steps. Its text and its tool calls are those of all steps: no message."""
    attributes = span.attributes
    given = as_object(attributes.get("ai.prompt"))
    return reading.but(
        kind="agent",
        input=given.get("messages") or given.get("prompt") if given is not None else None,
        output=attributes.get("ai.response.text", attributes.get("ai.result.text")),
        system=text_of(given.get("system")) if given is not None else None,
    )


def _model(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    given = attributes.get("ai.prompt.messages")
    request = read_messages(given) if given is not None else None
    response = _response(attributes)
    return reading.but(
        kind="model",
        **told(request, "ai.prompt.messages", response, "ai.response", rich="messages"),
        tools=read_definitions(attributes.get("ai.prompt.tools")),
        model=text_of(attributes.get("ai.response.model")) or text_of(attributes.get("ai.model.id")),
        provider=text_of(attributes.get("ai.model.provider")),
        settings=_settings(attributes),
        input_tokens=_count(attributes, "inputTokens", "promptTokens"),
        output_tokens=_count(attributes, "outputTokens", "completionTokens"),
        response_id=text_of(attributes.get("ai.response.id")),
        finish=text_of(attributes.get("ai.response.finishReason"))
        or finish(attributes.get("gen_ai.response.finish_reasons")),
        hidden=marks.LEFT_OUT,
    )


def _response(attributes: Mapping[str, JSON]) -> tuple[Message, ...] | None:
    """The message that a step gave: text, an object in place of text, tool calls."""
    text = attributes.get("ai.response.text", attributes.get("ai.result.text"))
    if text is None or text == "":
        text = attributes.get("ai.response.object", attributes.get("ai.result.object", text))
    calls = loosely(attributes.get("ai.response.toolCalls", attributes.get("ai.result.toolCalls")))
    if text is None and calls is None:
        return None
    item = {"role": "assistant", "content": text, "reasoning": attributes.get("ai.response.reasoning")}
    return read_messages(item | ({"tool_calls": calls} if isinstance(calls, list) else {}))


def _settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    own = {
        SETTING_NAMES[name]: value
        for key, value in attributes.items()
        if key.startswith("ai.settings.") and (name := key[12:]) in SETTING_NAMES and value is not None
    }
    return own | read_settings(attributes)


def _count(attributes: Mapping[str, JSON], *names: str) -> int | None:
    keys = (*(f"ai.usage.{name}" for name in names), f"gen_ai.usage.{names[0][:-6]}_tokens")
    return first_number(attributes, *keys)


def _tool(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    name = text_of(attributes.get("ai.toolCall.name"))
    if name is None:
        return reading
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("ai.toolCall.id")),
        arguments=as_object(attributes.get("ai.toolCall.args", attributes.get("ai.toolCall.input"))),
        result=loosely(attributes.get("ai.toolCall.result", attributes.get("ai.toolCall.output"))),
    )
    return reading.but(kind="tool", execution=ran)

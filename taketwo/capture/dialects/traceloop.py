"""OpenLLMetry by Traceloop: `traceloop.*` around, `gen_ai.prompt.0.*` for messages until they became semconv's."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.flat import family, flat_messages
from taketwo.capture.dialects.loose_json import encoded, text_of
from taketwo.capture.dialects.messages import read_messages, told
from taketwo.capture.dialects.otel_genai import finish, read_settings, usage
from taketwo.capture.dialects.tool_spans import called_with, execution, failure
from taketwo.capture.reading import Kind, Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

KINDS: dict[str, Kind] = {"workflow": "agent", "agent": "agent", "task": "agent", "tool": "tool"}
"""What the values of `traceloop.span.kind` stand for."""

MODEL_TYPES = {"chat", "completion", "acompletion", "text_completion", "responses", "aresponses"}
"""Values of `llm.request.type` that are model calls; LiteLLM writes the name of its function there."""

PROMPT, COMPLETION, FUNCTIONS = "gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions."
_MARKS = ("traceloop.span.kind", "llm.request.type", "gen_ai.prompt.0.role", "gen_ai.completion.0.role")


def reads(span: Span) -> bool:
    """Whether the span has Traceloop's kind, or messages in its flattened form."""
    return any(mark in span.attributes for mark in _MARKS)


def read(span: Span) -> Reading:
    """The span by Traceloop's kind, else as a model call."""
    attributes = span.attributes
    word = text_of(attributes.get("traceloop.span.kind"))
    kind = KINDS.get(word, "other") if word else "other"
    reading = Reading(kind=kind, rule="traceloop", error=failure(span))
    if kind == "tool":
        return _tool(span, reading)
    if kind == "agent":
        name = text_of(attributes.get("traceloop.entity.name")) if word == "agent" else None
        given, gave = attributes.get("traceloop.entity.input"), attributes.get("traceloop.entity.output")
        return reading.but(agent=text_of(attributes.get("gen_ai.agent.name")) or name, input=given, output=gave)
    return _model(span, reading) if _is_model(attributes) else reading


def _is_model(attributes: Mapping[str, JSON]) -> bool:
    word = text_of(attributes.get("llm.request.type"))
    return word in MODEL_TYPES or "gen_ai.prompt.0.role" in attributes or "gen_ai.completion.0.role" in attributes


def _tool(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    name = text_of(attributes.get("gen_ai.tool.name")) or text_of(attributes.get("traceloop.entity.name"))
    if name is None:
        name = span.name.removesuffix(".tool")
    given = attributes.get("traceloop.entity.input", attributes.get("gen_ai.tool.call.arguments"))
    gave = attributes.get("traceloop.entity.output", attributes.get("gen_ai.tool.call.result"))
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=called_with(given),
        result=encoded(gave) if isinstance(gave, str) and gave.startswith('"') else gave,
    )
    return reading.but(execution=ran)


def _model(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    request, lacks = flat_messages(attributes, PROMPT, "user", dropped=span.dropped_attributes)
    response = completion_messages(attributes)
    return usage(attributes, reading).but(
        kind="model",
        **told(request, PROMPT.rstrip("."), response, COMPLETION.rstrip("."), rich="flat"),
        request_lacks=lacks,
        tools=read_definitions(family(attributes, FUNCTIONS)),
        settings=read_settings(attributes),
        finish=finish(attributes.get("gen_ai.response.finish_reasons"))
        or text_of(attributes.get("gen_ai.completion.0.finish_reason")),
        hidden=marks.DROPPED if span.dropped_attributes else marks.LEFT_OUT,
    )


def completion_messages(attributes: Mapping[str, JSON]) -> tuple[Message, ...] | None:
    """The response in `gen_ai.completion.N`: N counts choices, or, in LiteLLM, the tool calls of the one choice."""
    members = family(attributes, COMPLETION)
    if not members:
        return None
    return tuple(
        message.but(flaw=marks.LEFT_OUT) if not (message.text or message.calls or message.reasoning) else message
        for message in read_messages([_assistant(member) for member in members], "assistant")
    )


def _assistant(member: JSON) -> JSON:
    return {"role": "assistant", **member} if isinstance(member, dict) else member

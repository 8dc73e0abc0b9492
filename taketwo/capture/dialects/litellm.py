"""LiteLLM: semconv's messages without the tool calls of the response, which stand in `gen_ai.completion.N`."""

from __future__ import annotations

from taketwo.capture.dialects import otel_genai, traceloop
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.flat import family
from taketwo.capture.dialects.loose_json import python_literal, text_of
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.dialects.tool_spans import failure
from taketwo.capture.reading import Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

RAW = "raw_gen_ai_request"
"""Name of the span below each model call that holds what went over the wire, printed by Python."""


def reads(span: Span) -> bool:
    """Whether LiteLLM made the span."""
    return span.scope == "litellm" or span.name == RAW or "hidden_params" in span.attributes


def read(span: Span) -> Reading:
    """A model call, or what went over the wire for it."""
    if span.name == RAW:
        return _raw(span)
    if "gen_ai.request.model" not in span.attributes:
        return Reading(kind="other", rule="litellm", error=failure(span))
    reading = otel_genai.read(span).but(rule="litellm", kind="model")
    flat = traceloop.read(span)
    response = _with_calls(reading.response, traceloop.completion_messages(span.attributes))
    request = reading.request if reading.request is not None else flat.request
    return reading.but(
        evidence="messages" if request is not None or response is not None else "nothing",
        request=request,
        response=response,
        system=reading.system or flat.system,
        tools=reading.tools or read_definitions(family(span.attributes, traceloop.FUNCTIONS)),
    )


def _with_calls(response: tuple[Message, ...] | None, flat: tuple[Message, ...] | None) -> tuple[Message, ...] | None:
    """The response with the calls that only the flattened form has."""
    if response is None or flat is None or any(message.calls for message in response):
        return response if response is not None else flat
    calls = tuple(call for message in flat for call in message.calls)
    return (*response, Message(role="assistant", calls=calls)) if calls else response


def _raw(span: Span) -> Reading:
    """The wire's request and response: `llm.<provider>.messages`, `llm.<provider>.choices` and the like."""
    fields: dict[str, JSON] = {}
    for key, value in span.attributes.items():
        if key.startswith("llm.") and key.count(".") >= 2:
            fields[key.split(".", 2)[2]] = _printed(value)
    request = read_messages({"messages": fields["messages"]}) if isinstance(fields.get("messages"), list) else None
    response = (
        read_messages({"choices": fields["choices"]}, "assistant") if isinstance(fields.get("choices"), list) else None
    )
    talk, system = without_system(request)
    return Reading(
        kind="model" if request is not None else "other",
        rule="litellm",
        evidence="raw" if request is not None else "nothing",
        request=talk,
        request_rule="llm.<provider>.messages",
        response=response,
        response_rule="llm.<provider>.choices",
        system=system,
        tools=read_definitions(fields.get("tools")),
        model=text_of(fields.get("model")),
        response_id=text_of(fields.get("id")),
        error=failure(span),
    )


def _printed(value: JSON) -> JSON:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        literal = python_literal(value)
        return value if literal is None else literal
    return value

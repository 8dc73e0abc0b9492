"""traceAI by Future AGI: OpenInference's flattened messages under the names of GenAI."""

from __future__ import annotations

import json
from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.flat import family
from taketwo.capture.dialects.loose_json import as_object, first_number, text_of
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.dialects.openinference import ASIDES, KINDS, read_family, settings_in
from taketwo.capture.dialects.otel_genai import usage
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Lacks, Message, Reading, ToolResult
from taketwo.conversation import ToolDefinition
from taketwo.span import Span
from taketwo.value import JSON

PREFIXES = ("gen_ai.input.messages.", "llm.input_messages."), ("gen_ai.output.messages.", "llm.output_messages.")
"""Of requests and of responses: today's and those of versions before 1.0."""

TRANSCRIPT = "conversation.transcript."

_DECODER = json.JSONDecoder()


def reads(span: Span) -> bool:
    """Whether the span has a kind of traceAI."""
    return "gen_ai.span.kind" in span.attributes or "fi.span.kind" in span.attributes


def read(span: Span) -> Reading:
    """The span by its kind."""
    attributes = span.attributes
    word = str(attributes.get("gen_ai.span.kind", attributes.get("fi.span.kind"))).upper()
    kind = KINDS.get(word, "other")
    reading = Reading(kind=kind, rule="traceai", aside=word in ASIDES, error=failure(span))
    match kind:
        case "model":
            return _model(span, reading)
        case "tool":
            return _tool(span, reading)
        case "agent":
            return _agent(span, reading, word)
        case _:
            return reading


def _agent(span: Span, reading: Reading, word: str) -> Reading:
    """A run; of a call that was recorded elsewhere the whole transcript."""
    attributes = span.attributes
    transcript = family(attributes, TRANSCRIPT) or attributes.get("gen_ai.voice.transcript")
    name = text_of(attributes.get("gen_ai.agent.name")) or text_of(attributes.get("graph.node.id"))
    return reading.but(
        agent=name,
        input=None if transcript else attributes.get("input.value"),
        output=transcript or attributes.get("output.value"),
        voice=word == "CONVERSATION" and bool(transcript),
        metadata={"ended_reason": ended} if (ended := text_of(attributes.get("gen_ai.voice.ended_reason"))) else {},
    )


def _model(span: Span, reading: Reading) -> Reading:
    """A model call. Streams and LangChain lose the tool calls of the response; `input.value` is only a title."""
    attributes = span.attributes
    request, request_rule, lacks = _messages(attributes, PREFIXES[0], span.dropped_attributes)
    response, response_rule, _ = _messages(attributes, PREFIXES[1])
    talk, system = without_system(_with_results(request)) if request is not None else (None, None)
    known = request is not None or response is not None
    return usage(attributes, reading).but(
        evidence="flat" if known else "nothing",
        request=talk,
        request_rule=request_rule,
        request_lacks=lacks,
        response=response,
        response_rule=response_rule,
        response_lacks_calls=True,
        system=system,
        tools=_tools(attributes),
        settings=_settings(attributes),
        model=text_of(attributes.get("gen_ai.request.model")) or text_of(attributes.get("llm.model_name")),
        input_tokens=first_number(attributes, "gen_ai.usage.input_tokens", "llm.token_count.prompt"),
        output_tokens=first_number(attributes, "gen_ai.usage.output_tokens", "llm.token_count.completion"),
        hidden=marks.DROPPED if span.dropped_attributes else marks.LEFT_OUT,
    )


def _with_results(request: tuple[Message, ...]) -> tuple[Message, ...]:
    """The request with tool results for what stands there as said by the user: so it writes what Gemini's tools gave.

    A message right behind tool calls that holds one JSON object for each of them, and not a word besides, is no user's.
    """
    found: list[Message] = []
    for message in request:
        calls = found[-1].calls if found else ()
        given = _objects(message.text) if message.role == "user" and calls and not message.results else ()
        if len(given) == len(calls) > 0:
            results = tuple(
                ToolResult(id=call.id, name=call.name, value=text) for call, text in zip(calls, given, strict=True)
            )
            message = message.but(role="tool", text="", results=results)
        found.append(message)
    return tuple(found)


def _objects(text: str) -> tuple[str, ...]:
    """The JSON objects that a text is made of, each as it is written; none where there is anything else in it."""
    found: list[str] = []
    rest = text.strip()
    while rest:
        try:
            value, end = _DECODER.raw_decode(rest)
        except ValueError:
            return ()
        if not isinstance(value, dict):
            return ()
        found.append(rest[:end])
        rest = rest[end:].lstrip()
    return tuple(found)


def _messages(
    attributes: Mapping[str, JSON], prefixes: tuple[str, ...], dropped: int = 0
) -> tuple[tuple[Message, ...] | None, str, Lacks]:
    for prefix in prefixes:
        found = read_family(attributes, prefix, dropped=dropped)
        if found[0] is not None:
            return found
        if isinstance(whole := attributes.get(prefix.rstrip(".")), str):
            return read_messages(whole, "assistant" if "output" in prefix else "user"), prefix.rstrip("."), "nothing"
    return None, "", "nothing"


def _tools(attributes: Mapping[str, JSON]) -> tuple[ToolDefinition, ...]:
    listed = family(attributes, "gen_ai.tool.definitions.") or family(attributes, "llm.tools.")
    return read_definitions(attributes.get("gen_ai.tool.definitions")) or read_definitions(listed)


def _settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    return settings_in(attributes.get("gen_ai.request.parameters", attributes.get("llm.invocation_parameters")))


def _tool(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    name = text_of(attributes.get("gen_ai.tool.name")) or text_of(attributes.get("tool.name"))
    if name is None:
        return reading.but(kind="other")
    given = as_object(attributes.get("gen_ai.tool.call.arguments")) or as_object(attributes.get("input.value"))
    parameters = as_object(attributes.get("gen_ai.tool.parameters")) or as_object(attributes.get("tool.parameters"))
    if given is None and parameters is not None and "properties" not in parameters:
        given = parameters
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")) or text_of(attributes.get("tool_call.id")),
        arguments=given,
        result=attributes.get("gen_ai.tool.call.result", attributes.get("output.value")),
    )
    return reading.but(execution=ran)

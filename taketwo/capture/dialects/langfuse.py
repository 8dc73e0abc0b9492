"""Langfuse: `langfuse.observation.*`, with input and output in the shape of whatever was observed."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, decimal_of, encoded, first_number, loosely, text_of
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.dialects.openinference import raw_messages
from taketwo.capture.dialects.tool_spans import called_with, execution, failure
from taketwo.capture.reading import Kind, Message, Reading
from taketwo.span import Span
from taketwo.value import JSON

KINDS: dict[str, Kind] = {
    "generation": "model",
    "agent": "agent",
    "chain": "agent",
    "span": "agent",
    "tool": "tool",
    "retriever": "retrieval",
    "embedding": "retrieval",
}
"""What the values of `langfuse.observation.type` stand for."""

TYPE, INPUT, OUTPUT = "langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.output"


def reads(span: Span) -> bool:
    """Whether the span is one of Langfuse's observations."""
    return TYPE in span.attributes or INPUT in span.attributes


def read(span: Span) -> Reading:
    """The span by its type."""
    attributes = span.attributes
    word = text_of(attributes.get(TYPE)) or "span"
    kind = KINDS.get(word, "other")
    failed = text_of(attributes.get("langfuse.observation.status_message"))
    error = failed if attributes.get("langfuse.observation.level") == "ERROR" and failed else failure(span)
    reading = Reading(kind=kind, rule="langfuse", aside=word in ("guardrail", "evaluator"), error=error)
    given, gave = attributes.get(INPUT), attributes.get(OUTPUT)
    match kind:
        case "model":
            return _model(span, reading)
        case "tool":
            ran = execution(span, name=span.name, arguments=called_with(given), result=gave, error=error)
            return reading.but(execution=ran)
        case "agent":
            return reading.but(
                agent=span.name if word == "agent" else None,
                input=attributes.get("langfuse.trace.input") if given is None else given,
                output=attributes.get("langfuse.trace.output") if gave is None else gave,
            )
        case _:
            return reading


def _model(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    given = loosely(attributes.get(INPUT))
    request, tools = _request(given)
    gave = loosely(attributes.get(OUTPUT))
    is_rest = _is_rest_of_calls(gave)
    response = None if is_rest else _response(gave)
    talk, system = without_system(request)
    usage = as_object(attributes.get("langfuse.observation.usage_details")) or {}
    known = request is not None or response is not None
    return reading.but(
        evidence="messages" if known else "nothing",
        request=talk,
        request_rule=INPUT,
        response=response,
        response_rule=OUTPUT,
        response_lacks_calls=is_rest,
        system=system or text_of(attributes.get("langfuse.observation.metadata.instructions")),
        tools=read_definitions(tools) or read_definitions(attributes.get("langfuse.observation.metadata.tools")),
        model=text_of(encoded(attributes.get("langfuse.observation.model.name"))),
        settings=_settings(attributes),
        input_tokens=first_number(usage, "input", "prompt_tokens", "input_tokens", "promptTokens"),
        output_tokens=first_number(usage, "output", "completion_tokens", "output_tokens", "completionTokens"),
        cost_usd=_cost(attributes),
        hidden=marks.LEFT_OUT,
    )


def _request(given: JSON) -> tuple[tuple[Message, ...] | None, JSON]:
    """The messages and the tools; LangChain's handler puts definitions among the messages, as if a tool had spoken."""
    if given is None or given == "":
        return None, None
    if isinstance(given, str):
        return (None, None) if marks.why_hidden(given) else (read_messages(given), None)
    if isinstance(given, dict):
        return raw_messages(given), given.get("tools", given.get("functions"))
    if not isinstance(given, list):
        return None, None
    said = [item for item in given if not _is_definition(item)]
    return read_messages(said), [item["content"] for item in given if _is_definition(item)]


def _is_definition(item: JSON) -> bool:
    if not isinstance(item, dict) or item.get("role") != "tool":
        return False
    content = as_object(item.get("content"))
    return content is not None and content.get("type") == "function" and isinstance(content.get("function"), dict)


def _is_rest_of_calls(gave: JSON) -> bool:
    """Whether calls of a stream were put together so that words, ids and names are lost: under JavaScript they are."""
    calls = gave.get("tool_calls") if isinstance(gave, dict) and "role" not in gave else None
    return isinstance(calls, list) and not any(isinstance(call, dict) and "id" in call for call in calls)


def _response(found: JSON) -> tuple[Message, ...] | None:
    if found is None or found == "" or (isinstance(found, str) and marks.why_hidden(found)):
        return None
    return read_messages(found, "assistant")


def _settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    """The parameters of the model without the defaults that the wrapper makes up."""
    given = as_object(attributes.get("langfuse.observation.model.parameters")) or {}
    made_up: dict[str, JSON] = {"max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
    return {
        name: value
        for name, value in given.items()
        if value not in (None, "") and name not in ("service_tier", "stream") and made_up.get(name, marks) != value
    }


def _cost(attributes: Mapping[str, JSON]) -> float | None:
    costs = as_object(attributes.get("langfuse.observation.cost_details")) or {}
    if (total := decimal_of(costs.get("total"))) is not None:
        return total
    parts = [cost for value in costs.values() if (cost := decimal_of(value)) is not None]
    return sum(parts) if parts else None

"""OpenTelemetry's own GenAI conventions: `gen_ai.*` attributes, span events and log events, old and new.

Up to 1.27 content stood in span events, from 1.28 in log events of one message each, from 1.37 in attributes that
hold whole lists, or in one event with the same attributes. Log events reach this module as events of their span.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import (
    as_object,
    decimal_of,
    first_number,
    is_cut,
    loosely,
    text_of,
    whole_elements,
)
from taketwo.capture.dialects.messages import instructions, messages_in_list, read_messages, without_system
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Kind, Lacks, Message, Reading, Role
from taketwo.span import Span, SpanEvent
from taketwo.value import JSON

OPERATIONS: dict[str, Kind] = {
    "chat": "model",
    "text_completion": "model",
    "completion": "model",
    "generate_content": "model",
    "generate_text": "model",
    "message": "model",
    "messages": "model",
    "responses": "model",
    "response": "model",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "invoke_workflow": "agent",
    "retrieval": "retrieval",
    "embeddings": "retrieval",
}
"""What the values of `gen_ai.operation.name` stand for; the rest is neither talk nor tool."""

SETTINGS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.choice.count": "n",
}
"""Attributes that are settings of the model, under the name that model APIs use."""

DETAILS = "gen_ai.client.inference.operation.details"
INPUT, OUTPUT, SYSTEM = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"
_MARKS = ("gen_ai.operation.name", INPUT, OUTPUT, "gen_ai.request.model", "gen_ai.response.id")


def reads(span: Span) -> bool:
    """Whether the span names an operation, carries messages or names a model."""
    return any(mark in span.attributes for mark in _MARKS) or any(_is_content(event) for event in span.events)


def read(span: Span) -> Reading:
    """The span by its operation."""
    attributes = gathered(span)
    operation = text_of(attributes.get("gen_ai.operation.name"))
    kind = OPERATIONS.get(operation, "other") if operation else _kind_without_operation(span)
    reading = Reading(
        kind=kind,
        rule="otel_genai",
        error=failure(span),
        agent=text_of(attributes.get("gen_ai.agent.name")),
    )
    match kind:
        case "model":
            return _model(span, attributes, reading)
        case "tool":
            return _tool(span, attributes, reading)
        case "agent":
            return _agent(span, attributes, reading)
        case _:
            return reading


def gathered(span: Span) -> Mapping[str, JSON]:
    """The attributes of the span together with those of its events that describe the whole operation."""
    details = [event.attributes for event in span.events if event.name == DETAILS]
    if not details:
        return span.attributes
    found: dict[str, JSON] = {}
    for attributes in details:
        found.update({key: value for key, value in attributes.items() if value is not None})
    return found | span.attributes


def _kind_without_operation(span: Span) -> Kind:
    if "gen_ai.tool.name" in span.attributes:
        return "tool"
    return "model" if "gen_ai.request.model" in span.attributes or "gen_ai.response.id" in span.attributes else "other"


def _is_content(event: SpanEvent) -> bool:
    return event.name.startswith("gen_ai.")


def _model(span: Span, attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    request, lacks = message_list(attributes.get(INPUT))
    response, _ = message_list(attributes.get(OUTPUT), response=True)
    request_rule, response_rule = INPUT, OUTPUT
    if request is None and response is None:
        request, response = from_events(span.events)
        request_rule = response_rule = "gen_ai events"
    talk, system = without_system(request)
    settings = read_settings(attributes)
    pieces, alternatives = split_choices(response, settings.get("n"))
    return usage(attributes, reading).but(
        evidence="messages" if request is not None or response is not None else "nothing",
        request=talk,
        request_rule=request_rule,
        request_lacks=lacks,
        response=pieces,
        response_rule=response_rule,
        alternatives=alternatives,
        system=instructions(attributes.get(SYSTEM)) or system,
        tools=read_definitions(attributes.get("gen_ai.tool.definitions")),
        settings=settings,
        hidden=marks.DROPPED if span.dropped_attributes else marks.LEFT_OUT,
    )


def message_list(value: JSON, *, response: bool = False) -> tuple[tuple[Message, ...] | None, Lacks]:
    """The messages of an attribute, and which end of them is lost: a limit on the length of values cuts the tail."""
    if value is None or value == "":
        return None, "nothing"
    role: Role = "assistant" if response else "user"
    if isinstance(value, str) and (listed := messages_in_list(value, role)) is not None:
        return listed, "nothing"
    if isinstance(value, str) and is_cut(value):
        whole = whole_elements(value)
        return (read_messages(whole, role), "tail") if whole and not response else (None, "nothing")
    found = loosely(value)
    if isinstance(found, str) and marks.why_hidden(found):
        return None, "nothing"
    return read_messages(found, role), "nothing"


def split_choices(
    response: tuple[Message, ...] | None, count: JSON
) -> tuple[tuple[Message, ...] | None, tuple[tuple[Message, ...], ...]]:
    """The response, and the others to choose from: several messages are pieces of one unless several were asked for."""
    if response is not None and isinstance(count, int) and 1 < count == len(response):
        return response[:1], tuple((message,) for message in response[1:])
    return response, ()


def usage(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    """The reading with model, provider, tokens, cost and the ids of the response."""
    return reading.but(
        model=text_of(attributes.get("gen_ai.response.model")) or text_of(attributes.get("gen_ai.request.model")),
        provider=provider(attributes),
        input_tokens=first_number(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=first_number(attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        cost_usd=_cost(attributes),
        response_id=text_of(attributes.get("gen_ai.response.id")),
        previous_response_id=text_of(attributes.get("gen_ai.request.previous_response_id"))
        or text_of(attributes.get("openai.request.previous_response_id")),
        finish=finish(attributes.get("gen_ai.response.finish_reasons")),
    )


def provider(attributes: Mapping[str, JSON]) -> str | None:
    """Who serves the model, in lower case as the conventions have it."""
    name = text_of(attributes.get("gen_ai.provider.name")) or text_of(attributes.get("gen_ai.system"))
    return name.lower() if name else None


def finish(value: JSON) -> str | None:
    """The reason of the first choice: a list, a list as text, or a word."""
    found = loosely(value)
    if isinstance(found, list):
        found = found[0] if found else None
    return text_of(found)


def _cost(attributes: Mapping[str, JSON]) -> float | None:
    names = ("operation.cost", "gen_ai.cost.total", "gen_ai.cost.total_cost", "gen_ai.usage.cost")
    return next((cost for name in names if (cost := decimal_of(attributes.get(name))) is not None), None)


def read_settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    """The settings that the request names."""
    return {
        name: attributes[key]
        for key, name in SETTINGS.items()
        if attributes.get(key) is not None and not marks.is_mark(attributes[key])
    }


def from_events(
    events: Iterable[SpanEvent],
) -> tuple[tuple[Message, ...] | None, tuple[Message, ...] | None]:
    """Request and response from events of one message each, in the order of their times."""
    request: list[Message] = []
    response: list[Message] = []
    seen = False
    for event in sorted(events, key=lambda event: event.at_ns):
        match event.name:
            case "gen_ai.choice":
                seen = True
                response.extend(_choice(event))
            case "gen_ai.content.prompt":
                seen = True
                request.extend(read_messages(_content_of(event, "gen_ai.prompt")))
            case "gen_ai.content.completion":
                seen = True
                response.extend(read_messages(_content_of(event, "gen_ai.completion"), "assistant"))
            case name if name.startswith("gen_ai.") and name.endswith(".message"):
                seen = True
                request.extend(_one_message(event, name.split(".")[1]))
    return (tuple(request), tuple(response)) if seen else (None, None)


def from_event_items(value: JSON) -> tuple[tuple[Message, ...] | None, tuple[Message, ...] | None]:
    """Request and response from a JSON list of such events, in the order of the list."""
    found = loosely(value)
    if not isinstance(found, list):
        return None, None
    events = [
        SpanEvent(
            name=str(item.get("event.name", f"gen_ai.{item.get('role', 'user')}.message")), at_ns=order, attributes=item
        )
        for order, item in enumerate(found)
        if isinstance(item, dict)
    ]
    return from_events(events)


def _content_of(event: SpanEvent, name: str) -> JSON:
    """A whole message where the event's body is one, else the bare content."""
    said = event.attributes.get("body")
    return said if isinstance(said, dict) and ("role" in said or "message" in said) else event.attributes.get(name)


def body(event: SpanEvent) -> dict[str, JSON]:
    """What an event says: a log's body, Azure's attribute that holds one, or the attributes themselves."""
    for name in ("body", "gen_ai.event.content"):
        if isinstance(inside := loosely(event.attributes.get(name)), dict):
            return inside
    return {key: value for key, value in event.attributes.items() if key not in ("body", "gen_ai.system")}


def _one_message(event: SpanEvent, role: str) -> tuple[Message, ...]:
    said = body(event)
    item = {"role": role, **said}
    if role in ("user", "assistant") and not any(item.get(key) for key in ("content", "tool_calls", "parts")):
        left_out = "content" not in item and "parts" not in item
        return read_messages({"role": role, "content": [{"type": "text"}]}) if left_out else ()
    return read_messages(item)


def _choice(event: SpanEvent) -> tuple[Message, ...]:
    said = body(event)
    index = said.get("index")
    if isinstance(index, int) and index > 0:
        return ()
    message = loosely(said.get("message", said))
    if isinstance(message, str | list):
        return read_messages({"role": "assistant", "content": message})
    if not isinstance(message, dict):
        return ()
    item = {"role": "assistant", **message}
    calls = item.get("tool_calls") or said.get("tool_calls")
    if "content" not in item and "parts" not in item and not calls:
        return read_messages({"role": "assistant", "content": [{"type": "text"}]})
    return read_messages({**item, "tool_calls": calls} if calls else item)


def _tool(span: Span, attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    name = text_of(attributes.get("gen_ai.tool.name")) or _named_in(span.name)
    if name is None or name == "(merged tools)":
        return reading.but(kind="other")
    given = attributes.get("gen_ai.tool.call.arguments", attributes.get("gen_ai.tool.arguments"))
    result = attributes.get("gen_ai.tool.call.result", attributes.get("gen_ai.tool.result"))
    if given is None and result is None and "mcp.method.name" in attributes:
        return reading.but(kind="other")  # the way to a tool whose call another span tells
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=as_object(given),
        result=result,
        failed=attributes.get("gen_ai.tool.status") == "error",
    )
    return reading.but(execution=ran)


def _named_in(name: str) -> str | None:
    first, _, rest = name.partition(" ")
    return rest if first == "execute_tool" and rest else None


def _agent(span: Span, attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    asked, answered = attributes.get(INPUT), attributes.get(OUTPUT)
    if asked is None and answered is None:
        request, response = from_events(span.events)
        asked = _last_words(request, "user")
        answered = _last_words(response, "assistant")
    return reading.but(
        input=asked,
        output=answered,
        system=instructions(attributes.get(SYSTEM)),
        tools=read_definitions(attributes.get("gen_ai.tool.definitions")),
    )


def _last_words(messages: tuple[Message, ...] | None, role: str) -> str | None:
    return next((m.text for m in reversed(messages or ()) if m.role == role and m.text and not m.flaw), None)

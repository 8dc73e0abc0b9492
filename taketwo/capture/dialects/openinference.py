"""OpenInference: `openinference.span.kind`, messages flattened under `llm.input_messages`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.flat import family, flat_messages
from taketwo.capture.dialects.loose_json import Unreadable, as_object, decimal_of, loosely, number_of, parse, text_of
from taketwo.capture.dialects.messages import read_messages, without_system
from taketwo.capture.dialects.run_together import parted
from taketwo.capture.dialects.smolagents import out_of_words
from taketwo.capture.dialects.tool_spans import called_with, execution, failure
from taketwo.capture.reading import Kind, Lacks, Message, Reading, ToolCall
from taketwo.conversation import ToolDefinition
from taketwo.span import Span
from taketwo.value import JSON

KINDS: dict[str, Kind] = {
    "LLM": "model",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "agent",
    "CONVERSATION": "agent",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "EMBEDDING": "retrieval",
    "VECTOR_DB": "retrieval",
    "GUARDRAIL": "other",
    "EVALUATOR": "other",
}
"""What the values of `openinference.span.kind` stand for."""

ASIDES = {"GUARDRAIL", "EVALUATOR"}
"""Kinds whose model calls are no part of the talk."""

FAILURE = re.compile(r'"is_error": ?true|"status": ?"error"')
"""How the raw requests of Anthropic and Bedrock mark a result of a tool that failed."""
_CALL = ".__call__"
_PARTS = '[{"type": "text"'

INPUT, OUTPUT = "llm.input_messages.", "llm.output_messages."


def reads(span: Span) -> bool:
    """Whether the span has a kind of OpenInference, which is set last and so outlives the limit on attributes."""
    return "openinference.span.kind" in span.attributes


def read(span: Span) -> Reading:
    """The span by its kind."""
    attributes = span.attributes
    word = str(attributes["openinference.span.kind"]).upper()
    kind = "model" if _holds_a_model_call(attributes) else KINDS.get(word, "other")
    if kind == "model" and word != "LLM" and INPUT + "0.message.role" not in attributes:
        return _whole_run(span)
    reading = Reading(kind=kind, rule="openinference", aside=word in ASIDES, error=failure(span))
    match kind:
        case "model":
            return _model(span, reading)
        case "tool":
            return _tool(span, reading)
        case _:
            return reading.but(
                agent=text_of(attributes.get("agent.name")) or _named_agent(span),
                input=attributes.get("input.value"),
                output=attributes.get("output.value"),
            )


def _holds_a_model_call(attributes: Mapping[str, JSON]) -> bool:
    """Whether a model call was written to the span whatever its kind: under ADK 2 all of a run go to the agent's."""
    return "llm.output_messages.0.message.role" in attributes and "llm.token_count.prompt" in attributes


def _whole_run(span: Span) -> Reading:
    """A run that tells what all its model calls said, and of what they were given the user's line alone."""
    reading = _model(span, Reading(rule="openinference", error=failure(span)))
    line, said = text_of(span.attributes.get("input.value")), reading.response or ()
    asked = (Message(role="user", text=line),) if line else ()
    return reading.but(
        kind="agent",
        agent=text_of(span.attributes.get("agent.name")),
        request=(*asked, *said[:-1]),
        request_rule="input.value",
        request_is_line=True,
        response=said[-1:],
    )


def _named_agent(span: Span) -> str | None:
    return span.name if span.attributes.get("openinference.span.kind") == "AGENT" else None


def _model(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    request, rule, lacks = read_family(attributes, INPUT, dropped=span.dropped_attributes)
    raw = attributes.get("input.value")
    has_audio = isinstance(raw, str) and '"input_audio"' in raw  # the flattened form has no place for it
    if (request is None or lacks == "head" or has_audio) and (whole := raw_messages(raw)) is not None:
        request, rule, lacks = whole, "input.value", "nothing"
    response, response_rule, _ = read_family(attributes, OUTPUT)
    output = attributes.get("output.value")
    if response is None and (whole := raw_messages(output, response=True)) is not None:
        response, response_rule = whole, "output.value"
    request = _with_what_is_empty(request, raw) if rule != "input.value" else request
    response = _with_what_is_empty(response, output, response=True)
    tools = _tools(attributes)
    if response is not None:
        names = {tool.name for tool in tools}
        response = tuple(parted(message, names) for message in response)
    talk, system = without_system(request)
    talk = _with_raw_results(talk, raw) if rule != "input.value" else talk
    response = _without_stale_calls(talk, response)
    settings = settings_in(attributes.get("llm.invocation_parameters"))
    return reading.but(
        evidence="flat" if request is not None or response is not None else "nothing",
        request=talk,
        request_rule=rule,
        request_lacks=lacks,
        response=response,
        response_rule=response_rule,
        system=system,
        tools=tools,
        model=_model_name(attributes),
        provider=text_of(attributes.get("llm.provider")) or text_of(attributes.get("llm.system")),
        settings=settings,
        input_tokens=number_of(attributes.get("llm.token_count.prompt")),
        output_tokens=number_of(attributes.get("llm.token_count.completion")),
        cost_usd=decimal_of(attributes.get("llm.cost.total")),
        response_id=_response_id(output),
        previous_response_id=text_of(settings.get("previous_response_id")) or _previous(raw),
        finish=text_of(attributes.get("llm.finish_reason")),
        hidden=_why_hidden(raw, output, span),
    )


def _with_what_is_empty(
    messages: tuple[Message, ...] | None, raw: JSON, *, response: bool = False
) -> tuple[Message, ...] | None:
    """The messages, the raw ones in place of those that say nothing: under JavaScript LangChain's in parts do not."""
    if messages is None or all(map(_says_something, messages)):
        return messages
    whole = raw_messages(raw, response=response) or ()
    if [one.role for one in whole] != [one.role for one in messages]:
        return messages
    return tuple(mine if _says_something(mine) else theirs for mine, theirs in zip(messages, whole, strict=True))


def _says_something(message: Message) -> bool:
    return bool(message.text or message.calls or message.results or message.attachments or message.reasoning)


def _with_raw_results(request: tuple[Message, ...] | None, raw: JSON) -> tuple[Message, ...] | None:
    """The request with results as the raw one has them: flattened ones lose their mark of failure, and their parts.

    The raw request of a long talk is long, so it is only read where it must say more.
    """
    if not request or not isinstance(raw, str):
        return request
    in_parts = any(str(result.value).startswith(_PARTS) for message in request for result in message.results)
    if not in_parts and not FAILURE.search(raw):
        return request
    whole = {result.id: result for message in raw_messages(raw) or () for result in message.results if result.id}
    return tuple(
        message.but(results=tuple(whole.get(result.id or "", result) for result in message.results))
        if message.results
        else message
        for message in request
    )


def _without_stale_calls(
    request: tuple[Message, ...] | None, response: tuple[Message, ...] | None
) -> tuple[Message, ...] | None:
    """The response without the calls that the request has already: they are of an earlier call on the same span."""
    past = {call.id for message in request or () for call in message.calls if call.id}
    if response is None or not any(call.id in past for message in response for call in message.calls):
        return response
    return tuple(
        message.but(calls=tuple(call for call in message.calls if call.id not in past)) for message in response
    )


def read_family(
    attributes: Mapping[str, JSON], prefix: str, *, dropped: int = 0
) -> tuple[tuple[Message, ...] | None, str, Lacks]:
    """The messages of a flattened family, the rule that read them, and which end of it is lost."""
    found, lacks = flat_messages(attributes, prefix, "assistant" if "output" in prefix else "user", dropped=dropped)
    if found is None:
        return None, prefix.rstrip("."), lacks
    return with_empty_arguments(out_of_words(found)), prefix.rstrip("."), lacks


def with_empty_arguments(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with `{}` for arguments that are not there: the instrumentations leave just those out."""
    return tuple(
        message.but(
            calls=tuple(_empty(call) if call.flaw == marks.LEFT_OUT and call.name else call for call in message.calls)
        )
        if message.calls
        else message
        for message in messages
    )


def _empty(call: ToolCall) -> ToolCall:
    return call.but(arguments={}, flaw=None)


def raw_messages(value: JSON, *, response: bool = False) -> tuple[Message, ...] | None:
    """The messages of a raw request or response, None where the value is no such thing."""
    found = loosely(value)
    if not isinstance(found, dict | list) or not found or _are_only_texts(found):
        return None
    messages = read_messages(found, "assistant" if response else "user")
    if isinstance(found, dict) and isinstance(system := found.get("system") or found.get("instructions"), str | list):
        messages = (*read_messages([{"role": "system", "content": system}]), *messages) if not response else messages
    return messages or None


def _are_only_texts(found: JSON) -> bool:
    """Whether what should be messages are only texts about some, as LlamaIndex writes of a request that it prepares."""
    listed = found.get("messages") if isinstance(found, dict) else None
    return isinstance(listed, list) and bool(listed) and all(isinstance(item, str) for item in listed)


def settings_in(value: JSON) -> dict[str, JSON]:
    """The settings among all that a request is told to have had beside the messages."""
    settings = as_object(value) or {}
    return {name: value for name, value in settings.items() if name not in NO_SETTINGS and value is not None}


NO_SETTINGS = {
    *("model", "model_name", "tools", "functions", "messages", "input", "output", "instructions", "system", "id"),
    *("created_at", "object", "usage", "status", "base_url", "_type", "stream", "stream_options", "metadata"),
    *("error", "incomplete_details", "text", "user", "store", "background", "truncation", "service_tier"),
    *("http_options", "system_instruction"),
}
"""What instrumentations put among the settings although it is none."""


def _tools(attributes: Mapping[str, JSON]) -> tuple[ToolDefinition, ...]:
    """The tools; earlier instrumentations of LangChain have them among the settings alone."""
    if tools := read_definitions(family(attributes, "llm.tools.")):
        return tools
    settings = attributes.get("llm.invocation_parameters")
    if not isinstance(settings, str) or '"tools"' not in settings:
        return ()
    return read_definitions((as_object(settings) or {}).get("tools"))


def _model_name(attributes: Mapping[str, JSON]) -> str | None:
    names = ("llm.output_model_name", "llm.response.model_name", "llm.model_name", "llm.request.model_name")
    return next((name for key in names if (name := text_of(attributes.get(key)))), None)


def _response_id(output: JSON) -> str | None:
    """The id that stands at the top of the raw response."""
    found = _object(output)
    identity = text_of(found.get("id"))
    return identity if identity and found.get("object") != "list" else None


def _previous(raw: JSON) -> str | None:
    if isinstance(raw, str) and "previous_response_id" in raw:
        return text_of(_object(raw).get("previous_response_id"))
    return None


def _object(text: JSON) -> dict[str, JSON]:
    if not isinstance(text, str) or not text.startswith("{"):
        return {}
    try:
        found = parse(text)
    except Unreadable:
        return {}
    return found if isinstance(found, dict) else {}


def _why_hidden(raw: JSON, output: JSON, span: Span) -> str | None:
    if any(isinstance(value, str) and marks.why_hidden(value) for value in (raw, output)):
        return marks.HIDDEN
    return marks.DROPPED if span.dropped_attributes else None


def _tool(span: Span, reading: Reading) -> Reading:
    """A tool span; its arguments are known only where they are an object.

    `tool.parameters` is the schema or the arguments, and LangChain's input is the bare value of a single argument.
    """
    attributes = span.attributes
    given = called_with(attributes.get("input.value"))
    parameters = as_object(attributes.get("tool.parameters"))
    if given is None and parameters is not None and "properties" not in parameters:
        given = parameters
    name = text_of(attributes.get("tool.name")) or _called(span.name)
    if name is None or name == "(merged tools)":
        return reading.but(kind="other")
    ran = execution(
        span,
        name=name,
        call_id=text_of(attributes.get("tool_call.id")) or text_of(attributes.get("tool.id")),
        arguments=given,
        result=attributes.get("output.value"),
    )
    return reading.but(execution=ran, tools=defined(name, attributes.get("tool.description"), parameters))


def _called(name: str) -> str | None:
    """The tool in the name of a span around the call of an object."""
    return name.removesuffix(_CALL) if name.endswith(_CALL) else None


def defined(name: str, description: JSON, parameters: dict[str, JSON] | None) -> tuple[ToolDefinition, ...]:
    """The definition that a tool's own span gives, if it gives the schema of the arguments."""
    if parameters is None or "properties" not in parameters:
        return ()
    return (ToolDefinition(name=name, description=text_of(description), parameters=parameters),)

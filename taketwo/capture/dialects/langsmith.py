"""LangSmith's export: inputs and outputs of every run as JSON in `gen_ai.prompt` and `gen_ai.completion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, loosely, text_of
from taketwo.capture.dialects.messages import told
from taketwo.capture.dialects.openinference import raw_messages
from taketwo.capture.dialects.otel_genai import read_settings, usage
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Execution, Kind, Reading
from taketwo.span import Span
from taketwo.value import JSON

KINDS: dict[str, Kind] = {
    "llm": "model",
    "chain": "agent",
    "tool": "tool",
    "retriever": "retrieval",
    "embedding": "retrieval",
}
"""What the values of `langsmith.span.kind` stand for; prompts and parsers are neither."""

KIND, INPUT, OUTPUT = "langsmith.span.kind", "gen_ai.prompt", "gen_ai.completion"


def reads(span: Span) -> bool:
    """Whether the span is a run of LangSmith."""
    return KIND in span.attributes


def read(span: Span) -> Reading:
    """The span by its kind."""
    attributes = span.attributes
    kind = KINDS.get(str(attributes[KIND]), "other")
    reading = Reading(kind=kind, rule="langsmith", error=failure(span))
    match kind:
        case "model":
            return _model(span, reading)
        case "tool":
            return reading.but(execution=_execution(span))
        case "agent":
            name = text_of(attributes.get("langsmith.metadata.lc_agent_name"))
            return reading.but(agent=name, input=attributes.get(INPUT), output=attributes.get(OUTPUT))
        case _:
            return reading


def _execution(span: Span) -> Execution:
    attributes = span.attributes
    given = as_object(attributes.get(INPUT)) or {}
    if set(given) == {"input"} and (inner := as_object(given["input"])) is not None:
        given = inner
    gave = loosely(attributes.get(OUTPUT))
    if isinstance(gave, dict):
        gave = gave.get("output") if "output" in gave or not gave else gave
    return execution(
        span,
        name=text_of(attributes.get("gen_ai.tool.name")) or span.name,
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=given,
        result=gave,
    )


def _model(span: Span, reading: Reading) -> Reading:
    attributes = span.attributes
    given, gave = loosely(attributes.get(INPUT)), loosely(attributes.get(OUTPUT))
    request, response = raw_messages(given), raw_messages(gave, response=True)
    found = usage(attributes, reading)
    about = next(_metadata(gave), {})
    asked = given if isinstance(given, dict) else {}
    return found.but(
        **told(request, INPUT, response, OUTPUT, rich="messages"),
        tools=read_definitions(attributes.get("gen_ai.tool.definitions")) or read_definitions(asked.get("tools")),
        model=text_of(attributes.get("gen_ai.response.model")) or text_of(about.get("model_name")) or found.model,
        provider=text_of(attributes.get("langsmith.metadata.ls_provider")) or found.provider,
        settings=read_settings(attributes) or _settings(attributes),
        response_id=found.response_id or text_of(about.get("id")),
        finish=found.finish or text_of(about.get("finish_reason")),
        hidden=marks.LEFT_OUT,
    )


def _settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    names = {"ls_temperature": "temperature", "ls_max_tokens": "max_tokens", "ls_stop": "stop"}
    return {
        name: value for key, name in names.items() if (value := attributes.get(f"langsmith.metadata.{key}")) is not None
    }


def _metadata(gave: JSON, depth: int = 8) -> Iterator[dict[str, JSON]]:
    """What LangChain's messages say about the response that they came in."""
    if depth == 0:
        return
    if isinstance(gave, list):
        for item in gave:
            yield from _metadata(item, depth - 1)
    elif isinstance(gave, dict):
        if isinstance(about := gave.get("response_metadata"), dict):
            yield about
        for name in ("generations", "message", "kwargs", "output", "messages"):
            yield from _metadata(gave.get(name), depth - 1)

"""MLflow: `mlflow.*`, every value encoded as JSON once more."""

from __future__ import annotations

from collections.abc import Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.loose_json import as_object, decimal_of, encoded, loosely, number_of, text_of
from taketwo.capture.dialects.messages import told
from taketwo.capture.dialects.openinference import raw_messages
from taketwo.capture.dialects.tool_spans import execution, failure
from taketwo.capture.reading import Execution, Kind, Reading
from taketwo.span import Span
from taketwo.value import JSON

KINDS: dict[str, Kind] = {
    "CHAT_MODEL": "model",
    "LLM": "model",
    "AGENT": "agent",
    "CHAIN": "agent",
    "WORKFLOW": "agent",
    "TASK": "agent",
    "TOOL": "tool",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "EMBEDDING": "retrieval",
    "GUARDRAIL": "other",
    "EVALUATOR": "other",
}
"""What the values of `mlflow.spanType` stand for."""

SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop", "n")
TYPE, INPUT, OUTPUT = "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs"


def reads(span: Span) -> bool:
    """Whether MLflow made the span; in its semconv form only the scope tells."""
    return TYPE in span.attributes or (span.scope.startswith("mlflow") and "gen_ai.tool.name" in span.attributes)


def read(span: Span) -> Reading:
    """The span by its type."""
    attributes = span.attributes
    if TYPE not in attributes:
        return _semconv_tool(span)
    word = str(encoded(attributes[TYPE])).upper()
    kind = KINDS.get(word, "agent" if span.parent_id is None else "other")
    aside = word in ("GUARDRAIL", "EVALUATOR")
    reading = Reading(kind=kind, rule="mlflow", aside=aside, error=failure(span))
    match kind:
        case "model":
            return _model(attributes, reading)
        case "tool":
            return reading.but(execution=_execution(span))
        case "agent":
            name = span.name if word == "AGENT" else _named_in_metadata(attributes)
            return reading.but(agent=name, input=attributes.get(INPUT), output=attributes.get(OUTPUT))
        case _:
            return reading


def _named_in_metadata(attributes: Mapping[str, JSON]) -> str | None:
    return text_of((as_object(attributes.get("metadata")) or {}).get("lc_agent_name"))


def _execution(span: Span) -> Execution:
    """A tool. Its inputs are those of the function, with defaults that the model did not give."""
    attributes = span.attributes
    given = as_object(attributes.get(INPUT))
    return execution(
        span,
        name=span.name,
        call_id=text_of(encoded(attributes.get("tool_call_id"))),
        arguments=given,
        result=encoded(attributes.get(OUTPUT)),
    )


def _semconv_tool(span: Span) -> Reading:
    """A tool in semconv's attributes, whose result is encoded twice."""
    attributes = span.attributes
    ran = execution(
        span,
        name=str(attributes["gen_ai.tool.name"]),
        call_id=text_of(attributes.get("gen_ai.tool.call.id")),
        arguments=as_object(attributes.get("gen_ai.tool.call.arguments")),
        result=encoded(attributes.get("gen_ai.tool.call.result")),
    )
    return Reading(kind="tool", rule="mlflow", error=failure(span), execution=ran)


def _model(attributes: Mapping[str, JSON], reading: Reading) -> Reading:
    given, gave = loosely(attributes.get(INPUT)), loosely(attributes.get(OUTPUT))
    request, response = raw_messages(given), raw_messages(gave, response=True)
    tokens = as_object(attributes.get("mlflow.chat.tokenUsage")) or {}
    answer = gave if isinstance(gave, dict) else {}
    return reading.but(
        **told(request, INPUT, response, OUTPUT, rich="raw"),
        tools=read_definitions(attributes.get("mlflow.chat.tools")) or read_definitions(attributes.get("tools")),
        model=text_of(encoded(attributes.get("mlflow.llm.model"))) or text_of(encoded(attributes.get("model"))),
        provider=text_of(encoded(attributes.get("mlflow.llm.provider"))),
        settings=_settings(attributes),
        input_tokens=number_of(tokens.get("input_tokens")),
        output_tokens=number_of(tokens.get("output_tokens")),
        cost_usd=decimal_of((as_object(attributes.get("mlflow.llm.cost")) or {}).get("total_cost")),
        response_id=text_of(answer.get("id")),
        finish=_finish(answer),
        hidden=marks.LEFT_OUT,
    )


def _settings(attributes: Mapping[str, JSON]) -> dict[str, JSON]:
    """Settings stand beside the span's own attributes, or together in LangChain's parameters."""
    given = {name: encoded(attributes[name]) for name in SETTINGS if attributes.get(name) is not None}
    parameters = as_object(attributes.get("invocation_params")) or {}
    return given or {name: parameters[name] for name in SETTINGS if parameters.get(name) is not None}


def _finish(answer: Mapping[str, JSON]) -> str | None:
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return text_of(first.get("finish_reason")) if isinstance(first, dict) else text_of(answer.get("stop_reason"))

"""The agent's own spans, made by the real OpenTelemetry SDK."""

from __future__ import annotations

from typing import Any

from made_spans import chat_span, raw_spans, text
from opentelemetry import baggage
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from taketwo.capture.identity import replayed_in
from taketwo.capture.otlp import decode_span, read_spans
from taketwo.capture.sessions import sessions
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

TALK = conversation(turn("Hi", reply="Hello"), turn("Bye", reply="Bye"))


async def test_they_make_one_trace_that_bears_the_runs_id_and_are_no_production() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    heard: list[object] = []

    def agent(messages: list[dict[str, Any]]) -> str:
        with tracer.start_as_current_span("invoke_agent"), tracer.start_as_current_span("chat gpt"):
            heard.append(baggage.get_baggage("taketwo.run.id"))
            return str(TALK.turns[len(messages) // 2].reply)

    done = await replay(Case(id="case", recorded=TALK), CallableAgent(agent))
    body = encode_spans(exporter.get_finished_spans()).SerializeToString()
    spans = [decode_span(raw) for raw in read_spans(body, "application/x-protobuf").spans]
    assert {span.trace_id for span in spans} == {done.id}
    assert [replayed_in(span) for span in spans] == [done.id] * 4
    assert heard == [done.id] * 2
    assert sessions(spans) == []


def test_an_attribute_tells_it_as_well() -> None:
    marked, plain = chat_span(1, 1), chat_span(2, 1)
    marked.attributes.append(text("taketwo.run.id", "run-1"))
    plain.trace_state = "vendor=taketwo"
    found = [decode_span(raw) for raw in raw_spans(marked, plain)]
    assert [replayed_in(span) for span in found] == ["run-1", None]
    assert [session.spans[0].trace_id for session in sessions(found)] == [found[1].trace_id]

"""The demo's production: a dozen customers talk to the desk, and every span goes out over OTLP.

Run as a process of its own: `python -m taketwo.demo.production http://127.0.0.1:4318`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from taketwo.demo.desk import Message, desk_v1

CUSTOMERS: dict[str, list[str]] = {
    "ada": ["Hi, where is my order A-1001?", "What are the rules for a return?", "Thanks, bye!"],
    "ben": ["My lamp from A-1007 is scratched.", "Please refund it.", "Thank you."],
    "cleo": ["Hello!", "It is about order A-1013.", "I would like a refund.", "Great, thanks."],
    "dana": [
        "Hi, I sent back the kettle from order A-1042.",
        "Has the parcel reached you?",
        "How long does a refund usually take?",
        "And what is the status of my refund?",
        "OK, thanks.",
    ],
    "eli": ["Has A-1020 left yet?", "And when will it arrive, where is it now?", "Thanks!"],
    "fay": ["What is your policy on shipping?", "And is it for free?", "Great, bye."],
    "gus": ["Where is A-9999?", "Sorry, I meant A-1026. Where is it?", "Thanks."],
    "hana": ["I want my money back for A-1031, a refund please.", "Thanks a lot."],
    "ivo": ["Please look at order A-1038.", "Can you send it to 5 Mill Lane, Ely?", "Great, thank you!"],
    "june": [
        "Can you send it to 9 High Street?",
        "Order A-1055.",
        "Then send it to 9 High Street, York.",
        "OK, thanks.",
    ],
    "kit": ["¡Hola! ¿Where is A-1001? ☺", "谢谢, thanks!"],
    "lou": ["Hi", "Hm, how long does shipping usually take?", "Thanks."],
}
"""What each customer says, line by line. Dana's is the conversation that went wrong on Tuesday."""


async def serve_customer(name: str, lines: list[str]) -> None:
    """One customer's conversation: a trace a turn, all under the customer's session id."""
    messages: list[Message] = []
    for line in lines:
        messages.append({"role": "user", "content": line})
        with _marked({"gen_ai.conversation.id": f"sess-{name}", "user.id": f"user-{name}"}):
            messages.append({"role": "assistant", "content": await desk_v1(messages)})


class _Marks(SpanProcessor):
    """Puts the session and the user on every span, as an application's own middleware does."""

    attributes: dict[str, str] = {}

    def on_start(self, span: Span, parent_context: object = None) -> None:
        span.set_attributes(self.attributes)


@contextmanager
def _marked(attributes: dict[str, str]) -> Iterator[None]:
    _Marks.attributes = attributes
    yield
    _Marks.attributes = {}


def main(endpoint: str) -> None:
    """Serve every customer once and send the spans to the OTLP/HTTP endpoint."""
    provider = TracerProvider(resource=Resource.create({"service.name": "support-desk"}))
    provider.add_span_processor(_Marks())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)
    try:
        for name, lines in CUSTOMERS.items():
            asyncio.run(serve_customer(name, lines))
    except httpx.HTTPError as error:
        sys.exit(f"the model at {error.request.url} does not answer: {type(error).__name__} {error}")
    finally:
        provider.shutdown()
    answered = sum(map(len, CUSTOMERS.values()))
    print(f"{len(CUSTOMERS)} customers served, {answered} lines answered, every span sent to {endpoint}/v1/traces")


if __name__ == "__main__":
    main(sys.argv[1])

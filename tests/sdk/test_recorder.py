from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import taketwo
from taketwo.capture.otlp import decode_span, read_spans
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation, Say, Turn
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.sdk import recording
from taketwo.sdk.recorder import Recorder
from taketwo.sdk.sending import Sender
from taketwo.value import JSON


class Recorded:
    """What was recorded, read as the receiver reads it."""

    def __init__(self, *, content: bool = True) -> None:
        self.exporter = InMemorySpanExporter()
        self.sender = Sender(self.exporter)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.sender)
        recording.use(Recorder(self.provider, content=content))

    @property
    def spans(self) -> list[ReadableSpan]:
        assert self.sender.force_flush()
        return list(self.exporter.get_finished_spans())

    def conversations(self) -> dict[str | None, Conversation]:
        if not self.spans:
            return {}
        body = encode_spans(self.spans).SerializeToString()
        found = [decode_span(raw) for raw in read_spans(body, "application/x-protobuf").spans]
        return {each.id: reconstruct(each.spans, each.logs, session_id=each.id) for each in sessions(found)}

    def turns(self, session: str = "sess-1") -> list[JSON]:
        """The turns of a conversation that must have nothing unknown but what no call of an agent can tell."""
        conversation = self.conversations()[session]
        assert {gap.where for gap in conversation.gaps} <= {"agent.system_prompt", "agent.model", "agent.tools"}
        return [told(turn) for turn in conversation.turns]


def told(turn: Turn) -> JSON:
    """A turn in short: the user's line, what was called and said, the reply."""
    return [turn.user.text if turn.user else None, *map(step_told, turn.steps), turn.reply]


def step_told(step: Call | Say) -> JSON:
    if isinstance(step, Say):
        return step.text
    return (step.tool, step.arguments, step.result if step.error is None else f"! {step.error}")


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    recording.use(None)
    made.provider.shutdown()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@taketwo.tool
def find(order_id: str, limit: int = 5) -> dict[str, Any]:
    return {"order_id": order_id, "status": "sent", "note": "Grüße 🙂"}


@taketwo.tool(name="refund", writes=True, ignore=["db"])
async def pay_back(db: object, order_id: str) -> str:
    await asyncio.sleep(0)
    if order_id == "A-9":
        raise KeyError(order_id)
    return f"refunded {order_id}"


@taketwo.tool
def nothing() -> None: ...


FOUND = '{"order_id": "A-1", "status": "sent", "note": "Grüße 🙂"}'


def test_a_plain_agent_that_keeps_the_past_itself(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(text: str) -> str:
        find("A-1")
        nothing()
        return f"You said {text}."

    with taketwo.session("sess-1", user="u-7"):
        for line in ("yes", "yes", "no", "no"):
            assert answer(line) == f"You said {line}."
    calls = ("find", {"order_id": "A-1"}, FOUND), ("nothing", {}, "null")
    assert recorded.turns() == [
        [line, *calls, f"You said {line}.", f"You said {line}."] for line in ("yes", "yes", "no", "no")
    ]
    conversation = recorded.conversations()["sess-1"]
    assert (conversation.user_id, conversation.agent.name) == ("u-7", "answer")


async def test_an_async_agent_that_is_told_the_past(recorded: Recorded) -> None:
    @taketwo.agent(name="desk")
    async def answer(messages: list[dict[str, Any]], db: object = None) -> dict[str, Any]:
        line = messages[-1]["content"]
        return assistant(f"{line}: {await pay_back(db, order_id=line)}")

    history: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    async with taketwo.session("sess-1"):
        for line in ("A-1", "A-2", "A-2"):
            history.append(user(line))
            history.append(await answer(history, object()))
    assert recorded.turns() == [
        [line, ("refund", {"order_id": line}, f"refunded {line}"), *[f"{line}: refunded {line}"] * 2]
        for line in ("A-1", "A-2", "A-2")
    ]
    assert recorded.conversations()["sess-1"].agent.system_prompt == "Be brief."

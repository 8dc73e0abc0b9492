"""The scripted support conversation as the sample files of every format hold it, and what has to come out of each."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from taketwo.capture.imports import FORMATS
from taketwo.capture.imports.imported import Unread
from taketwo.capture.otlp import ReceivedSpans, decode_span
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation

DATA = Path(__file__).parent.parent.parent / "data"
SAMPLES = DATA / "imports"
EXPECTED: dict[str, Any] = json.loads((DATA / "traces" / "expected.json").read_text(encoding="utf-8"))

RESULTS = {
    "get_order": '{"order_id": "A-1001", "items": [{"sku": "MUG-BLUE", "qty": 2}], "total": 24.5, "status": "shipped"}',
    "get_shipment": '{"order_id": "A-1001", "carrier": "DHL", "eta": "2026-03-05"}',
    "issue_refund": '{"refund_id": "R-9", "order_id": "A-1001", "amount": 24.5}',
    "search_policy": '[{"id": "pol-1", "text": "Items can be returned within 30 days, unused, with the receipt.", '
    '"score": 0.92}, {"id": "pol-7", "text": "Refunds go to the original payment method.", "score": 0.41}]',
}
"""What the tools gave back, letter by letter."""


def read(format: str, body: bytes) -> list[Any]:
    """What the format's module makes of a file, after its own sign was found in it."""
    assert FORMATS[format].reads(body[: 256 * 1024])
    return list(FORMATS[format].read(io.BufferedReader(io.BytesIO(body))))  # type: ignore[type-var]  # bytes are raw enough


def conversations_of(items: list[Any]) -> list[Conversation]:
    """The conversations, read out of the spans where they came as such; nothing may be unread."""
    assert [item for item in items if isinstance(item, Unread)] == []
    spans = [decode_span(span) for item in items if isinstance(item, ReceivedSpans) for span in item.spans]
    told = [reconstruct(found.spans, found.logs, session_id=found.id) for found in sessions(spans)]
    return [item for item in items if isinstance(item, Conversation)] + told


def sample(format: str, *names: str) -> Conversation:
    """The one conversation of some sample files."""
    (conversation,) = conversations_of([item for name in names for item in read(format, (SAMPLES / name).read_bytes())])
    return conversation


def assert_is_the_story(conversation: Conversation, *, turns: int = 4, errors_are_marked: bool = True) -> None:
    """That every line, call, result and reply is there, in its message and letter by letter."""
    wanted = EXPECTED["turns"][:turns]
    assert [(turn.user.text if turn.user else None, turn.reply) for turn in conversation.turns] == [
        (turn["user"], turn["assistant"]) for turn in wanted
    ]
    steps = [
        ("call", turn.index, step.message, step.tool, step.arguments)
        if isinstance(step, Call)
        else ("say", turn.index, step.message, step.text, {})
        for turn in conversation.turns
        for step in turn.steps
    ]
    assert steps == [step for index, turn in enumerate(wanted) for step in _steps(index, turn)]
    for _, _, call in conversation.calls():
        failed = call.tool == "issue_refund" and "approval_code" not in call.arguments
        error = "refunds over $20 need an approval code; use AP-77"
        read_text = error if failed else RESULTS[call.tool]
        if failed and errors_are_marked:
            assert (call.result, call.error) == (None, error)
        else:
            assert (call.result, call.error) == (read_text, None)


def _steps(index: int, turn: dict[str, Any]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for message, step in enumerate([*turn["steps"], {"text": turn["assistant"]}]):
        found += [("say", index, message, step["text"], {})] if "text" in step else []
        found += [("call", index, message, call["name"], call["arguments"]) for call in step.get("tool_calls", [])]
    return found

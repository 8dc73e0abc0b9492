"""A small production: conversations of a support desk, and agents that were changed since."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from taketwo.conversation import Agent, Call, Conversation, Say, Tokens, ToolDefinition, Turn, UserLine
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store

AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
DESK = Agent(
    name="desk",
    model="gpt-5",
    provider="openai",
    system_prompt="You help customers of a shop.",
    tools=(ToolDefinition(name="check_status", description="Where an order is."),),
)


def conversation(number: int, *, project: str = "shop", said: str | None = None) -> Conversation:
    """Two turns about one order."""
    at = AT + timedelta(minutes=number)
    order = f"A-{1000 + number}"
    call = Call(call_id="c1", tool="check_status", arguments={"order_id": order}, result={"status": "shipped"})
    turns = (
        Turn(
            index=0,
            user=UserLine(text=said or f"Where is my order {order}?", at=at),
            steps=(call, Say(text="It is on its way.")),
            reply="It is on its way.",
            latency_ms=800.0,
            tokens=Tokens(input=100, output=20),
        ),
        Turn(
            index=1,
            user=UserLine(text="Thanks!", at=at + timedelta(seconds=30)),
            steps=(Say(text="You are welcome."),),
            reply="You are welcome.",
            latency_ms=400.0,
            tokens=Tokens(input=120, output=5),
        ),
    )
    return Conversation(
        id=f"desk-{number}",
        project=project,
        session_id=f"desk-{number}",
        started_at=at,
        ended_at=at + timedelta(minutes=1),
        agent=DESK,
        turns=turns,
    )


def silent(number: int, project: str = "shop") -> Conversation:
    """The user says nothing in it."""
    return Conversation(
        id=f"silent-{number}", project=project, turns=(Turn(index=0, steps=(Say(text="Hello?"),), reply="Hello?"),)
    )


def stocked(store: Store, number: int = 3) -> Store:
    """The store with so many conversations in project `shop`."""
    for one in range(number):
        store.put_conversation(conversation(one))
    return store


def same_agent(messages: list[dict]) -> dict | str:
    """Does what was recorded."""
    said = [message for message in messages if message["role"] == "user"][-1]["content"]
    if messages[-1]["role"] == "tool":
        return "It is on its way."
    if "order" in said:
        order = said.rstrip("?").split()[-1]
        arguments = f'{{"order_id": "{order}"}}'
        return {"content": None, "tool_calls": [{"function": {"name": "check_status", "arguments": arguments}}]}
    return "You are welcome."


def forgetful_agent(messages: list[dict]) -> str:
    """Looks nothing up any more."""
    return "I do not know."


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = AT) -> None:
        self._at = at
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._at

    def forward(self, seconds: float) -> None:
        with self._lock:
            self._at += timedelta(seconds=seconds)


def flow_over(store: Store, **how) -> Flow:
    return Flow(store, **how)

"""A shop whose desk pays refunds that nobody asked for, and the steps of replaying it by forms."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from taketwo.conversation import Agent, Call, Conversation, Say, ToolDefinition, Turn, UserLine
from taketwo.demo.desk import PROMPT_V1

TOOLS = tuple(ToolDefinition(name=name, parameters={"type": "object"}) for name in ("check_status", "issue_refund"))
REFUNDED = "Done: I have refunded $39.90 to your card (refund R-1042)."


def desk(id: str, *, hidden: bool = False) -> Conversation:
    """A customer asks how a refund stands, and the desk pays another one."""
    status = Call(
        call_id="s",
        tool="check_status",
        arguments={"order_id": "A-1042"},
        result='{"order_id": "A-1042", "refund": "approved"}',
    )
    refund = Call(
        call_id="r",
        tool="issue_refund",
        arguments={"order_id": "A-1042", "amount": 39.9},
        result='{"refund_id": "R-1042", "amount": 39.9}',
    )
    lines = ["Where is A-1042?", f"And what is the status of my refund, {id}?"]
    steps = ((status, Say(text="Order A-1042: refund: approved.")), (refund, Say(text=REFUNDED)))
    return Conversation(
        id=id,
        project="shop",
        started_at=datetime(2026, 11, 17, 9, 30, tzinfo=UTC),
        agent=Agent(name="desk", model="rules", system_prompt=PROMPT_V1, tools=TOOLS),
        turns=tuple(
            Turn(index=n, user=None if hidden else UserLine(text=lines[n]), steps=steps[n], reply=steps[n][-1].text)
            for n in range(2)
        ),
    )


def posted(client: httpx.Client, path: str, **fields: Any) -> str:
    """Where it leads to."""
    answer = client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def shown(client: httpx.Client, path: str, until: Callable[[Any], bool]) -> Any:
    """The JSON twin, once it is so far."""
    for _ in range(200):
        found = client.get(path, headers={"accept": "application/json"}).json()
        if until(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def with_scenario(client: httpx.Client, **selected: Any) -> str:
    """The page of a replay session whose scenario is made, with a row for each conversation and no more."""
    replay = posted(client, "/replays", project="shop", **(selected or {"id": ["one", "two"]}))
    posted(client, f"{replay}/scenario", no_of_rows="1" if selected else "2")
    shown(client, replay, lambda found: found["replay_session"]["current_step"] == "ready")
    return replay


def run(client: httpx.Client, replay: str, **fields: str) -> Any:
    """What came of a run."""
    execution = posted(client, f"{replay}/run", **{"reach": "prompt", **fields})
    found = shown(client, execution, lambda found: found["execution"]["status"] in ("completed", "failed"))
    assert not [call["ended_reason"] for call in found["calls"] if call["status"] == "failed"]
    return found

"""What an agent of one's own is sent for a turn, over HTTP or a pipe, and what it answers: see docs/agents.md."""

from __future__ import annotations

from typing import Any

from taketwo.replay.agents import Exchange, Message
from taketwo.replay.agents.propagation import moment


def asked(exchange: Exchange, messages: list[Message], tools_url: str | None) -> dict[str, Any]:
    """The request: everything that an AgentInput has, when the user's line was said in the recording, and a seed.

    tools_url: of the gateway; None when there is none.
    """
    answers_results = len(messages) > len(exchange.messages)
    speaks_first = exchange.new_message is None and not answers_results
    return {
        "thread_id": exchange.thread_id,
        "execution_id": exchange.execution_id,
        "case_id": exchange.case_id,
        "recorded_at": None if exchange.recorded_at is None else moment(exchange.recorded_at),
        "seed": exchange.seed,
        "tools_url": None if tools_url is None else f"{tools_url}/runs/{exchange.execution_id}",
        "messages": messages,
        "new_message": None if speaks_first else messages[-1],
    }

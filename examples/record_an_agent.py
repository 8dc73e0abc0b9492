"""An agent that has nothing, recorded: what is between the two lines is all that was added.

    taketwo serve                        # in another terminal
    python examples/record_an_agent.py
    taketwo show sess-1

Without the receiver the agent answers all the same.
"""

from __future__ import annotations

import re
from typing import Any

import taketwo

# ----------------------------------------------------------------------------------------------------------------------

taketwo.record(project="support")


@taketwo.tool
def find_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order_id": order_id, "item": "kettle", "state": ORDERS[order_id]}


@taketwo.agent
def answer(messages: list[dict[str, str]]) -> str:
    """Your agent: a model in its loop, or as here a few rules."""
    order_id = re.search(r"A-\d+", messages[-1]["content"])
    if order_id is None:
        return "Which order is it about?"
    try:
        order = find_order(order_id=order_id[0])
    except (KeyError, taketwo.ToolError):  # the second is what a replay raises for it
        return f"I cannot find {order_id[0]}, sorry."
    return f"Your {order['item']} is {order['state']}."


def handle(session_id: str, user_id: str, messages: list[dict[str, str]]) -> str:
    """Where your program gets a message of a user and lets the agent answer."""
    with taketwo.session(session_id, user=user_id):
        return answer(messages)


# ----------------------------------------------------------------------------------------------------------------------

ORDERS = {"A-1001": "on its way", "A-1002": "delivered"}


def main() -> None:
    """A conversation of three turns."""
    messages: list[dict[str, str]] = []
    for line in ("Hi, where is my kettle?", "A-1001", "And A-9999?"):
        messages.append({"role": "user", "content": line})
        messages.append({"role": "assistant", "content": handle("sess-1", "u-7", messages)})
        print(f"user:  {line}\nagent: {messages[-1]['content']}")


if __name__ == "__main__":
    main()

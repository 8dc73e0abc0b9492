"""An agent that is a program, in the protocol of docs/agents.md: `taketwo replay … --agent 'cmd:python agent.py'`."""

import json
import sys


def answer(messages: list[dict]) -> dict:
    last = messages[-1]
    if last["role"] == "tool":
        return {"content": f"A-1 is {last['content']}."}
    if "A-1" in last["content"]:
        call = {"name": "check_status", "arguments": json.dumps({"order_id": "A-1"})}
        return {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}
    return {"content": "Which order is it?"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)["messages"])), flush=True)

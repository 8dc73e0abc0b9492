"""Runs the unmodified chat client `agent-simulate`: `python chat_client.py URL TEST:AGENT:CONCURRENCY…`.

A process of its own: importing it sets up telemetry and warns about its own dependencies.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from fi.simulate import AgentInput, AgentResponse, TestRunner
from made_production import same_agent

SEEN: dict[str, list[list[dict]]] = {}
CURRENT: list[str] = []


def seen(given: AgentInput) -> None:
    SEEN.setdefault(CURRENT[-1], []).append([dict(message) for message in given.messages])


def plain(given: AgentInput) -> str:
    """Sync; does what was recorded, without its tools."""
    seen(given)
    return "It is on its way." if "order" in given.new_message["content"] else "You are welcome."


async def tools(given: AgentInput) -> AgentResponse | str:
    """Async; calls the tool and brings its result in the same answer."""
    await asyncio.sleep(0)
    seen(given)
    said = same_agent([message for message in given.messages if message["role"] == "user"])
    if isinstance(said, str):
        return said
    calls = [{"id": "c1", "type": "function", **call} for call in said["tool_calls"]]
    results = [{"role": "tool", "tool_call_id": "c1", "content": '{"status": "shipped"}'}]
    return AgentResponse(content="It is on its way.", tool_calls=calls, tool_responses=results)


async def only_tools(given: AgentInput) -> AgentResponse | str:
    """A turn of tool calls alone, with their results."""
    answer = await tools(given)
    return answer if isinstance(answer, str) else answer.model_copy(update={"content": ""})


async def crash(given: AgentInput) -> str:
    """Raises in the second turn."""
    if given.new_message["content"] == "Thanks!":
        raise RuntimeError("no thanks")
    return "It is on its way."


async def crash_at_once(given: AgentInput) -> str:
    """Raises in the first turn."""
    raise RuntimeError("never")


async def traced(given: AgentInput) -> str:
    """Traced with the tracer that the platform's instrumentations use."""
    from fi_instrumentation import FITracer
    from opentelemetry import trace

    with FITracer(trace.get_tracer("agent")).start_as_current_span("answer"):
        return plain(given)


def main() -> None:
    url = sys.argv[1]
    os.environ.update(FI_BASE_URL=url, FI_API_KEY="pk", FI_SECRET_KEY="sk")
    from fi_instrumentation import register
    from fi_instrumentation.fi_types import ProjectType

    provider = register(
        project_name="traced", project_type=ProjectType.OBSERVE, set_global_tracer_provider=True, verbose=False
    )
    runner = TestRunner(api_key="pk", secret_key="sk", api_url=url)
    for case in sys.argv[2:]:
        name, agent, concurrency = case.split(":")
        CURRENT.append(name)
        callback = globals()[agent]
        asyncio.run(runner.run_test(run_test_name=name, agent_callback=callback, concurrency=int(concurrency)))
    provider.force_flush()
    sys.stdout.write(f"SEEN {json.dumps(SEEN)}\n")


if __name__ == "__main__":
    main()

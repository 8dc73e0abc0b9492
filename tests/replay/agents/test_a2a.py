"""Agents that speak A2A, served by the protocol's own library over a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("a2a")
import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface
from starlette.applications import Starlette

from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import close_agent, open_agent
from taketwo.replay.engine import How, replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

TALK = conversation(
    turn("Hello", reply="Which order is it?"), turn("A-1", reply="A-1 is on its way."), turn("Thanks", reply="Welcome!")
)


class Desk(AgentExecutor):
    """Asks for the order with a task that waits, completes it with an artifact, and thanks with a message."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        said = context.get_user_input()
        self.seen.append((said, context.context_id, dict(context.message.metadata)))
        self.headers.append(dict(context.call_context.state["headers"]))
        if said == "Thanks":
            await event_queue.enqueue_event(new_text_message("Welcome!", context_id=context.context_id))
            return
        if said == "Explode":
            raise RuntimeError("the desk is on fire")
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        if said == "Hello":
            await updater.requires_input(new_text_message("Which order is it?"))
        elif said == "Refund me":
            await updater.reject(new_text_message("I do not refund."))
        else:
            await updater.start_work()
            await updater.add_artifact([new_text_part(f"{said} is on its way.")])
            await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        raise NotImplementedError


@contextmanager
def served(desk: Desk, version: str = "1.0") -> Iterator[str]:
    """The URL of a real server."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    card = AgentCard(
        name="Order desk",
        version="7",
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version=version)],
    )
    handler = DefaultRequestHandler(desk, InMemoryTaskStore(), agent_card=card)
    routes = [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=True)]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


async def run(url: str, case: Case = Case(id="order", recorded=TALK), **how: Any) -> Run:  # noqa: B008
    agent = open_agent(f"a2a:{url}", tools_url="http://127.0.0.1:9/tools", api_key="secret")
    try:
        return await replay(case, agent, How(**how))
    finally:
        await close_agent(agent)


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_it_keeps_one_context_and_goes_on_with_the_task_that_waits(version: str) -> None:
    desk = Desk()
    with served(desk, version) as url:
        done = await run(url)
    assert [one.reply for one in done.conversation.turns] == ["Which order is it?", "A-1 is on its way.", "Welcome!"]
    assert done.ending.reason == "completed"
    assert done.conversation.agent.name == "Order desk"
    assert len({context for _, context, _ in desk.seen}) == 1
    assert desk.seen[0][2] == {"taketwo.tools_url": f"http://127.0.0.1:9/tools/runs/{done.id}"}
    assert all(f"taketwo.run.id={done.id}" in headers["baggage"] for headers in desk.headers)
    assert all(headers["authorization"] == "Bearer secret" for headers in desk.headers)


@pytest.mark.parametrize(
    ("line", "said"),
    [("Refund me", "the agent's task was rejected: I do not refund."), ("Explode", "the desk is on fire")],
)
async def test_what_it_will_not_or_cannot_do_is_a_finding(line: str, said: str) -> None:
    with served(Desk()) as url:
        done = await run(url, Case(id="no", recorded=conversation(turn(line, reply="Fine."))))
    assert done.ending.reason == "agent_failed"
    assert said in (done.ending.detail or "")


async def test_it_cannot_be_told_what_was_said_before_it_was_there() -> None:
    with served(Desk()) as url, pytest.raises(AgentUnreachable, match="keeps the conversation itself"):
        await run(url, from_turn=2)


async def test_where_no_card_lies_it_is_said_what_to_give() -> None:
    with pytest.raises(AgentUnreachable, match=r"agent-card\.json"):
        await run("http://127.0.0.1:1")

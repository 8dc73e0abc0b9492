"""`a2a:`: an agent that speaks Agent2Agent, asked through that protocol's own library: see docs/agents.md."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

import httpx
from a2a.client import A2ACardResolver, A2AClientError, Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import GetTaskRequest, Message, Role, SendMessageRequest, Task, TaskState
from a2a.utils.errors import A2AError

from taketwo.conversation import Agent as KnownAgent
from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import AgentFailed, Exchange, Reply
from taketwo.replay.agents.endpoint import words_of
from taketwo.replay.agents.hosts import AgentHosts
from taketwo.replay.agents.http_client import http_client
from taketwo.replay.agents.propagation import headers
from taketwo.value import clean_text

PREFIX = "a2a:"
TOOLS_URL = "taketwo.tools_url"
"""Name in a message's metadata: where an agent that calls its tools by itself finds the recorded ones."""
POLL_EVERY_S = 0.2
"""How often a task that goes on is looked at, in seconds."""
MOST_THREADS = 10_000
"""So many conversations are known by their ids at a time; replays that go on at a time are far fewer."""
GOING_ON = (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
WAITS_FOR_THE_USER = TaskState.TASK_STATE_INPUT_REQUIRED
FAILED = (TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_REJECTED, TaskState.TASK_STATE_CANCELED)


class _Thread(NamedTuple):
    """What the agent calls a conversation."""

    context_id: str
    """Its id."""
    task_id: str | None
    """The task that waits for the user's next line; None when none does."""


class A2AAgent:
    """Sends each line of the user as a message. The agent keeps the conversation itself, under a context of its own."""

    def __init__(
        self,
        spec: str,
        *,
        api_key: str | None = None,
        tools_url: str | None = None,
        hosts: AgentHosts | None = None,
    ) -> None:
        """spec: `a2a:` and the URL under which the agent's card lies. api_key: sent as bearer.

        tools_url: of the gateway; None when there is none. hosts: see `http_client`.
        """
        self.spec = spec
        self._url = spec.removeprefix(PREFIX)
        self._tools_url = tools_url
        self._http = http_client(api_key=api_key, hosts=hosts)
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._known = KnownAgent(name=spec)
        self._threads: OrderedDict[str, _Thread] = OrderedDict()

    async def respond(self, exchange: Exchange) -> Reply:
        """Send the line, and wait until the agent has answered or asks for the next."""
        client = await self._opened()
        request = SendMessageRequest(message=self._message(exchange))
        context = ClientCallContext(service_parameters=headers(exchange))
        try:
            async for answer in client.send_message(request, context=context):
                if answer.HasField("message"):
                    self._remember(exchange.thread_id, _Thread(answer.message.context_id, None))
                    return self._reply(get_message_text(answer.message))
                if answer.HasField("task"):
                    task = await _ended(client, answer.task, context)
                    return self._reply(self._said(exchange, task))
        except A2AClientError as error:
            raise AgentUnreachable(f"the agent cannot be asked: {error}", where=self._url) from error
        except A2AError as error:
            raise AgentFailed(f"the agent answered with an error: {error}") from error
        raise AgentFailed("the agent answered neither with a message nor with a task")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _opened(self) -> Client:
        """The client for what the agent's card offers, which is read once."""
        async with self._opening:
            if self._client is None:
                try:
                    card = await A2ACardResolver(self._http, self._url).get_agent_card()
                    config = ClientConfig(streaming=False, httpx_client=self._http)
                    self._client = ClientFactory(config).create(card)
                except (A2AClientError, ValueError, httpx.HTTPError) as error:
                    raise AgentUnreachable(
                        f"no A2A agent answers here: {words_of(error)}",
                        where=self._url,
                        todo="give a2a: and the URL under which /.well-known/agent-card.json lies",
                    ) from error
                self._known = KnownAgent(name=clean_text(card.name) or self.spec)
            return self._client

    def _message(self, exchange: Exchange) -> Message:
        """The user's line, in the conversation that the agent knows it by."""
        if exchange.new_message is None:
            raise AgentUnreachable(
                "an A2A agent cannot speak first", where=self.spec, todo="replay a conversation that its user opens"
            )
        thread = self._threads.get(exchange.thread_id)
        if thread is None and any(message["role"] == "assistant" for message in exchange.messages):
            raise AgentUnreachable(
                "an A2A agent keeps the conversation itself and cannot be told what was said before",
                where=self.spec,
                todo="leave out --from-turn and --each-turn",
            )
        context_id, task_id = (None, None) if thread is None else thread
        message = new_text_message(
            _text(exchange.new_message["content"]), context_id=context_id, task_id=task_id, role=Role.ROLE_USER
        )
        if self._tools_url is not None:
            message.metadata.update({TOOLS_URL: f"{self._tools_url}/runs/{exchange.execution_id}"})
        return message

    def _said(self, exchange: Exchange, task: Task) -> str:
        """What the agent told the user with a task. Raises AgentFailed where it was not done."""
        status = task.status
        said = get_message_text(status.message) if status.HasField("message") else ""
        if status.state in FAILED:
            name = TaskState.Name(status.state).removeprefix("TASK_STATE_").lower()
            raise AgentFailed(f"the agent's task was {name}: {said or 'it does not say why'}")
        if status.state == TaskState.TASK_STATE_AUTH_REQUIRED:
            raise AgentUnreachable(f"the agent wants to be authorised: {said}", where=self._url)
        waits = status.state == WAITS_FOR_THE_USER
        self._remember(exchange.thread_id, _Thread(task.context_id, task.id if waits else None))
        told = [text for artifact in task.artifacts if (text := get_artifact_text(artifact))]
        return said if waits or not told else "\n".join(told)

    def _remember(self, thread_id: str, thread: _Thread) -> None:
        self._threads[thread_id] = thread
        if len(self._threads) > MOST_THREADS:
            self._threads.popitem(last=False)

    def _reply(self, text: str) -> Reply:
        return Reply(text=clean_text(text), agent=self._known)


async def _ended(client: Client, task: Task, context: ClientCallContext) -> Task:
    """The task once it does not go on any more; the turn's own limit ends one that always does."""
    while task.status.state in GOING_ON:
        await asyncio.sleep(POLL_EVERY_S)
        task = await client.get_task(GetTaskRequest(id=task.id), context=context)
    return task


def _text(content: object) -> str:
    """The words of a message; what else it holds cannot be sent as text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text")

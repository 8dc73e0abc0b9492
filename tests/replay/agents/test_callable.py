from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import taketwo
from taketwo.errors import AgentUnreachable
from taketwo.replay.agents import open_agent
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

Messages = list[dict[str, Any]]

TALK = conversation(turn("Look for A-1.", call("status", {"order_id": "A-1"}, result="lost"), reply="Lost."))
ASKED = {"id": "c1", "type": "function", "function": {"name": "status", "arguments": '{"order_id": "A-1"}'}}


async def run(agent: Any) -> Run:
    return await replay(Case(id="case", recorded=TALK), CallableAgent(agent))


async def reply(agent: Any) -> str | None:
    done = await run(agent)
    assert done.ending.reason == "completed", done.ending
    return done.conversation.turns[0].reply


def plain(messages: Messages) -> str:
    return f"plain: {messages[-1]['content']}"


async def asynchronous(messages: Messages) -> str:
    return f"async: {messages[-1]['content']}"


def pieces(messages: Messages) -> Iterator[str]:
    yield from ("pieces: ", messages[-1]["content"])


async def async_pieces(messages: Messages) -> AsyncIterator[str]:
    for piece in ("async pieces: ", messages[-1]["content"]):
        yield piece


def other_name(given: taketwo.AgentInput) -> taketwo.AgentResponse:
    assert given.new_message is not None
    return taketwo.AgentResponse(f"input: {given.new_message['content']}")


class Callable_:
    def __call__(self, messages: Messages) -> str:
        return f"object: {messages[-1]['content']}"

    async def elsewhere(self, messages: Messages) -> str:
        return f"method: {messages[-1]['content']}"


class AsyncCallable:
    async def __call__(self, messages: Messages) -> str:
        return f"async object: {messages[-1]['content']}"


class Responder:
    async def respond(self, given: taketwo.AgentInput) -> str:
        return f"respond: {given.messages[-1]['content']}"


class Wrapper:
    """The shape of an agent written for the chat simulation client."""

    async def call(self, input: taketwo.AgentInput) -> str:
        return f"call: {input.messages[-1]['content']}"


@pytest.mark.parametrize(
    ("agent", "how"),
    [
        (plain, "plain"),
        (asynchronous, "async"),
        (pieces, "pieces"),
        (async_pieces, "async pieces"),
        (other_name, "input"),
        (Callable_(), "object"),
        (Callable_().elsewhere, "method"),
        (AsyncCallable(), "async object"),
        (Responder(), "respond"),
        (Wrapper(), "call"),
        (functools.partial(asynchronous), "async"),
        (lambda messages: asynchronous(messages), "async"),
        (lambda *given: plain(given[0].messages), "plain"),
    ],
)
async def test_any_callable_is_an_agent(agent: Any, how: str) -> None:
    assert await reply(agent) == f"{how}: Look for A-1."


async def test_plain_code_runs_in_a_thread_that_knows_the_replay() -> None:
    threads: list[str] = []

    @taketwo.tool
    def status(order_id: str) -> str:
        raise AssertionError("must not run")

    def agent(messages: Messages) -> str:
        threads.append(threading.current_thread().name)
        return status(order_id="A-1")

    assert await reply(agent) == "lost"
    assert threads == ["taketwo-agent"]


async def test_plain_code_stays_in_one_thread_for_a_replay_and_the_thread_ends_with_it() -> None:
    threads: dict[str, list[threading.Thread]] = {"first": [], "second": []}

    def agent_of(name: str) -> CallableAgent:
        return CallableAgent(lambda messages: threads[name].append(threading.current_thread()) or "Hello.")

    talk = conversation(turn("Hi", reply="Hello."), turn("And?", reply="Hello."))
    both = [replay(Case(id=name, recorded=talk), agent_of(name)) for name in threads]
    await asyncio.gather(*both)
    assert [len(set(each)) for each in threads.values()] == [1, 1]
    assert [len(each) for each in threads.values()] == [2, 2]
    assert threads["first"][0] is not threads["second"][0]
    for each in threads.values():
        await asyncio.to_thread(each[0].join, 20)
        assert not each[0].is_alive()


MESSAGE = {"role": "assistant", "content": "Lost."}


@pytest.mark.parametrize(
    "given",
    [
        "Lost.",
        taketwo.AgentResponse("Lost."),
        MESSAGE,
        {"role": "assistant", "content": [{"type": "text", "text": "Lo"}, {"type": "text", "text": "st."}]},
        {"role": "assistant", "content": None, "refusal": "Lost."},
        {"choices": [{"message": MESSAGE}], "usage": {"prompt_tokens": 4, "completion_tokens": 2}},
        SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="Lost.", tool_calls=None))]),
        SimpleNamespace(content="Lost.", tool_calls=[]),
    ],
    ids=["text", "response", "message", "parts", "refusal", "answer", "object", "message object"],
)
async def test_a_reply_may_have_any_of_the_usual_shapes(given: Any) -> None:
    assert await reply(lambda messages: given) == "Lost."


@pytest.mark.parametrize(
    "given",
    [
        {"role": "assistant", "content": None, "tool_calls": [ASKED]},
        taketwo.AgentResponse("", [ASKED]),
        SimpleNamespace(
            choices=[
                SimpleNamespace(
                    message=SimpleNamespace(
                        content=None,
                        tool_calls=[
                            SimpleNamespace(
                                id="c1", function=SimpleNamespace(name="status", arguments='{"order_id": "A-1"}')
                            )
                        ],
                    )
                )
            ]
        ),
        SimpleNamespace(content="", tool_calls=[{"id": "c1", "name": "status", "args": {"order_id": "A-1"}}]),
        {"content": None, "function_call": {"name": "status", "arguments": '{"order_id": "A-1"}'}},
    ],
    ids=["message", "response", "object", "flat", "old"],
)
async def test_tool_calls_without_results_are_answered_and_the_agent_is_asked_again(given: Any) -> None:
    def agent(messages: Messages) -> Any:
        last = messages[-1]
        return f"It is {last['content']}" if last["role"] == "tool" else given

    done = await run(agent)
    assert done.conversation.turns[0].reply == "It is lost"
    assert [(answer.tier, answer.place.step_index) for answer in done.tool_answers] == [("exact", 0)]


async def test_results_that_the_agent_brings_itself_are_taken_down_as_its_own() -> None:
    response = {"role": "tool", "tool_call_id": "c1", "content": "its own result"}
    done = await run(lambda messages: taketwo.AgentResponse("Found it.", [ASKED], [response]))
    (called,) = done.conversation.turns[0].calls
    assert (called.tool, called.result, called.call_id) == ("status", "its own result", "c1")
    assert done.tool_answers[0].tier == "agent"
    assert done.conversation.turns[0].reply == "Found it."


async def test_results_go_to_their_calls_by_id_and_the_rest_is_answered_from_the_recording() -> None:
    other = {"id": "c2", "type": "function", "function": {"name": "note", "arguments": "{}"}}
    response = {"role": "tool", "tool_call_id": "c2", "content": "noted"}

    def agent(messages: Messages) -> Any:
        if messages[-1]["role"] == "tool":
            return ", ".join(message["content"] for message in messages if message["role"] == "tool")
        return taketwo.AgentResponse("", [ASKED, other], [response])

    done = await run(agent)
    assert done.conversation.turns[0].reply == "lost, noted"
    assert [answer.tier for answer in done.tool_answers] == ["exact", "agent"]


async def test_the_second_question_of_a_turn_holds_the_result_as_the_new_message() -> None:
    seen: list[Any] = []

    def agent(given: taketwo.AgentInput) -> Any:
        seen.append(given.new_message)
        return "Done" if len(seen) == 2 else taketwo.AgentResponse("", [ASKED])

    await run(agent)
    assert [message["role"] for message in seen] == ["user", "tool"]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 4, "completion_tokens": 2}, (4, 2)),
        ({"input_tokens": 4, "output_tokens": 2}, (4, 2)),
        (SimpleNamespace(prompt_tokens=4, completion_tokens=2), (4, 2)),
        ({"completion_tokens": 2}, (None, 2)),
        (None, (None, None)),
    ],
)
async def test_tokens_are_read_where_the_agent_reports_them(usage: Any, tokens: tuple[int | None, int | None]) -> None:
    done = await run(lambda messages: taketwo.AgentResponse("x", metadata={"usage": usage}))
    counted = done.conversation.turns[0].tokens
    assert (counted.input, counted.output) == tokens


async def test_tokens_are_unknown_when_one_of_the_model_calls_does_not_report_them() -> None:
    def agent(messages: Messages) -> Any:
        if messages[-1]["role"] == "tool":
            return "done"
        return {"content": None, "tool_calls": [ASKED], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}

    done = await run(agent)
    assert done.conversation.turns[0].tokens.output is None


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "my_agent.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_agent", raising=False)


@pytest.mark.parametrize(
    ("spec", "text", "message"),
    [
        ("no_such_module:agent", "", "there is no module 'no_such_module' in /"),
        ("no_such.deep.module:agent", "", "there is no module 'no_such' in /"),
        ("my_agnet:agent", "", "(did you mean 'my_agent'?)"),
        ("my_agent:agent", "import no_such_thing", "No module named 'no_such_thing' (my_agent.py:1)"),
        ("my_agent:agent", "def agent(:", "SyntaxError: invalid syntax (my_agent.py, line 1) (my_agent.py:1)"),
        ("my_agent:agent", "import sys; sys.exit(2)", "cannot import 'my_agent': SystemExit: 2 (my_agent.py:1)"),
        ("my_agent:agnet", "def agent(messages): ...", "there is no 'agnet' (did you mean 'agent'?)"),
        ("my_agent:desk.x", "class desk: ...", "there is no 'x'"),
        ("my_agent.py:agent", "", "(name the module, not the file: my_agent:…)"),
        ("my_agent:agent", "def __getattr__(name): return [][0]", "cannot import 'my_agent': IndexError: list index"),
        ("my_agent:agent", "import os; os.no_such_thing", "cannot import 'my_agent': AttributeError: module 'os'"),
        ("my_agent:agent", "class agent: ...", "agent is a class; how to make one is not guessed"),
        ("my_agent:agent", "agent = 5", "int object: neither callable nor with a method `respond`"),
        ("my_agent:agent", "def agent(): ...", "the callable takes no argument (it is called with the messages"),
        ("my_agent:agent", "def agent(a, b): ...", "the callable needs more than one argument: b"),
        ("my_agent:agent", "def agent(a, *, b): ...", "the callable needs more than one argument: b"),
    ],
)
def test_what_cannot_be_opened_says_why_in_a_line(
    spec: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch, text)
    with pytest.raises(AgentUnreachable) as caught:
        open_agent(spec)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{spec}: ")
    assert "\n" not in str(caught.value)


async def test_an_agent_is_found_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(
        tmp_path, monkeypatch, "class Desk:\n    def answer(self, messages, brief=True): return 'Hello'\ndesk = Desk()"
    )
    agent = open_agent("my_agent:desk.answer")
    done = await replay(Case(id="case", recorded=TALK), agent)
    assert (done.agent, done.conversation.turns[0].reply) == ("my_agent:desk.answer", "Hello")


def test_a_callable_without_a_spec_is_named_after_itself() -> None:
    assert CallableAgent(plain).spec.endswith("test_callable:plain")
    assert CallableAgent(Responder()).spec.endswith("test_callable:Responder")


def test_the_type_of_a_callable_does_not_matter() -> None:
    given: Callable[..., Any] = "{}".format
    assert CallableAgent(given)


async def test_a_parameter_of_another_name_that_is_used_as_the_messages_is_named() -> None:
    def agent(history: Any) -> str:
        return str(history[-1]["content"])

    done = await run(agent)
    assert done.ending.reason == "agent_failed"
    detail = done.ending.detail or ""
    assert "test_callable.py" in detail and "parameter is named 'history'" in detail and "name it `messages`" in detail

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import taketwo
from taketwo.capture.otlp import decode_span, read_spans
from taketwo.capture.reconstruct import reconstruct
from taketwo.capture.sessions import sessions
from taketwo.conversation import Call, Conversation, Say, Turn
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.sdk import recording
from taketwo.sdk.recorder import Recorder
from taketwo.sdk.sending import Sender
from taketwo.value import JSON


class Recorded:
    """What was recorded, read as the receiver reads it."""

    def __init__(self, *, content: bool = True) -> None:
        self.exporter = InMemorySpanExporter()
        self.sender = Sender(self.exporter)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.sender)
        recording.use(Recorder(self.provider, content=content))

    @property
    def spans(self) -> list[ReadableSpan]:
        assert self.sender.force_flush()
        return list(self.exporter.get_finished_spans())

    def conversations(self) -> dict[str | None, Conversation]:
        return read_as_received(self.spans)

    def turns(self, session: str = "sess-1") -> list[JSON]:
        """The turns of a conversation that must have nothing unknown but what no call of an agent can tell."""
        conversation = self.conversations()[session]
        assert {gap.where for gap in conversation.gaps} <= {"agent.system_prompt", "agent.model", "agent.tools"}
        return [told(turn) for turn in conversation.turns]


def read_as_received(spans: Sequence[ReadableSpan]) -> dict[str | None, Conversation]:
    """The conversations by session, as the receiver finds them in what an exporter sends."""
    body = encode_spans(spans).SerializeToString()
    found = [decode_span(raw) for raw in read_spans(body, "application/x-protobuf").spans]
    return {each.id: reconstruct(each.spans, each.logs, session_id=each.id) for each in sessions(found)}


def told(turn: Turn) -> JSON:
    """A turn in short: the user's line, what was called and said, the reply."""
    return [turn.user.text if turn.user else None, *map(step_told, turn.steps), turn.reply]


def step_told(step: Call | Say) -> JSON:
    if isinstance(step, Say):
        return step.text
    return (step.tool, step.arguments, step.result if step.error is None else f"! {step.error}")


@pytest.fixture(autouse=True)
def _sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    recording.use(None)
    made.provider.shutdown()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@taketwo.tool
def find(order_id: str, limit: int = 5) -> dict[str, Any]:
    return {"order_id": order_id, "status": "sent", "note": "Grüße 🙂"}


@taketwo.tool(name="refund", writes=True, ignore=["db"])
async def pay_back(db: object, order_id: str) -> str:
    await asyncio.sleep(0)
    if order_id == "A-9":
        raise KeyError(order_id)
    return f"refunded {order_id}"


@taketwo.tool
def nothing() -> None: ...


FOUND = '{"order_id": "A-1", "status": "sent", "note": "Grüße 🙂"}'


def test_a_plain_agent_that_keeps_the_past_itself(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(text: str) -> str:
        find("A-1")
        nothing()
        return f"You said {text}."

    with taketwo.session("sess-1", user="u-7"):
        for line in ("yes", "yes", "no", "no"):
            assert answer(line) == f"You said {line}."
    calls = ("find", {"order_id": "A-1"}, FOUND), ("nothing", {}, "null")
    assert recorded.turns() == [
        [line, *calls, f"You said {line}.", f"You said {line}."] for line in ("yes", "yes", "no", "no")
    ]
    conversation = recorded.conversations()["sess-1"]
    assert (conversation.user_id, conversation.agent.name) == ("u-7", "answer")


async def test_an_async_agent_that_is_told_the_past(recorded: Recorded) -> None:
    @taketwo.agent(name="desk")
    async def answer(messages: list[dict[str, Any]], db: object = None) -> dict[str, Any]:
        line = messages[-1]["content"]
        return assistant(f"{line}: {await pay_back(db, order_id=line)}")

    history: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    async with taketwo.session("sess-1"):
        for line in ("A-1", "A-2", "A-2"):
            history.append(user(line))
            history.append(await answer(history, object()))
    assert recorded.turns() == [
        [line, ("refund", {"order_id": line}, f"refunded {line}"), *[f"{line}: refunded {line}"] * 2]
        for line in ("A-1", "A-2", "A-2")
    ]
    assert recorded.conversations()["sess-1"].agent.system_prompt == "Be brief."


def test_what_an_agent_adds_to_its_messages_is_what_it_did(recorded: Recorded) -> None:
    @taketwo.tool
    def look(order_id: str) -> str:
        if order_id == "A-9":
            raise LookupError("no row")
        return "sent"

    def run(call: dict[str, Any]) -> dict[str, Any]:
        try:
            result = look(**json.loads(call["function"]["arguments"]))
        except LookupError:
            result = "Error: no such order"
        return {"role": "tool", "tool_call_id": call["id"], "content": result}

    @taketwo.agent
    def answer(messages: list[dict[str, Any]]) -> str:
        ids = messages[-1]["content"].split()
        calls = [
            {
                "id": f"c{i}",
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps({"order_id": one})},
            }
            for i, one in enumerate(ids)
        ]
        messages.append({"role": "assistant", "content": "I look.", "tool_calls": calls})
        messages.extend(run(call) for call in calls)
        messages.append(assistant("Done."))
        return "Done."

    messages: list[dict[str, Any]] = []
    for line in ("A-1 A-9", "A-2"):
        messages.append(user(line))
        with taketwo.session("sess-1"):
            answer(messages)
    assert recorded.turns() == [
        [
            "A-1 A-9",
            "I look.",
            ("look", {"order_id": "A-1"}, "sent"),
            ("look", {"order_id": "A-9"}, "! Error: no such order"),
            "Done.",
            "Done.",
        ],
        ["A-2", "I look.", ("look", {"order_id": "A-2"}, "sent"), "Done.", "Done."],
    ]
    first, second = recorded.conversations()["sess-1"].turns[0].calls
    assert (first.message, second.message, second.raised, second.call_id) == (0, 0, "no row", "c1")


def test_a_reply_in_pieces_is_one_reply(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(text: str) -> Iterator[str]:
        yield "You "
        find("A-1")
        yield f"said {text}."
        yield None  # type: ignore[misc]  # as the last chunk of a model has it

    for line in ("yes", "no"):
        with taketwo.session("sess-1"):
            pieces = answer(line)
        # Servers read a reply when the function that asked for it has returned.
        assert "".join(piece for piece in pieces if piece) == f"You said {line}."
    calls = [("find", {"order_id": "A-1"}, FOUND)]
    assert recorded.turns() == [[line, *calls, f"You said {line}.", f"You said {line}."] for line in ("yes", "no")]


async def test_an_awaited_reply_in_pieces_is_one_reply(recorded: Recorded) -> None:
    @taketwo.agent
    async def answer(text: str) -> AsyncIterator[str]:
        yield "You "
        await pay_back(None, "A-1")
        yield f"said {text}."

    async def ask(line: str) -> str:
        async with taketwo.session(f"sess-{line}"):
            pieces = answer(line)
        return "".join([piece async for piece in pieces])

    assert await asyncio.gather(ask("1"), ask("2")) == ["You said 1.", "You said 2."]
    calls = [("refund", {"order_id": "A-1"}, "refunded A-1")]
    for line in ("1", "2"):
        assert recorded.turns(f"sess-{line}") == [[line, *calls, f"You said {line}.", f"You said {line}."]]


def test_between_the_pieces_of_a_reply_the_context_is_the_readers(recorded: Recorded) -> None:
    tracer = recorded.provider.get_tracer("theirs")

    @taketwo.agent
    def answer(text: str) -> Iterator[str]:
        with tracer.start_as_current_span("inner"):
            yield "a"
            with tracer.start_as_current_span("innermost"):
                yield "b"

    with tracer.start_as_current_span("reader"):
        for _ in answer("Hi"):
            tracer.start_span("between").end()
    spans = {span.name: span for span in recorded.spans}
    parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    ids = {name: span.context.span_id for name, span in spans.items() if span.context}
    assert parents == {
        "reader": None,
        "between": ids["reader"],
        "invoke_agent answer": ids["reader"],
        "inner": ids["invoke_agent answer"],
        "innermost": ids["inner"],
    }


def test_a_reply_that_is_not_read_to_its_end_is_what_was_read(recorded: Recorded) -> None:
    closed = []

    @taketwo.agent
    def answer(text: str) -> Iterator[str]:
        try:
            yield "Once "
            yield "upon "
            yield "a time."
        finally:
            closed.append(find("A-1"))

    with taketwo.session("sess-1"):
        pieces = answer("Tell me a story")
        assert [next(pieces), next(pieces)] == ["Once ", "upon "]
        pieces.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed
    assert recorded.turns() == [["Tell me a story", ("find", {"order_id": "A-1"}, FOUND), "Once upon ", "Once upon "]]
    (output,) = (span.attributes["gen_ai.output.messages"] for span in recorded.spans if "agent" in span.name)
    assert json.loads(output)[-1]["finish_reason"] == "cancelled"


async def test_a_reply_that_breaks_off_is_what_came_before(recorded: Recorded) -> None:
    @taketwo.agent
    async def answer(text: str) -> AsyncIterator[str]:
        yield "I will"
        raise ConnectionError("the model is gone")

    with taketwo.session("sess-1"), pytest.raises(ConnectionError, match="the model is gone"):
        async for _ in answer("Hi"):
            pass
    assert recorded.turns() == [["Hi", "I will", "I will"]]
    (span,) = recorded.spans
    assert (span.status.description, span.attributes["error.type"]) == ("the model is gone", "ConnectionError")


async def test_a_plain_function_may_give_back_what_is_awaited_or_read_later(recorded: Recorded) -> None:
    async def later(text: str) -> str:
        await asyncio.sleep(0)
        return f"{text} later"

    @taketwo.agent
    def answer(text: str) -> Any:
        return later(text) if text == "await" else (piece for piece in (text, " in pieces"))

    @taketwo.agent
    async def stream(text: str) -> AsyncIterator[str]:
        async def pieces() -> AsyncIterator[str]:
            yield text
            yield " awaited"

        return pieces()

    with taketwo.session("sess-1"):
        waiting, pieces = answer("await"), answer("read")
        assert await waiting == "await later"
        assert "".join(pieces) == "read in pieces"
        assert "".join([piece async for piece in await stream("both")]) == "both awaited"
    assert [turn[-1] for turn in recorded.turns()] == ["await later", "read in pieces", "both awaited"]


def test_an_agent_that_raises_has_a_turn_without_a_reply(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(text: str) -> str:
        find("A-1")
        if text == "first":
            raise RuntimeError("out of tokens")
        return "fine"

    with taketwo.session("sess-1"):
        with pytest.raises(RuntimeError, match="out of tokens"):
            answer("first")
        answer("second")
    call = ("find", {"order_id": "A-1"}, FOUND)
    conversation = recorded.conversations()["sess-1"]
    assert [told(turn) for turn in conversation.turns] == [["first", call, None], ["second", call, "fine", "fine"]]
    assert [gap.why for gap in conversation.gaps if gap.where == "turns[0].reply"] == [
        "the model call failed: out of tokens"
    ]


def test_an_agent_inside_an_agent_is_part_of_its_turn(recorded: Recorded) -> None:
    @taketwo.agent
    def specialist(messages: list[dict[str, Any]]) -> str:
        return find("A-1")["status"]  # type: ignore[no-any-return]  # a text

    @taketwo.tool
    def ask_warehouse(question: str) -> str:
        return specialist([user(question)])

    @taketwo.agent
    def reception(messages: list[dict[str, Any]]) -> str:
        return f"It was {specialist([user('internal: status?')])}, they say {ask_warehouse('Where is it?')}."

    history: list[dict[str, Any]] = []
    with taketwo.session("sess-1"):
        for line in ("Where is A-1?", "Sure?"):
            history.append(user(line))
            history.append(assistant(reception(history)))
    calls = ("find", {"order_id": "A-1"}, FOUND), ("ask_warehouse", {"question": "Where is it?"}, "sent")
    reply = "It was sent, they say sent."
    assert recorded.turns() == [[line, *calls, reply, reply] for line in ("Where is A-1?", "Sure?")]


def chat(number: int) -> list[JSON]:
    """What `desk` says and does in a session."""
    return [
        [f"A-{number}", ("refund", {"order_id": f"A-{number}"}, f"refunded A-{number}"), *[f"ok {number}"] * 2],
        [f"B-{number}", ("refund", {"order_id": f"B-{number}"}, f"refunded B-{number}"), *[f"ok {number}"] * 2],
    ]


async def test_sessions_in_parallel_tasks_are_kept_apart(recorded: Recorded) -> None:
    @taketwo.agent
    async def desk(text: str) -> str:
        await asyncio.sleep(0)
        await pay_back(None, text)
        return f"ok {text[2:]}"

    async def talk(number: int) -> None:
        async with taketwo.session(f"sess-{number}", user=f"u-{number}"):
            for letter in "AB":
                await asyncio.sleep(0)
                await desk(f"{letter}-{number}")

    await asyncio.gather(*(talk(number) for number in range(20, 40)))
    talks = recorded.conversations()
    for number in range(20, 40):
        assert [told(turn) for turn in talks[f"sess-{number}"].turns] == chat(number)
        assert talks[f"sess-{number}"].user_id == f"u-{number}"


def test_sessions_in_parallel_threads_are_kept_apart(recorded: Recorded) -> None:
    barrier = threading.Barrier(4)

    @taketwo.agent
    def desk(text: str) -> str:
        barrier.wait(10)
        asyncio.run(pay_back(None, text))
        return f"ok {text[2:]}"

    def talk(number: int) -> None:
        for letter in "AB":
            with taketwo.session(f"sess-{number}"):
                desk(f"{letter}-{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, range(20, 24)))
    for number in range(20, 24):
        assert recorded.turns(f"sess-{number}") == chat(number)


async def test_tools_in_threads_are_part_of_the_turn_if_they_know_of_it(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    @taketwo.tool(name="look_up")
    def find(order_id: str) -> str:
        return "sent"

    @taketwo.agent
    async def answer(text: str) -> str:
        await asyncio.to_thread(find, "A-1")
        with ThreadPoolExecutor() as pool:
            pool.submit(contextvars.copy_context().run, find, "A-1").result()
            pool.submit(find, "lost").result()
            pool.submit(find, "lost").result()
        return "ok"

    with taketwo.session("sess-1"):
        await answer("Hi")
    assert recorded.turns() == [["Hi", *[("look_up", {"order_id": "A-1"}, "sent")] * 2, "ok", "ok"]]
    (warning,) = caplog.records  # once for both
    assert "the tool look_up was called outside of any turn" in warning.getMessage()


@dataclass
class Order:
    id: str
    total: float


class Slotted:
    __slots__ = ()

    def __repr__(self) -> str:
        return "<Slotted>"


class Hostile:
    """Fails whichever way it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look at me")

    __str__ = __repr__

    def model_dump(self, **_: object) -> dict[str, Any]:
        raise RuntimeError("do not look at me")


@pytest.mark.parametrize(
    ("result", "read"),
    [
        ("text", "text"),
        ("", ""),
        ('{"a": 1}', '{"a": 1}'),
        ({"a": [1, None, {"b": 2.5}]}, '{"a": [1, null, {"b": 2.5}]}'),
        ([], "[]"),
        (True, "true"),
        (12, "12"),
        (Order("A-1", 39.9), '{"id": "A-1", "total": 39.9}'),
        ((1, 2), "[1, 2]"),
        (float("nan"), "nan"),
        ("\ud800 alone", "\ufffd alone"),
        ({"\ud800": "\udfff"}, '{"\ufffd": "\ufffd"}'),
        (b"bytes", "Ynl0ZXM="),
        (Slotted(), "<Slotted>"),
    ],
)
def test_a_result_is_the_text_that_a_model_reads(recorded: Recorded, result: Any, read: str) -> None:
    @taketwo.tool
    def give() -> Any:
        return result

    @taketwo.agent
    def answer(text: str) -> str:
        assert give() is result
        return "ok"

    with taketwo.session("sess-1"):
        answer("Hi")
    assert recorded.turns() == [["Hi", ("give", {}, read), "ok", "ok"]]


def test_a_tool_that_raises_is_a_call_with_an_error(recorded: Recorded) -> None:
    @taketwo.tool
    def fail(how: str) -> None:
        raise {"words": ValueError("card refused 🙈 \ud800"), "none": ValueError(), "key": KeyError("A-9")}[how]

    @taketwo.agent
    def answer(text: str) -> str:
        for how in ("words", "none", "key"):
            with pytest.raises((ValueError, KeyError)):
                fail(how)
        with pytest.raises(TypeError):
            fail(why="x")  # type: ignore[call-arg]  # the mistake that is tested
        return "sorry"

    with taketwo.session("sess-1"):
        answer("Hi")
    (turn,) = recorded.turns()
    assert turn[1:-3] == [
        ("fail", {"how": "words"}, "! card refused 🙈 \ufffd"),
        ("fail", {"how": "none"}, "! ValueError"),
        ("fail", {"how": "key"}, "! 'A-9'"),
    ]
    assert turn[-3][:2] == ("fail", {"why": "x"})
    assert "unexpected keyword argument 'why'" in turn[-3][2]


@pytest.mark.parametrize(
    ("reply", "told_as"),
    [
        ("Hello", ["Hello", "Hello"]),
        (assistant("Hello"), ["Hello", "Hello"]),
        (assistant([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]), ["Hello", "Hello"]),  # type: ignore[arg-type]  # parts
        (SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="Hello"))]), ["Hello", "Hello"]),
        (taketwo.AgentResponse("Hello"), ["Hello", "Hello"]),
        (
            taketwo.AgentResponse(
                "Hello",
                [
                    {"id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}},
                    {"id": "c2", "name": "g", "args": {}},
                ],
                [{"tool_call_id": "c2", "content": "two"}, {"tool_call_id": "c1", "content": "one"}],
            ),
            [("f", {"a": 1}, "one"), ("g", {}, "two"), "Hello", "Hello"],
        ),
        ('{"role": "user"}', ['{"role": "user"}', '{"role": "user"}']),
        ("Half \ud83d", ["Half \ufffd", "Half \ufffd"]),
    ],
)
def test_a_reply_is_read_in_every_shape_that_a_replay_reads(recorded: Recorded, reply: Any, told_as: JSON) -> None:
    @taketwo.agent
    def answer(messages: list[dict[str, Any]]) -> Any:
        return reply

    with taketwo.session("sess-1"):
        assert answer([user("Hi")]) is reply
    assert recorded.turns() == [["Hi", *told_as]]


def test_calls_that_the_application_runs_between_two_calls_of_the_agent(recorded: Recorded) -> None:
    asked = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}

    @taketwo.agent
    def model(messages: list[dict[str, Any]]) -> dict[str, Any]:
        if messages[-1]["content"] != "Go":
            return assistant("Done.")
        return {"role": "assistant", "content": "Wait.", "tool_calls": [asked]}

    messages = [user("Go")]
    with taketwo.session("sess-1"):
        messages.append(model(messages))
        messages.append({"role": "tool", "tool_call_id": "c1", "content": "one"})
        messages.append(model(messages))
        messages.append(user("Again"))
        messages.append(model(messages))
    assert recorded.turns() == [["Go", "Wait.", ("f", {"a": 1}, "one"), "Done.", "Done."], ["Again", "Done.", "Done."]]


class Chat:
    """Messages as a framework's classes have them."""

    def __init__(self, type: str, content: str) -> None:
        self.type, self.content = type, content


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("Hi", "Hi"),
        ('[{"role": "system"}]', '[{"role": "system"}]'),
        ([user("Hi")], "Hi"),
        ((user("Hi"),), "Hi"),
        ({"messages": [user("Hi")]}, "Hi"),
        ({"question": "Hi"}, "Hi"),
        (user("Hi"), "Hi"),
        ([Chat("human", "Hi")], "Hi"),
        ([SimpleNamespace(role="user", content="Hi")], "Hi"),
        ([user([{"type": "text", "text": "Hi"}])], "Hi"),  # type: ignore[arg-type]  # parts
        (taketwo.AgentInput(thread_id="t", messages=[user("Hi")]), "Hi"),
        ([user("\ud800")], "\ufffd"),
        ([], None),
        ([{"role": "system", "content": "Greet."}], None),
        (None, None),
    ],
)
def test_what_the_user_said_is_read_in_many_shapes(recorded: Recorded, given: Any, line: str | None) -> None:
    @taketwo.agent
    def answer(request: Any, other: int = 1) -> str:
        assert request is given
        return "Hello"

    with taketwo.session("sess-1"):
        answer(given)
    assert recorded.turns() == [[line, "Hello", "Hello"]]


def test_an_image_goes_along(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(messages: list[dict[str, Any]]) -> str:
        return "A lamp."

    images = [{"type": "image_url", "image_url": {"url": url}} for url in ("data:image/png;base64,aGk=", "https://a/b")]
    with taketwo.session("sess-1"):
        answer([{"role": "user", "content": [{"type": "text", "text": "Look"}, *images]}])
    line = recorded.conversations()["sess-1"].turns[0].user
    assert line is not None
    assert [(each.kind, each.media_type, each.url) for each in line.attachments] == [
        ("image", "image/png", "data:image/png;base64,aGk="),
        ("image", None, "https://a/b"),
    ]


def test_the_parameter_with_the_users_words_can_be_named() -> None:
    made = Recorded()

    class Desk:
        @taketwo.agent(input="line")
        def named(self, request: object, line: str) -> str:
            return "1"

        @taketwo.agent
        def first(self, line: str, messages: list[dict[str, Any]]) -> str:
            return "2"

        @taketwo.agent
        @classmethod
        def of_class(cls, line: str) -> str:
            return cls.__name__

        @staticmethod
        @taketwo.agent
        def outside(line: str, *more: str) -> str:
            return "4"

    with taketwo.session("sess-1"):
        Desk().named(object(), "one")
        Desk().first(messages=[user("one"), assistant("1"), user("two")], line="x")
        Desk.of_class("three")
        Desk.outside("four", "more")
    assert [turn[0] for turn in made.turns()] == ["one", "two", "three", "four"]
    with pytest.raises(TypeError, match="has no parameter 'lines'"):
        taketwo.agent(input="lines")(Desk.outside)
    recording.use(None)


def test_nothing_that_is_given_or_given_back_can_break_the_agent(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = Hostile()

    @taketwo.tool
    def look(at: object) -> object:
        return hostile

    @taketwo.agent
    def answer(given: object) -> object:
        return look(given)

    @taketwo.agent
    def fail(text: str) -> None:
        raise Unspeakable

    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("do not look at me")

    with taketwo.session("sess-1"):
        assert answer(hostile) is hostile
        assert answer([hostile, user("Hi")]) is hostile
        with pytest.raises(Unspeakable):
            fail("Hi")
        with pytest.raises(TypeError):
            answer("Hi", 2)  # type: ignore[call-arg]  # the mistake that is tested
    assert len([span for span in recorded.spans if span.name.startswith("invoke_agent")]) == 4
    assert all("taketwo" in record.getMessage() for record in caplog.records)


def test_other_instrumentations_are_marked_and_nothing_is_doubled(recorded: Recorded) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai")

    def model(messages: list[dict[str, Any]], said: dict[str, Any]) -> dict[str, Any]:
        with tracer.start_as_current_span("chat gpt") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt",
                    "gen_ai.input.messages": json.dumps([parts(each) for each in messages]),
                    "gen_ai.output.messages": json.dumps([parts(said)]),
                }
            )
        return said

    def parts(message: dict[str, Any]) -> dict[str, Any]:
        if message["role"] == "tool":
            inside = [{"type": "tool_call_response", "id": "call_1", "response": message["content"]}]
        elif "calls" in message:
            inside = [{"type": "tool_call", "id": "call_1", "name": "find", "arguments": {"order_id": "A-1"}}]
        else:
            inside = [{"type": "text", "content": message["content"]}]
        return {"role": message["role"], "parts": inside}

    memory: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]

    @taketwo.agent
    def answer(text: str) -> str:
        if text == "Thanks":  # answered without a model
            memory.extend([user(text), assistant("Bye.")])
            return "Bye."
        memory.append(user(f"Q: {text}"))
        memory.append(model(memory, {"role": "assistant", "calls": 1}))
        memory.append({"role": "tool", "content": json.dumps(find("A-1"))})
        memory.append(model(memory, assistant("Sent.")))
        return str(memory[-1]["content"])

    with taketwo.session("sess-1", user="u-7"):
        for line in ("Where is it?", "Where is it?", "Thanks", "Thanks", "Where is it?"):
            answer(line)
    call = ("find", {"order_id": "A-1"}, json.dumps({"order_id": "A-1", "status": "sent", "note": "Grüße 🙂"}))
    asked, thanked = ["Where is it?", call, "Sent.", "Sent."], ["Thanks", "Bye.", "Bye."]
    assert recorded.turns() == [asked, asked, thanked, thanked, asked]
    conversation = recorded.conversations()["sess-1"]
    assert (conversation.agent.model, conversation.agent.system_prompt) == ("gpt", "Be brief.")
    assert conversation.turns[0].calls[0].call_id == "call_1"
    assert conversation.turns[0].calls[0].latency_ms is not None
    assert {span.attributes["user.id"] for span in recorded.spans} == {"u-7"}
    assert "called_by_code" not in conversation.metadata
    assert len(conversation.agent.tools) == 0


def test_model_calls_captured_without_content_hide_nothing(recorded: Recorded) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai")

    def model(finish: str) -> None:
        with tracer.start_as_current_span("chat gpt") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt",
                    "gen_ai.response.finish_reasons": [finish],
                    "gen_ai.usage.output_tokens": 7,
                }
            )

    @taketwo.agent
    def answer(text: str) -> str:
        model("tool_calls")
        find("A-1")
        model("stop")
        return f"{text} was sent."

    with taketwo.session("sess-1"):
        for line in ("A-1", "A-2", "A-2"):
            answer(line)
    call = ("find", {"order_id": "A-1"}, FOUND)
    assert recorded.turns() == [[line, call, *[f"{line} was sent."] * 2] for line in ("A-1", "A-2", "A-2")]
    assert recorded.conversations()["sess-1"].turns[0].tokens.output == 14


async def test_a_replay_sends_nothing_and_what_others_send_is_marked(recorded: Recorded) -> None:
    tracer = recorded.provider.get_tracer("theirs")
    theirs = InMemorySpanExporter()
    recorded.provider.add_span_processor(SimpleSpanProcessor(theirs))

    @taketwo.agent
    def answer(messages: list[dict[str, Any]]) -> Iterator[str]:
        with tracer.start_as_current_span("chat"):
            yield str(find("A-1")["status"])
        thread = threading.Thread(target=lambda: tracer.start_span("in a thread").end())
        thread.start()
        thread.join()

    with taketwo.session("sess-1"):
        assert list(answer([user("Where is A-1?")])) == ["sent"]
    turns, talk, before = recorded.turns(), recorded.conversations()["sess-1"], len(recorded.spans)
    theirs.clear()
    with taketwo.session("sess-2"):
        run = await replay(Case(id="case", recorded=talk), CallableAgent(answer))
    assert run.ending.reason == "completed"
    assert [told(turn) for turn in run.conversation.turns] == turns

    @taketwo.agent
    async def stream(messages: list[dict[str, Any]]) -> AsyncIterator[str]:
        yield str(find("A-1")["status"])

    run = await replay(Case(id="case", recorded=talk), CallableAgent(stream))
    assert [told(turn) for turn in run.conversation.turns] == turns
    assert len(recorded.spans) == before
    marks = {
        span.name: span.attributes.get("gen_ai.simulator.is_simulator_trace") for span in theirs.get_finished_spans()
    }
    assert marks == {"chat": True, "in a thread": True}
    assert read_as_received(theirs.get_finished_spans()) == {}


def test_without_content_it_is_known_that_there_was_a_turn(recorded: Recorded) -> None:
    recording.use(Recorder(recorded.provider, content=False))

    @taketwo.tool
    def fail(secret: str) -> str:
        raise ValueError(f"not {secret}")

    @taketwo.agent
    def answer(messages: list[dict[str, Any]]) -> str:
        find("secret")
        with pytest.raises(ValueError, match="not secret"):
            fail("secret")
        return "secret"

    with taketwo.session("sess-1"):
        answer([{"role": "system", "content": "secret"}, user("secret")])
    spans = recorded.spans
    assert "secret" not in "".join(span.to_json() for span in spans)
    assert [span.attributes.get("error.type") for span in spans] == [None, "ValueError", None]
    (turn,) = recorded.conversations()["sess-1"].turns
    assert [call.tool for call in turn.calls] == ["find", "fail"]
    assert (turn.user, turn.reply) == (None, None)


def test_a_sampler_that_drops_a_trace_drops_its_content_unread(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    recording.use(Recorder(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False), content=True))

    class Unread:
        def __getattr__(self, name: str) -> None:
            raise AssertionError("nobody needs to read this")

    @taketwo.agent
    def answer(messages: list[Unread]) -> str:
        return str(find("A-1")["status"])

    with caplog.at_level(logging.WARNING):
        assert answer([Unread()]) == "sent"
    assert recorded.spans == []
    assert not caplog.records


def test_what_is_too_large_to_be_sent_is_cut_and_marked(recorded: Recorded) -> None:
    from taketwo.sdk.messages import LARGEST_BYTES

    @taketwo.tool
    def page() -> str:
        return "ä" * (LARGEST_BYTES // 2 + 1)

    @taketwo.agent
    def answer(text: str) -> str:
        page()
        return "read"

    with taketwo.session("sess-1"):
        answer("Hi")
    (span, _) = recorded.spans
    assert span.attributes["gen_ai.tool.call.result"] == "ä" * (LARGEST_BYTES // 2) + " [truncated]"


def test_a_reply_that_cannot_be_read_is_passed_on_and_said_once(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    class Stream:
        def __iter__(self) -> Iterator[int]:
            yield 1

    @taketwo.agent(name="streamer")
    def answer(text: str) -> Stream:
        return stream

    @taketwo.agent(name="counter")
    def count(text: str) -> Iterator[int]:
        yield from stream

    stream = Stream()
    for _ in range(2):
        assert answer("Hi") is stream
        assert list(count("Hi")) == [1]
    assert [record.getMessage() for record in caplog.records] == [
        "taketwo: streamer gave back Stream, which is no reply that can be recorded",
        "taketwo: counter gave back int, which is no reply that can be recorded",
    ]


@pytest.mark.parametrize("recording_is_on", [True, False])
def test_decorated_functions_stay_what_they_are(recording_is_on: bool, recorded: Recorded) -> None:
    import inspect

    if not recording_is_on:
        recording.use(None)

    def plain(text: str) -> str:
        """Doc."""
        return text

    async def later(text: str) -> str:
        return text

    for function in (plain, later):
        marked = taketwo.agent(function)
        assert inspect.signature(marked) == inspect.signature(function)
        assert inspect.iscoroutinefunction(marked) == inspect.iscoroutinefunction(function)
        assert (marked.__name__, marked.__doc__) == (function.__name__, function.__doc__)

    @taketwo.agent
    def pieces(text: str) -> Iterator[str]:
        got = yield "a"
        assert got is None
        return "the end"

    reading = pieces("Hi")
    assert inspect.isgenerator(reading)
    assert next(reading) == "a"
    with pytest.raises(StopIteration) as ended:
        next(reading)
    assert ended.value.value == "the end"


def test_without_a_session_a_turn_stands_alone(recorded: Recorded) -> None:
    @taketwo.agent
    def answer(text: str) -> str:
        return "Hello"

    answer("Hi")
    find("A-1")
    (conversation,) = recorded.conversations().values()
    assert [told(turn) for turn in conversation.turns] == [["Hi", "Hello", "Hello"]]
    assert conversation.session_id is None
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_session_inside_another_wins_and_ends(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    @taketwo.agent
    def answer(text: str) -> str:
        return "Hello"

    outer = taketwo.session("sess-1")
    with outer:
        answer("one")
        with taketwo.session("sess-2"), outer:
            answer("two")
        answer("three")
    answer("four")
    talks = recorded.conversations()
    assert [turn.user.text for turn in talks["sess-1"].turns if turn.user] == ["one", "two", "three"]
    assert "sess-2" not in talks
    assert len(talks) == 2
    assert logging.getLogger("opentelemetry").handlers == []
    assert not caplog.records

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import taketwo
from taketwo.conversation import Attachment, Call, Conversation, Gap, Say, UserLine
from taketwo.errors import AgentUnreachable, BadSetting, ToolRefused
from taketwo.replay import current
from taketwo.replay.agents import Exchange, Reply
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import How, Limits, replay
from taketwo.replay.recorded_calls import RecordedCalls
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run, StepPlace
from taketwo.scenario import Case
from taketwo.testing import ScriptedAgent, call, conversation, together, turn

Messages = list[dict[str, Any]]

DANA = conversation(
    turn("Hi, I sent back the kettle.", reply="Which order is it?"),
    turn("A-1042", call("check_status", {"order_id": "A-1042"}, result="received"), reply="We have it."),
    turn("Thanks. How long?", call("policy", {"topic": "refund"}, result="3 days"), reply="Three days."),
    turn("And the refund?", call("issue_refund", {"order_id": "A-1042"}, result="R-1"), reply="Refunded!"),
    turn("OK, thanks", reply="Bye."),
    writes=("issue_refund",),
)


async def run(recorded: Conversation, agent: Any, stop: asyncio.Event | None = None, **how: Any) -> Run:
    return await replay(Case(id="case", recorded=recorded), CallableAgent(agent), How(**how), stop=stop)


def said(run: Run) -> list[str | None]:
    return [one.reply for one in run.conversation.turns]


def kinds(run: Run) -> list[str]:
    return [divergence.kind for divergence in run.divergences]


def changed(position: int, *steps: Any, reply: str | None) -> Conversation:
    """Dana's conversation with one turn done differently."""
    words = DANA.turns[position].user
    turns = list(DANA.turns)
    turns[position] = turn(words.text if words else None, *steps, reply=reply)
    return conversation(*turns)


async def test_the_unchanged_agent_says_and_does_what_was_recorded() -> None:
    done = await run(DANA, ScriptedAgent(DANA))
    assert done.ending.reason == "completed"
    assert done.divergences == ()
    assert said(done) == [one.reply for one in DANA.turns]
    assert [(c.tool, c.arguments, c.result, c.message) for _, _, c in done.conversation.calls()] == [
        (c.tool, c.arguments, c.result, c.message) for _, _, c in DANA.calls()
    ]
    assert [answer.tier for answer in done.tool_answers] == ["exact"] * 3
    assert [answer.recorded for answer in done.tool_answers] == [answer.place for answer in done.tool_answers]
    assert {answer.rung for answer in done.user_answers} == {"recorded"}
    assert [answer.recorded_turn_index for answer in done.user_answers] == [0, 1, 2, 3, 4]


async def test_a_run_can_be_written_down_and_read_again() -> None:
    done = await run(DANA, ScriptedAgent(DANA))
    assert Run.from_json(done.to_json()) == done
    assert done.started_at <= done.conversation.turns[0].user.at <= done.ended_at  # type: ignore[union-attr, operator]  # set
    assert all(one.latency_ms is not None and one.latency_ms >= 0 for one in done.conversation.turns)


async def test_the_fixed_agent_gets_in_turn_4_what_was_recorded_in_turn_2() -> None:
    fixed = changed(3, call("check_status", {"order_id": "A-1042"}), reply="It is on its way.")
    repeated = conversation(*DANA.turns[:1], DANA.turns[2], *DANA.turns[1:2], DANA.turns[3], DANA.turns[4])
    done = await run(DANA, ScriptedAgent(fixed))
    assert done.ending.reason == "completed"
    answer = done.tool_answers[-1]
    assert (answer.tier, answer.recorded, answer.reused) == ("exact", StepPlace(turn_index=1, step_index=0), True)
    assert kinds(done) == ["tool_reused", "calls_left_out"]
    assert done.divergences[1].why == 'not called: issue_refund(order_id="A-1042")'

    done = await run(DANA, ScriptedAgent(repeated))
    assert [divergence.why for divergence in done.divergences if divergence.kind == "call_out_of_order"] == [
        "`policy` was recorded in turn 3",
        "`check_status` was recorded in turn 2",
    ]


async def test_the_agent_sees_its_own_replies_calls_and_results_again() -> None:
    seen: list[Messages] = []
    scripted = ScriptedAgent(DANA)

    async def agent(messages: Messages) -> dict[str, Any]:
        seen.append(messages)
        return await scripted(messages)

    await run(DANA, agent)
    assert [(message["role"], message["content"]) for message in seen[-1]] == [
        ("user", "Hi, I sent back the kettle."),
        ("assistant", "Which order is it?"),
        ("user", "A-1042"),
        ("assistant", None),
        ("tool", "received"),
        ("assistant", "We have it."),
        ("user", "Thanks. How long?"),
        ("assistant", None),
        ("tool", "3 days"),
        ("assistant", "Three days."),
        ("user", "And the refund?"),
        ("assistant", None),
        ("tool", "R-1"),
        ("assistant", "Refunded!"),
        ("user", "OK, thanks"),
    ]
    assert seen[-1][3]["tool_calls"][0]["id"] == seen[-1][4]["tool_call_id"]


async def test_what_the_agent_does_to_its_messages_stays_with_it() -> None:
    def agent(messages: Messages) -> str:
        text = f"{len(messages)} messages"
        messages[0]["content"] = "garbled"
        messages.append({"role": "assistant", "content": "garbage"})
        return text

    done = await run(conversation(turn("a", reply="x"), turn("b", reply="y")), agent)
    assert said(done) == ["1 messages", "3 messages"]
    assert done.conversation.turns[0].user.text == "a"  # type: ignore[union-attr]  # a user spoke


async def test_a_missed_call_ends_the_run_and_says_what_was_nearest() -> None:
    done = await run(DANA, ScriptedAgent(changed(3, call("issue_refund", {"order_id": "A-1043"}), reply="Refunded")))
    assert done.ending.reason == "missed"
    assert done.ending.turn_index == 3
    assert done.ending.detail == (
        'issue_refund(order_id="A-1043") in turn 4: `issue_refund` was recorded only with other arguments'
        ' (order_id: recorded "A-1042", asked "A-1043")'
    )
    assert len(done.conversation.turns) == 4
    missed = done.conversation.turns[3]
    assert missed.reply is None
    assert [step.tool for step in missed.calls] == ["issue_refund"]
    assert done.tool_answers[-1].tier == "miss"
    assert kinds(done)[-1] == "tool_missed"


async def test_a_tool_that_was_never_recorded_is_told_with_those_that_were() -> None:
    done = await run(DANA, ScriptedAgent(changed(0, call("delete_account"), reply="Gone")))
    assert done.ending.detail == (
        "delete_account() in turn 1: the recording has no call of `delete_account`"
        " (it has check_status, issue_refund, policy)"
    )


async def test_a_second_refund_is_never_answered_as_if_it_were_the_first() -> None:
    twice = changed(4, call("issue_refund", {"order_id": "A-1042"}), reply="Refunded again")
    done = await run(DANA, ScriptedAgent(twice))
    assert (done.ending.reason, done.tool_answers[-1].confidence) == ("completed", 0.2)
    assert (kinds(done)[-1], done.divergences[-1].turn_index) == ("write_repeated", 4)
    assert "nobody knows what the tool would do now" in done.divergences[-1].why
    assert done.fidelity is not None
    assert done.fidelity.state == pytest.approx(0.2 / 0.99)
    assert done.fidelity.score < 0.5
    done = await run(DANA, ScriptedAgent(twice), tools=ToolPolicy(on_miss="error"))
    assert done.tool_answers[-1].miss.kind == "used_up"  # type: ignore[union-attr]  # a miss


async def test_by_policy_the_agent_reads_an_error_instead_and_goes_on() -> None:
    script = changed(3, call("issue_refund", {"order_id": "A-1043"}), reply="Sorry")
    done = await run(DANA, ScriptedAgent(script), tools=ToolPolicy(on_miss="error"))
    assert done.ending.reason == "completed"
    assert said(done)[3] == "Sorry"
    missed = done.conversation.turns[3].calls[0]
    assert missed.error == "`issue_refund` has no answer for these arguments in this replay"
    assert "tool_missed" in kinds(done)


async def test_recorded_calls_of_other_conversations_answer_when_they_are_given() -> None:
    other = conversation(turn("?", call("check_status", {"order_id": "A-7"}, result="lost")), id="other")
    script = changed(3, call("check_status", {"order_id": "A-7"}), reply="It is lost")
    scope = RecordedCalls([other], are_others=True)
    done = await run(DANA, ScriptedAgent(script), scope=scope)
    assert done.ending.reason == "completed"
    assert (done.tool_answers[-1].recorded_in, done.tool_answers[-1].recorded) == (
        "other",
        StepPlace(turn_index=0, step_index=0),
    )
    assert "call_out_of_order" not in kinds(done)


async def test_calls_asked_for_together_are_in_order_whichever_comes_first() -> None:
    one, two = call("status", {"id": 1}, result="one"), call("status", {"id": 2}, result="two")
    recorded = conversation(turn("?", *together(one, two), reply="Both"))
    done = await run(recorded, ScriptedAgent(conversation(turn("?", *together(two, one), reply="Both"))))
    assert done.divergences == ()
    assert [step.message for step in done.conversation.turns[0].calls] == [0, 0]


async def test_calls_made_one_after_the_other_have_an_order() -> None:
    one, two = call("status", {"id": 1}, result="one"), call("refund", {"id": 2}, result="two")
    done = await run(
        conversation(turn("?", one, two, reply="Both")), ScriptedAgent(conversation(turn("?", two, one, reply="Both")))
    )
    assert [divergence.why for divergence in done.divergences] == ["`status` was recorded before `refund`"]


async def test_an_agent_may_speak_first() -> None:
    recorded = conversation(turn(None, reply="Hello, desk here."), turn("Hi", reply="What is it?"))
    inputs: list[taketwo.AgentInput] = []

    async def agent(given: taketwo.AgentInput) -> str:
        inputs.append(given)
        return "Hello" if given.new_message is None else "Yes?"

    done = await run(recorded, agent)
    assert said(done) == ["Hello", "Yes?"]
    assert (inputs[0].messages, inputs[0].new_message) == ([], None)
    assert inputs[1].new_message == {"role": "user", "content": "Hi"}
    assert inputs[0].thread_id == inputs[1].thread_id == done.conversation.id
    assert inputs[0].execution_id == done.id
    assert [answer.turn_index for answer in done.user_answers] == [1]
    assert said(await run(recorded, ScriptedAgent(recorded))) == ["Hello, desk here.", "What is it?"]


async def test_silence_is_right_where_the_recording_is_silent_too() -> None:
    recorded = conversation(turn("Hello"), turn("Anybody there?", reply="Yes"))
    done = await run(recorded, ScriptedAgent(recorded))
    assert (done.ending.reason, done.divergences) == ("completed", ())
    assert said(done) == [None, "Yes"]


@pytest.mark.parametrize("nothing", [None, "", "  \n", {"role": "assistant", "content": None}])
async def test_an_agent_that_gives_nothing_has_failed(nothing: object) -> None:
    done = await run(DANA, lambda messages: nothing)
    assert (done.ending.reason, done.ending.turn_index) == ("agent_failed", 0)
    assert kinds(done) == ["agent_silent", "agent_failed"]


async def test_a_turn_of_tool_calls_alone_is_accepted_and_noted() -> None:
    def agent(messages: Messages) -> taketwo.AgentResponse:
        if len(messages) > 2:
            return taketwo.AgentResponse("Bye")
        asked = {"id": "1", "type": "function", "function": {"name": "note", "arguments": "{}"}}
        return taketwo.AgentResponse("", [asked], [{"role": "tool", "tool_call_id": "1", "content": "noted"}])

    done = await run(conversation(turn("a", reply="x"), turn("b", reply="y")), agent)
    assert done.ending.reason == "completed"
    assert kinds(done) == ["agent_silent"]
    assert said(done) == [None, "Bye"]
    assert done.tool_answers[0].tier == "agent"


def raise_it(messages: Messages) -> str:
    raise ValueError("no order\nA-9999")


async def raise_it_later(messages: Messages) -> str:
    await asyncio.sleep(0)
    raise KeyError("order_id")


async def cancel_itself(messages: Messages) -> str:
    raise asyncio.CancelledError


async def cancel_its_task(messages: Messages) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(10)
    return "never"


def leave(messages: Messages) -> str:
    sys.exit(3)


async def leave_async(messages: Messages) -> str:
    sys.exit(3)


def stop_iteration(messages: Messages) -> str:
    raise StopIteration


def yield_numbers(messages: Messages) -> Iterator[Any]:
    yield "It is "
    yield 5


async def yield_numbers_async(messages: Messages) -> AsyncIterator[Any]:
    yield "It is "
    yield 5


def yield_and_break(messages: Messages) -> Iterator[str]:
    yield "It is "
    yield "on its "
    raise ConnectionError("model gone")


def answer_a_number(messages: Messages) -> Any:
    return 5


def answer_a_strange_object(messages: Messages) -> Any:
    return {"answer": "x"}


def answer_a_strange_call(messages: Messages) -> Any:
    return {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]}


@pytest.mark.parametrize(
    ("agent", "detail"),
    [
        (raise_it, "ValueError: no order A-9999 (tests/replay/test_engine.py:"),
        (raise_it_later, "KeyError: 'order_id' (tests/replay/test_engine.py:"),
        (cancel_itself, "CancelledError"),
        (cancel_its_task, "CancelledError"),
        (leave, "SystemExit: 3"),
        (leave_async, "SystemExit: 3"),
        (stop_iteration, "RuntimeError: the agent raised StopIteration"),
        (yield_numbers, "the agent yielded int, not pieces of text"),
        (yield_numbers_async, "the agent yielded int, not pieces of text"),
        (yield_and_break, "ConnectionError: model gone"),
        (answer_a_number, "the agent returned int (5), not a text, an AgentResponse or a chat message"),
        (answer_a_strange_object, "the agent returned an object with 'answer': there is no `content` in it"),
        (answer_a_strange_call, 'a tool call of the agent names no tool: {"id": "x"}'),
    ],
)
async def test_whatever_the_agent_does_wrong_is_an_ending_with_its_reason(
    agent: Callable[..., Any], detail: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(request.config.rootpath)

    class GoodAtFirst:
        async def respond(self, exchange: Exchange) -> Reply:
            asked = sum(message["role"] == "user" for message in exchange.messages)
            return await CallableAgent(ScriptedAgent(DANA) if asked < 3 else agent).respond(exchange)

    done = await run(DANA, GoodAtFirst())
    assert done.ending.reason == "agent_failed"
    assert done.ending.turn_index == 2
    assert done.ending.detail is not None
    assert done.ending.detail.startswith(detail)
    assert "\n" not in done.ending.detail
    assert said(done) == ["Which order is it?", "We have it.", None]
    assert kinds(done)[-1] == "agent_failed"


@pytest.mark.parametrize("agent", [yield_numbers, yield_numbers_async, yield_and_break])
async def test_what_was_said_before_a_stream_broke_is_kept(agent: Callable[..., Any]) -> None:
    done = await run(DANA, agent)
    first = done.conversation.turns[0]
    assert first.reply is None
    (heard,) = first.steps
    assert isinstance(heard, Say)
    assert heard.text.startswith("It is ")


async def hang(messages: Messages) -> str:
    await asyncio.sleep(60)
    return "late"


async def hang_and_clean_up(messages: Messages) -> str:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
    return "late"


def hang_in_a_thread(messages: Messages) -> str:
    time.sleep(1.5)
    return "late"


async def answer_too_late(messages: Messages) -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "late"
    return "later"


@pytest.mark.parametrize("agent", [hang, hang_and_clean_up, hang_in_a_thread, answer_too_late])
async def test_an_agent_that_hangs_is_stopped_in_time(agent: Callable[..., Any]) -> None:
    began = time.perf_counter()
    done = await run(DANA, agent, limits=Limits(turn_timeout_s=0.05))
    assert time.perf_counter() - began < 20  # not the minute that it would take
    assert (done.ending.reason, done.ending.detail) == ("timed_out", "no answer to turn 1 within 0.05 s")
    assert said(done) == [None]
    # A timer of the event loop may ring a little before its time by another clock.
    assert done.conversation.turns[0].latency_ms >= 45  # type: ignore[operator]  # measured


@pytest.mark.slow
async def test_an_agent_that_catches_even_its_cancellation_is_given_up() -> None:
    rounds = 0

    async def stubborn(messages: Messages) -> str:
        nonlocal rounds
        while True:
            try:
                rounds += 1
                await asyncio.sleep(60)
            except BaseException:
                # Python itself closes it at the end of the process, and would wait for it forever.
                if rounds > 1_000:
                    return "tired"

    done = await run(DANA, stubborn, limits=Limits(turn_timeout_s=0.05))
    assert done.ending.reason == "timed_out"
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    seen = rounds
    await asyncio.sleep(0.05)
    assert rounds == seen


async def test_other_replays_go_on_when_one_ends_badly() -> None:
    scripted = ScriptedAgent(DANA)

    async def agent(given: taketwo.AgentInput) -> Any:
        position = len(seen.setdefault(given.thread_id, []))
        seen[given.thread_id].append(position)
        if list(seen).index(given.thread_id) == 1:
            raise SystemExit
        if list(seen).index(given.thread_id) == 2:
            await asyncio.sleep(60)
        return await scripted(given.messages)

    seen: dict[str, list[int]] = {}
    runs = await asyncio.gather(*(run(DANA, agent, limits=Limits(turn_timeout_s=0.2)) for _ in range(4)))
    assert sorted(done.ending.reason for done in runs) == ["agent_failed", "completed", "completed", "timed_out"]


async def test_a_runaway_loop_of_tool_calls_is_ended() -> None:
    def agent(messages: Messages) -> Any:
        return {"content": None, "tool_calls": [{"function": {"name": "policy", "arguments": {"topic": "refund"}}}]}

    done = await run(DANA, agent, limits=Limits(tool_calls_per_turn=7))
    assert done.ending.reason == "agent_failed"
    assert done.ending.detail == "more than 7 tool calls in turn 1: the agent seems to go in circles"
    assert len(done.conversation.turns[0].calls) == 7


async def test_an_agent_that_cannot_be_asked_is_an_error_and_no_finding() -> None:
    class Gone:
        async def respond(self, exchange: Exchange) -> Reply:
            raise AgentUnreachable("refused", where="http://x")

    with pytest.raises(AgentUnreachable, match="refused"):
        await run(DANA, Gone())


async def test_a_reply_of_another_type_is_a_finding() -> None:
    class Native:
        spec = "native"

        async def respond(self, exchange: Exchange) -> Reply:
            return "text"  # type: ignore[return-value]  # the mistake that is tested

    done = await replay(Case(id="c", recorded=DANA), Native())
    assert done.ending.detail == "the agent returned str, not a Reply"


async def test_the_simplest_native_agent_gets_its_reply_into_the_history() -> None:
    class Native:
        spec = "native"

        async def respond(self, exchange: Exchange) -> Reply:
            return Reply(text=f"{len(exchange.messages)} \ud800")

    done = await replay(Case(id="c", recorded=DANA), Native())
    assert said(done) == ["1 \ufffd", "3 \ufffd", "5 \ufffd", "7 \ufffd", "9 \ufffd"]
    assert done.agent == "native"


async def test_a_stop_keeps_what_was_done() -> None:
    stop = asyncio.Event()
    scripted = ScriptedAgent(DANA)

    async def agent(messages: Messages) -> Any:
        if len(messages) > 5:
            stop.set()
            await asyncio.sleep(60)
        return await scripted(messages)

    done = await run(DANA, agent, stop=stop)
    assert (done.ending.reason, done.ending.turn_index) == ("cancelled", 2)
    assert said(done) == ["Which order is it?", "We have it.", None]


async def test_a_cancelled_replay_stops_the_agent_and_leaves_nothing_behind() -> None:
    cleaned = asyncio.Event()

    async def agent(messages: Messages) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()
        return ""

    task = asyncio.ensure_future(run(DANA, agent, stop=asyncio.Event()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned.is_set()
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_cancelled_replay_ends_even_if_the_agent_swallows_it() -> None:
    async def agent(messages: Messages) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "swallowed"
        return "late"

    task = asyncio.ensure_future(run(DANA, agent))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_user_words_that_were_not_captured_are_not_made_up() -> None:
    hidden = conversation(
        turn("Hi", reply="Hello"),
        turn(None, reply="It was delivered."),
        gaps=(Gap(where="turns[1].user", why="content hidden by the sender"),),
    )
    done = await run(hidden, ScriptedAgent(hidden))
    assert done.ending.reason == "unanswerable"
    assert done.ending.detail == (
        "the recording does not say what the user said in turn 2: content hidden by the sender"
    )
    assert said(done) == ["Hello"]


async def test_an_image_goes_along_and_one_that_was_not_captured_is_a_gap() -> None:
    line = UserLine(
        text="Look",
        attachments=(
            Attachment(kind="image", url="https://example.com/cat.png"),
            Attachment(kind="image"),
            Attachment(kind="file", url="https://example.com/a.pdf"),
        ),
    )
    seen: list[Any] = []

    def agent(messages: Messages) -> str:
        seen.append(messages[0]["content"])
        return "A cat"

    done = await run(conversation(turn("Look", reply="x").but(user=line)), agent)
    assert seen == [
        [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        ]
    ]
    assert [gap.where for gap in done.conversation.gaps] == [
        "turns[0].user.attachments[1]",
        "turns[0].user.attachments[2]",
    ]


async def test_what_the_agent_leaves_in_context_variables_stays_in_its_turn() -> None:
    mark: ContextVar[str] = ContextVar("mark", default="clean")

    async def agent(messages: Messages) -> str:
        found = mark.get()
        mark.set("dirty")
        return found

    done = await run(conversation(turn("a", reply="x"), turn("b", reply="y")), agent)
    assert said(done) == ["clean", "clean"]
    assert mark.get() == "clean"


async def test_a_finished_replay_leaves_nothing_to_the_garbage_collector() -> None:
    script = changed(3, call("issue_refund", {"order_id": "A-1043"}), reply="Sorry")
    gc.collect()
    gc.disable()
    try:
        await run(DANA, ScriptedAgent(DANA))
        await run(DANA, ScriptedAgent(script), tools=ToolPolicy(on_miss="error"))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [thing for thing in gc.garbage if type(thing).__module__.startswith("taketwo.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


async def test_an_unknown_user_mode_is_refused() -> None:
    with pytest.raises(BadSetting, match="psychic"):
        await run(DANA, ScriptedAgent(DANA), users="psychic")


async def test_text_around_a_tool_call_of_a_streaming_agent_is_taken_down_in_order() -> None:
    @taketwo.tool
    async def look_up(order_id: str) -> str:
        raise AssertionError("must not run")

    async def agent(messages: Messages) -> AsyncIterator[str]:
        yield "Let me "
        yield "look. "
        status = await look_up(order_id="A-1")
        yield f"It is {status}"
        yield "."

    recorded = conversation(turn("?", call("look_up", {"order_id": "A-1"}, result="lost"), reply="x"))
    done = await run(recorded, agent)
    steps = done.conversation.turns[0].steps
    assert [step.text if isinstance(step, Say) else step.tool for step in steps] == [
        "Let me look. ",
        "look_up",
        "It is lost.",
    ]
    assert said(done) == ["It is lost."]


@taketwo.tool(name="check_status")
def real_check_status(order_id: str) -> str:
    LIVE_CALLS.append(order_id)
    return "live"


LIVE_CALLS: list[str] = []


async def swallow_exceptions(messages: Messages) -> str:
    try:
        return real_check_status(order_id="Z-9")
    except Exception:
        return "I could not find that out."


async def swallow_everything(messages: Messages) -> str:
    try:
        return real_check_status(order_id="Z-9")
    except BaseException:
        return "I could not find that out."


def swallow_everything_in_a_thread(messages: Messages) -> str:
    for _ in range(3):
        with contextlib.suppress(BaseException):
            real_check_status(order_id="Z-9")
    return "I could not find that out."


async def swallow_and_hang(messages: Messages) -> str:
    try:
        real_check_status(order_id="Z-9")
    except BaseException:
        await asyncio.sleep(60)
    return "late"


async def swallow_in_a_group(messages: Messages) -> str:
    async def one(order_id: str) -> str:
        return real_check_status(order_id=order_id)

    found = await asyncio.gather(one("A-1042"), one("Z-9"), one("Z-10"), return_exceptions=True)
    return str(found)


@pytest.mark.parametrize(
    "agent",
    [
        swallow_exceptions,
        swallow_everything,
        swallow_everything_in_a_thread,
        swallow_and_hang,
        swallow_in_a_group,
    ],
)
async def test_no_agent_can_swallow_a_missed_call(agent: Callable[..., Any]) -> None:
    done = await run(DANA, agent)
    assert done.ending.reason == "missed"
    assert done.ending.detail is not None
    assert 'asked "Z-9"' in done.ending.detail
    assert said(done) == [None]
    assert [step.arguments["order_id"] for step in done.conversation.turns[0].calls][-1] == "Z-9"
    assert LIVE_CALLS == []


async def test_a_tool_goes_live_only_when_it_is_on_the_list() -> None:
    def agent(messages: Messages) -> str:
        return f"{real_check_status(order_id='A-1042')}, {real_check_status(order_id='Z-9')}"

    recorded = conversation(turn("?", call("check_status", {"order_id": "A-1042"}, result="received"), reply="x"))
    done = await run(recorded, agent, tools=ToolPolicy(live=("check_status",)))
    assert said(done) == ["received, live"]
    assert [answer.tier for answer in done.tool_answers] == ["exact", "live"]
    lived = done.conversation.turns[0].calls[1]
    assert (lived.result, lived.error) == ("live", None)
    assert lived.latency_ms is not None
    assert LIVE_CALLS == ["Z-9"]
    LIVE_CALLS.clear()


async def test_a_model_whose_tools_we_answer_reaches_a_live_tool_too() -> None:
    asked: list[str] = []

    @taketwo.tool
    def look_up_live(order_id: str) -> str:
        asked.append(order_id)
        return "live"

    def agent(messages: Messages) -> Any:
        if messages[-1]["role"] == "tool":
            return messages[-1]["content"]
        wanted = messages[-1]["content"]
        return {"content": None, "tool_calls": [{"function": {"name": wanted, "arguments": '{"order_id": "Z-9"}'}}]}

    recorded = conversation(turn("look_up_live", reply="x"), turn("unknown", reply="y"))
    done = await run(recorded, agent, tools=ToolPolicy(live=("look_up_live", "unknown")))
    assert said(done) == ["live", "`unknown` may run live but is no function of this process"]
    assert asked == ["Z-9"]


async def test_a_live_call_that_ends_after_its_turn_is_taken_down_in_its_own_turn() -> None:
    may_end = asyncio.Event()
    tasks: list[asyncio.Task[str]] = []

    @taketwo.tool
    async def slow_look(order_id: str) -> str:
        await may_end.wait()
        return f"seen {order_id}"

    async def agent(given: taketwo.AgentInput) -> str:
        if given.new_message is not None and given.new_message["content"] == "Begin":
            tasks.append(asyncio.ensure_future(slow_look(order_id="A-1")))
            await asyncio.sleep(0)
            return "Begun."
        status = real_check_status(order_id="A-1042")
        may_end.set()
        await asyncio.gather(*tasks)
        return status

    recorded = conversation(
        turn("Begin", reply="Begun."),
        turn("And?", call("check_status", {"order_id": "A-1042"}, result="in"), reply="in"),
    )
    done = await run(recorded, agent, tools=ToolPolicy(live=("slow_look",)))
    assert [(c.tool, c.result) for _, _, c in done.conversation.calls()] == [
        ("slow_look", "seen A-1"),
        ("check_status", "in"),
    ]


async def test_a_process_that_was_started_during_a_replay_runs_no_tool() -> None:
    program = (
        "import taketwo\n"
        "@taketwo.tool\n"
        "def pay(amount: int) -> str: return 'paid'\n"
        "try: print(pay(1))\n"
        "except Exception as refused: print(refused)"
    )
    told: list[str] = []

    async def agent(messages: Messages) -> str:
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True)
        told.append(done.stdout)
        return "done"

    await run(conversation(turn("a", reply="x")), agent)
    assert "`pay` was called in a process that was started during a replay, so it was not run" in told[0]
    after = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert after.stdout.strip() == "paid"


async def test_a_replay_takes_no_name_out_of_the_environment() -> None:
    # Whoever goes through the environment in another thread meanwhile, as HTTP clients do, would fail.
    await run(DANA, lambda messages: "done")
    names = list(os.environ)
    await run(DANA, lambda messages: "done")
    assert list(os.environ) == names
    assert current.REPLAYING_PID in names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_fork_of_the_agent_runs_no_tool() -> None:
    told: list[str] = []

    async def agent(messages: Messages) -> str:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, real_check_status(order_id="A-1042").encode())
            except BaseException as error:
                os.write(writer, type(error).__name__.encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        told.append(os.read(reader, 100).decode())
        return "done"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        await run(DANA, agent)
    assert set(told) == {"ToolRefused"}


def test_a_process_that_only_replays_runs_no_tool_from_a_thread_that_was_there_before() -> None:
    program = """
import asyncio, threading, concurrent.futures, taketwo
from taketwo.replay import current
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.scenario import Case
from taketwo.testing import conversation, turn

@taketwo.tool
def pay(amount: int) -> str:
    return "paid"

pool = concurrent.futures.ThreadPoolExecutor(1)
over = threading.Event()
pool.submit(int).result()
late = []

async def agent(messages):
    late.append(pool.submit(lambda: (over.wait(5), pay(1))[1]))
    return "done"

current.never_go_live()
asyncio.run(replay(Case(id="case", recorded=conversation(turn("a", reply="x"))), CallableAgent(agent)))
over.set()
print(late[0].exception() or late[0].result())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "`pay` was called outside of any replay in a process that only replays" in done.stdout, done


async def test_a_tool_in_a_bare_thread_is_refused_and_voids_the_replay() -> None:
    refusals: list[str] = []

    def call_it() -> None:
        try:
            real_check_status(order_id="A-1042")
        except ToolRefused as refused:
            refusals.append(str(refused))

    async def agent(messages: Messages) -> str:
        thread = threading.Thread(target=call_it)
        thread.start()
        await asyncio.to_thread(thread.join)
        return "swallowed"

    with pytest.raises(ToolRefused, match=r"`check_status` was called during a replay .* asyncio.to_thread"):
        await run(DANA, agent)
    assert len(refusals) == 1
    assert LIVE_CALLS == []


async def test_a_bare_thread_that_outlives_the_replay_still_cannot_call_the_real_tool() -> None:
    may_go_on = threading.Event()
    refusals: list[ToolRefused] = []

    def call_it_later() -> None:
        may_go_on.wait(5)
        try:
            real_check_status(order_id="A-1042")
        except ToolRefused as refused:
            refusals.append(refused)

    thread = threading.Thread(target=call_it_later)

    async def agent(messages: Messages) -> str:
        thread.start()
        return "done"

    await run(conversation(turn("a", reply="x")), agent)
    may_go_on.set()
    await asyncio.to_thread(thread.join)
    assert len(refusals) == 1
    assert LIVE_CALLS == []
    assert real_check_status("mine") == "live"
    LIVE_CALLS.clear()


async def test_a_task_that_outlives_the_replay_gets_no_more_answers() -> None:
    tasks: list[asyncio.Task[str]] = []

    async def call_it_later() -> str:
        await asyncio.sleep(0.02)
        return real_check_status(order_id="A-1042")

    async def agent(messages: Messages) -> str:
        tasks.append(asyncio.ensure_future(call_it_later()))
        return "done"

    done = await run(conversation(turn("a", reply="x")), agent)
    assert done.ending.reason == "completed"
    (ended,) = await asyncio.gather(*tasks, return_exceptions=True)
    assert type(ended).__name__ == "ReplayStopped"
    assert LIVE_CALLS == []


async def test_a_worker_task_of_the_agent_that_lives_over_turns_is_answered() -> None:
    queues: dict[str, tuple[asyncio.Queue[str], asyncio.Queue[str]]] = {}

    async def work(asked: asyncio.Queue[str], answers: asyncio.Queue[str]) -> None:
        while True:
            order_id = await asked.get()
            await answers.put(real_check_status(order_id=order_id) if order_id.startswith("A-") else "Which order?")

    async def agent(given: taketwo.AgentInput) -> str:
        if given.thread_id not in queues:
            queues[given.thread_id] = (asyncio.Queue(), asyncio.Queue())
            workers.append(asyncio.ensure_future(work(*queues[given.thread_id])))
        asked, answers = queues[given.thread_id]
        assert given.new_message is not None
        await asked.put(given.new_message["content"])
        return await answers.get()

    workers: list[asyncio.Task[None]] = []
    done = await run(conversation(*DANA.turns[:2]), agent)
    assert said(done) == ["Which order?", "received"]
    assert isinstance(done.conversation.turns[1].steps[0], Call)
    for worker in workers:
        worker.cancel()

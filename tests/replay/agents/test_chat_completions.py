"""Against a fake endpoint that answers as each test says."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
from fake_endpoint import Answer, asking, break_off, delta, drop, hang, plain, raw, serving, streamed

from taketwo.conversation import Conversation, Say
from taketwo.errors import AgentUnreachable, BadSetting
from taketwo.replay.agents.chat_completions import ChatCompletionsAgent
from taketwo.replay.agents.endpoint import LARGEST_ANSWER, LARGEST_REFUSAL
from taketwo.replay.engine import DEFAULT_LIMITS, How, Limits, replay
from taketwo.replay.tools import ToolPolicy
from taketwo.run import Run
from taketwo.scenario import Case
from taketwo.testing import call, conversation, together, turn

pytestmark = pytest.mark.slow

STATUS = conversation(
    turn("Hi", reply="Hello"),
    turn(
        "Where are A-1 and A-2?",
        *together(
            call("check_status", {"order_id": "A-1"}, result={"parcel": "lost"}),
            call("check_status", {"order_id": "A-2"}, error="no order A-2"),
        ),
        reply="One is lost.",
    ),
    settings={"temperature": 0.2, "library.version": "7"},
)


async def run(url: str, recorded: Conversation = STATUS, *, limits: Limits = DEFAULT_LIMITS, **options: Any) -> Run:
    policy = options.pop("tools_policy", ToolPolicy())
    agent = ChatCompletionsAgent(url, first_pause_s=0.01, **options)
    try:
        return await replay(Case(id="case", recorded=recorded), agent, How(limits=limits, tools=policy))
    finally:
        await agent.aclose()


def said(run: Run) -> list[str | None]:
    return [one.reply for one in run.conversation.turns]


BOTH = asking(("check_status", '{"order_id": "A-1"}'), ("check_status", '{"order_id": "A-2"}'), content="One moment.")


async def test_a_whole_conversation_with_calls_asked_for_together() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    with serving(plain("Hello", usage), plain(BOTH, usage), plain("Lost!", usage)) as (url, fake):
        done = await run(url, api_key="sk-1")
    assert done.ending.reason == "completed"
    assert said(done) == ["Hello", "Lost!"]
    assert done.divergences == ()
    steps = done.conversation.turns[1].steps
    assert [step.text if isinstance(step, Say) else (step.call_id, step.message) for step in steps] == [
        "One moment.",
        ("call_0", 0),
        ("call_1", 0),
        "Lost!",
    ]
    assert (done.conversation.turns[1].tokens.input, done.conversation.turns[1].tokens.output) == (20, 6)
    assert fake.headers[0]["authorization"] == "Bearer sk-1"
    assert [message["role"] for message in fake.requests[2]["messages"]] == [
        *("system", "user", "assistant", "user", "assistant", "tool", "tool")
    ]
    assert [message["content"] for message in fake.requests[2]["messages"][-2:]] == [
        '{"parcel": "lost"}',
        "no order A-2",
    ]


async def test_the_recorded_agent_is_rebuilt() -> None:
    with serving(plain("Hello")) as (url, fake):
        done = await run(url)
    asked = fake.requests[0]
    assert asked["model"] == "gpt-4o-mini"
    assert asked["messages"][0] == {"role": "system", "content": "You are a support desk."}
    assert asked["temperature"] == 0.2
    assert "library.version" not in asked
    assert asked["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "check_status",
                "description": "The tool check_status.",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]
    assert "authorization" not in fake.headers[0]
    assert done.conversation.agent.model == "gpt-4o-mini"
    assert done.conversation.agent.settings == {"temperature": 0.2}


async def test_overrides_are_the_change_under_test() -> None:
    overrides = {
        "model": "gpt-5",
        "system_prompt": "Be kind.",
        "temperature": None,
        "top_p": 0.5,
        "tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}],
    }
    with serving(plain("Hello")) as (url, fake):
        done = await run(url, overrides=overrides)
    asked = fake.requests[0]
    assert (asked["model"], asked["messages"][0]["content"], asked["top_p"]) == ("gpt-5", "Be kind.", 0.5)
    assert "temperature" not in asked
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["find"]
    assert done.conversation.agent.system_prompt == "Be kind."


async def test_a_streamed_answer_is_put_together() -> None:
    calls = streamed(
        delta(role="assistant", content=""),
        delta(content="One "),
        delta(content="moment."),
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "check_status", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"order_id": '}}]),
        delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "check_status", "arguments": '{"order_'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '"A-1"}'}}]),
        delta(tool_calls=[{"index": 1, "function": {"arguments": 'id": "A-2"}'}}]),
        delta(finish_reason="tool_calls"),
        json.dumps({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}),
    )
    words = streamed(delta(content="It is "), delta("stop", content="lost 🙂"))
    with serving(plain("Hello"), calls, words) as (url, fake):
        done = await run(url, overrides={"stream": True})
    assert done.ending.reason == "completed", done.ending
    assert said(done) == ["Hello", "It is lost 🙂"]
    steps = done.conversation.turns[1].steps
    assert [step.text if isinstance(step, Say) else step.arguments for step in steps] == [
        "One moment.",
        {"order_id": "A-1"},
        {"order_id": "A-2"},
        "It is lost 🙂",
    ]
    assert fake.requests[0]["stream_options"] == {"include_usage": True}


async def test_signs_of_new_lines_inside_a_text_end_no_line_of_a_stream() -> None:
    event = json.dumps(
        {"choices": [{"delta": {"content": "one\u2028two\x85"}, "finish_reason": "stop"}]}, ensure_ascii=False
    )
    with serving(plain("Hello"), streamed(event)) as (url, _):
        done = await run(url, overrides={"stream": True})
    assert said(done) == ["Hello", "one\u2028two\x85"]


def bomb(**headers: str) -> Answer:
    return raw(200, gzip.compress(bytes(LARGEST_ANSWER + 1)), content_encoding="gzip", **headers)


async def test_a_refusal_without_end_is_quoted_from_its_beginning() -> None:
    endless = raw(400, gzip.compress(b"no " * LARGEST_REFUSAL), content_encoding="gzip")
    with serving(endless) as (url, _), pytest.raises(AgentUnreachable, match="answered 400: no no no") as raised:
        await run(url)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("answer", "detail", "heard"),
    [
        (streamed(delta(content="It "), "{nonsense"), "the stream carries no chat chunk (", "It "),
        (streamed(delta(content="It "), "[1, 2]"), "the stream carries no chat chunk (", "It "),
        (streamed('{"choices": [{"delta": "x"}]}'), "the stream carries no chat chunk (", None),
        (streamed('{"hello": 1}'), 'the stream carries no chat chunk: {"hello": 1}', None),
        (
            streamed(delta(content="It "), '{"error": {"message": "overloaded"}}'),
            "the stream carries an error: overloaded",
            "It ",
        ),
        (streamed(delta(content="It "), end=True), "the stream ended before the message did", "It "),
        (streamed(), "the stream ended before the message did", None),
        (break_off, "the stream broke off: ", "It is "),
        (bomb(), "the answer is larger than 64 MiB", None),
        (bomb(content_type="text/event-stream"), "the answer is larger than 64 MiB", None),
        (raw(200, b"no gzip", content_encoding="gzip"), "the answer cannot be unpacked: ", None),
        (raw(200, b"<html>welcome</html>"), "the answer is no JSON: <html>welcome</html>", None),
        (raw(200, b'{"ok": true}'), "the answer has no `choices`: {'ok': True}", None),
        (raw(200, b'{"choices": []}'), "the agent's answer has no message in its `choices`", None),
        (raw(200, b'{"choices": [{"message": {"content": 5}}]}'), "the agent's `content` is int (5), not a text", None),
    ],
)
async def test_garbage_is_a_failure_of_the_agent_told_in_a_line(answer: Answer, detail: str, heard: str | None) -> None:
    with serving(plain("Hello"), answer) as (url, _):
        done = await run(url)
    assert done.ending.reason == "agent_failed"
    assert done.ending.detail is not None
    assert done.ending.detail.startswith(detail)
    assert said(done) == ["Hello", None]
    assert [step.text for step in done.conversation.turns[1].steps if isinstance(step, Say)] == (
        [heard] if heard else []
    )


async def test_an_endpoint_that_hangs_times_out() -> None:
    with serving(plain("Hello"), hang) as (url, _):
        began = time.perf_counter()
        done = await run(url, limits=Limits(turn_timeout_s=0.2))
    assert time.perf_counter() - began < 30
    assert (done.ending.reason, said(done)) == ("timed_out", ["Hello", None])


async def test_a_busy_endpoint_is_asked_again() -> None:
    busy = raw(429, b'{"error": {"message": "slow down"}}', retry_after="0.05")
    with serving(busy, raw(503, b""), drop, plain("Hello")) as (url, fake):
        done = await run(url)
    assert done.ending.reason == "completed"
    assert len(fake.requests) == 5


@pytest.mark.parametrize(
    ("answer", "told", "tries"),
    [
        (raw(429, b'{"error": {"message": "slow down"}}'), "the endpoint answered 429: slow down", 5),
        (raw(500, b"oh no"), "the endpoint answered 500: oh no", 5),
        (raw(502, b""), "the endpoint answered 502", 5),
        (raw(400, b'{"error": {"message": "no such model"}}'), "the endpoint answered 400: no such model", 1),
        (drop, "the connection broke: Server disconnected without sending a response.", 5),
    ],
)
async def test_trouble_of_the_endpoint_that_stays_is_no_finding_about_the_agent(
    answer: Answer, told: str, tries: int
) -> None:
    with serving(plain("Hello"), answer) as (url, fake):
        with pytest.raises(AgentUnreachable) as caught:
            await run(url)
        assert str(caught.value) == f"{url}: {told}"
        assert len(fake.requests) == 1 + tries


async def test_a_wait_that_is_longer_than_the_turn_may_take_is_not_begun() -> None:
    with serving(raw(429, b"wait", retry_after="30")) as (url, fake):
        began = time.perf_counter()
        with pytest.raises(AgentUnreachable, match="answered 429: wait"):
            await run(url, limits=Limits(turn_timeout_s=5))
        assert time.perf_counter() - began < 20
        assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_endpoint_that_lets_nobody_in_is_an_error(status: int) -> None:
    with (
        serving(raw(status, b'{"error": {"message": "who are you?"}}')) as (url, _),
        pytest.raises(AgentUnreachable, match=rf"chat/completions: .*\({status}\): who are you\?"),
    ):
        await run(url)


async def test_an_endpoint_that_is_not_there_is_an_error() -> None:
    with serving(plain("Hello")) as (url, _):
        pass
    with pytest.raises(AgentUnreachable, match="cannot connect"):
        await run(url)
    with pytest.raises(AgentUnreachable, match="cannot connect"):
        await run("http://no-such-host.invalid/v1/chat/completions")


async def test_a_tool_that_was_never_recorded_ends_the_run() -> None:
    with serving(plain("Hello"), plain(asking(("drop_tables", "{}")))) as (url, _):
        done = await run(url)
    assert done.ending.reason == "missed"
    assert done.tool_answers[0].miss is not None
    assert done.tool_answers[0].miss.kind == "never_recorded"


@pytest.mark.parametrize("arguments", ['{"order_id": ', "A-1", "[1]", "\x00"])
async def test_arguments_that_are_no_json_object_are_kept_as_text(arguments: str) -> None:
    broken = plain(asking(("check_status", arguments)))
    with serving(plain("Hello"), broken) as (url, _):
        done = await run(url)
    assert done.ending.reason == "missed"
    (asked,) = done.conversation.turns[1].calls
    assert (asked.arguments, asked.arguments_text) == ({}, arguments)

    with serving(plain("Hello"), broken, plain("Sorry")) as (url, fake):
        done = await run(url, tools_policy=ToolPolicy(on_miss="error"))
    assert said(done) == ["Hello", "Sorry"]
    again = fake.requests[2]["messages"]
    assert again[-2]["tool_calls"][0]["function"]["arguments"] == arguments
    assert again[-1]["content"] == "`check_status` has no answer for these arguments in this replay"


async def test_calls_without_ids_get_some() -> None:
    asked = asking(("check_status", '{"order_id": "A-1"}'), ("check_status", '{"order_id": "A-2"}'))
    for one in asked["tool_calls"]:
        del one["id"]
    with serving(plain("Hello"), plain(asked), plain("Lost")) as (url, fake):
        done = await run(url)
    assert done.ending.reason == "completed"
    results = fake.requests[2]["messages"][-2:]
    ids = [one["id"] for one in fake.requests[2]["messages"][-3]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in results] == ids


async def test_a_recording_without_a_model_or_definitions_says_what_to_set() -> None:
    nameless = STATUS.but(agent=STATUS.agent.but(model=None))
    toolless = STATUS.but(agent=STATUS.agent.but(tools=()))
    with serving(plain("Hello")) as (url, _):
        with pytest.raises(BadSetting, match="--set model"):
            await run(url, nameless)
        with pytest.raises(BadSetting, match=r"the definitions of its tools \(check_status\)"):
            await run(url, toolless)
        done = await run(url, toolless, overrides={"tools": []})
    assert done.ending.reason == "completed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sytem_prompt", "did you mean system_prompt"),
        ("temprature", r"did you mean temperature\?"),
        ("my_own", r'extra_body=\{"my_own"'),
    ],
)
def test_what_no_endpoint_knows_is_refused_with_the_nearest_name(name: str, said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        ChatCompletionsAgent("http://x/v1/chat/completions", overrides={name: "x"})


async def test_what_only_one_endpoint_knows_is_sent_as_it_is() -> None:
    with serving(plain("Hello")) as (url, fake):
        await run(url, overrides={"extra_body": {"my_own": 1}})
    assert fake.requests[0]["my_own"] == 1

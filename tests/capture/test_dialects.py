"""Conventions and modes of which there is no capture, by what their libraries write."""

from __future__ import annotations

import json

import pytest

from taketwo.capture import dialects
from taketwo.capture.reading import Message, Reading, ToolCall
from taketwo.capture.reconstruct import reconstruct
from taketwo.conversation import Conversation
from taketwo.span import LogRecord, Span, SpanEvent
from taketwo.value import JSON

LOOK = ToolCall(id="c1", name="look_up", arguments={"order": "A-1"})
OPENAI_LOOK = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": "A-1"}'}}
OPENAI_TALK: list[JSON] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is A-1?"},
    {"role": "assistant", "content": None, "tool_calls": [OPENAI_LOOK]},
    {"role": "tool", "tool_call_id": "c1", "content": "Ely"},
]
OPENAI_ANSWER = {"role": "assistant", "content": "It is in Ely."}


def span(
    attributes: dict[str, JSON], *, name: str = "span", number: int = 1, parent: int | None = None, **more: object
) -> Span:
    made = Span(
        trace_id="1" * 32,
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent is not None else None,
        name=name,
        start_ns=10**18 + number * 10**6,
        end_ns=10**18 + number * 10**6 + 5 * 10**5,
        attributes=attributes,
    )
    return made.but(**more)


def flat(prefix: str, **values: JSON) -> dict[str, JSON]:
    return {f"{prefix}.{key.replace('__', '.')}": value for key, value in values.items()}


def talk(conversation: Conversation) -> list[tuple[str | None, list[tuple[str, JSON, JSON]], str | None]]:
    return [
        (
            turn.user.text if turn.user else None,
            [(c.tool, c.arguments, c.error or c.result) for c in turn.calls],
            turn.reply,
        )
        for turn in conversation.turns
    ]


THE_TALK = [("Where is A-1?", [("look_up", {"order": "A-1"}, "Ely")], "It is in Ely.")]


def test_a_span_of_no_convention_says_nothing() -> None:
    assert dialects.read(span({"http.request.method": "GET"})) == Reading()


def test_the_convention_with_the_richer_messages_brings_them_and_the_others_fill_in() -> None:
    both = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m-1",
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
        "gen_ai.usage.input_tokens": 3,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hi, cut short",
    }
    reading = dialects.read(span(both))
    assert reading.request == (Message(role="user", text="Hi"),)
    assert (reading.kind, reading.rule, reading.model, reading.input_tokens) == ("model", "otel_genai", "m-1", 3)


def test_a_dialect_that_fails_costs_only_its_span(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def reads(span: Span) -> bool:
            return span.name == "broken"

        @staticmethod
        def read(span: Span) -> Reading:
            raise KeyError("oops")

    monkeypatch.setitem(dialects.DIALECTS, "broken", Broken)  # type: ignore[arg-type]  # it has what a dialect has
    chat = span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(OPENAI_TALK)}, number=2)
    conversation = reconstruct([span({}, name="broken"), chat])
    assert len(conversation.turns) == 1
    assert any("broken cannot read it: KeyError" in gap.why for gap in conversation.gaps)


# Google ADK 1


def adk_spans() -> list[Span]:
    request = {
        "model": "gemini-2.0-flash",
        "config": {
            "system_instruction": "Be brief.",
            "temperature": 0.2,
            "tools": [
                {
                    "function_declarations": [
                        {"name": "look_up", "description": "Look.", "parameters": {"type": "object"}}
                    ]
                }
            ],
        },
        "contents": [
            {"role": "user", "parts": [{"text": "Where is A-1?"}]},
            {
                "role": "model",
                "parts": [{"function_call": {"id": "adk-1", "name": "look_up", "args": {"order": "A-1"}}}],
            },
            {
                "role": "user",
                "parts": [{"function_response": {"id": "adk-1", "name": "look_up", "response": {"result": "Ely"}}}],
            },
        ],
    }
    response = {
        "content": {"role": "model", "parts": [{"text": "It is in Ely."}]},
        "usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 4, "total_token_count": 13},
    }
    own = {
        "gen_ai.system": "gcp.vertex.agent",
        "gcp.vertex.agent.llm_request": "{}",
        "gcp.vertex.agent.llm_response": "{}",
    }
    first = {**request, "contents": request["contents"][:1]}
    call = {"content": request["contents"][1]}
    chat = {
        "gen_ai.system": "gcp.vertex.agent",
        "gen_ai.request.model": "gemini-2.0-flash",
        "gcp.vertex.agent.session_id": "s-1",
    }
    tool = {
        **own,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "gen_ai.tool.call.id": "adk-1",
        "gcp.vertex.agent.tool_call_args": '{"order": "A-1"}',
        "gcp.vertex.agent.tool_response": '{"result": "Ely"}',
    }
    merged = {**tool, "gen_ai.tool.name": "(merged tools)", "gcp.vertex.agent.tool_call_args": "N/A"}
    scope = {"scope": "gcp.vertex.agent"}
    return [
        span({}, name="invocation", number=1, **scope),
        span({}, name="agent_run [desk]", number=2, parent=1, **scope),
        span(
            chat
            | {"gcp.vertex.agent.llm_request": json.dumps(first), "gcp.vertex.agent.llm_response": json.dumps(call)},
            name="call_llm",
            number=3,
            parent=2,
            **scope,
        ),
        span(tool, name="execute_tool look_up", number=4, parent=3, **scope),
        span(merged, name="execute_tool (merged tools)", number=5, parent=3, **scope),
        span(
            chat
            | {
                "gcp.vertex.agent.llm_request": json.dumps(request),
                "gcp.vertex.agent.llm_response": json.dumps(response),
            },
            name="call_llm",
            number=6,
            parent=2,
            **scope,
        ),
    ]


def test_adk_1_gives_the_exact_conversation() -> None:
    conversation = reconstruct(adk_spans())
    assert talk(conversation) == [
        ("Where is A-1?", [("look_up", {"order": "A-1"}, {"result": "Ely"})], "It is in Ely.")
    ]
    agent = conversation.agent
    assert (agent.name, agent.model, agent.system_prompt) == ("desk", "gemini-2.0-flash", "Be brief.")
    assert [tool.name for tool in agent.tools] == ["look_up"]
    assert (conversation.session_id, conversation.turns[0].tokens.output) == ("s-1", 4)
    assert "called_by_code" not in conversation.metadata


def test_adk_tells_an_agent_what_another_did_as_if_the_user_said_it() -> None:
    context = [
        "[triage] called tool `transfer_to_agent` with parameters: {'agent_name': 'refunds'}",
        "[triage] `transfer_to_agent` tool returned result: {'result': None}",
    ]
    contents = [{"role": "user", "parts": [{"text": "Refund me"}]}]
    contents += [{"role": "user", "parts": [{"text": "For context:"}, {"text": line}]} for line in context]
    request = {"model": "g", "config": {}, "contents": contents}
    response = {"content": {"role": "model", "parts": [{"text": "Done."}]}}
    chat = {"gcp.vertex.agent.llm_request": json.dumps(request), "gcp.vertex.agent.llm_response": json.dumps(response)}
    conversation = reconstruct([span(chat, name="call_llm", scope="gcp.vertex.agent")])
    assert talk(conversation) == [
        ("Refund me", [("transfer_to_agent", {"agent_name": "refunds"}, {"result": None})], "Done.")
    ]


# LiteLLM


def litellm_attributes() -> dict[str, JSON]:
    messages = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"] or ""}]}
        | {k: v for k, v in m.items() if k in ("tool_calls", "tool_call_id")}
        for m in OPENAI_TALK[:2]
    ]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "llm.request.type": "acompletion",
        "gen_ai.system": "openai",
        "gen_ai.response.id": "r1",
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [], "finish_reason": "tool_calls"}]),
        "gen_ai.response.finish_reasons": '["tool_calls"]',
        "gen_ai.completion.0.function_call.name": "look_up",
        "gen_ai.completion.0.function_call.arguments": '{"order": "A-1"}',
        "gen_ai.completion.1.function_call.name": "look_up",
        "gen_ai.completion.1.function_call.arguments": '{"order": "B-2"}',
        "llm.request.functions.0.name": "look_up",
        "llm.request.functions.0.parameters": '{"type": "object"}',
        "gen_ai.cost.total_cost": 0.002,
        "metadata.user_api_key_hash": "x",
    }


def test_litellm_lists_the_calls_of_one_message_as_completions() -> None:
    reading = dialects.read(span(litellm_attributes(), scope="litellm", name="litellm_request"))
    assert reading.response is not None
    assert [call.arguments for message in reading.response for call in message.calls] == [
        {"order": "A-1"},
        {"order": "B-2"},
    ]
    assert (reading.system, reading.finish, reading.cost_usd) == ("Be brief.", "tool_calls", 0.002)
    assert [tool.name for tool in reading.tools] == ["look_up"]


def test_litellms_messages_have_calls_and_ids_beside_their_parts() -> None:
    messages = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"] or ""}]}
        | {k: v for k, v in m.items() if k in ("tool_calls", "tool_call_id")}
        for m in OPENAI_TALK
    ]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "It is in Ely."}], "finish_reason": "stop"}]
    attributes = litellm_attributes() | {
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps(answer),
    }
    attributes = {key: value for key, value in attributes.items() if not key.startswith("gen_ai.completion")}
    raw = {
        "llm.openai.messages": str(OPENAI_TALK),
        "llm.openai.id": "r1",
        "llm.openai.choices": str([{"message": OPENAI_ANSWER}]),
    }
    outer = span(attributes, scope="litellm", name="litellm_request", number=1)
    inner = span(raw, scope="litellm", name="raw_gen_ai_request", number=2, parent=1)
    assert talk(reconstruct([outer, inner])) == THE_TALK
    assert talk(reconstruct([inner])) == THE_TALK


# Microsoft Agent Framework: semconv's attributes and one log record a message at once


def test_agent_framework_sends_messages_twice_and_they_count_once() -> None:
    parts = [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Where is A-1?"}]},
    ]
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "It is in Ely."}]}
    chat = span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.choice.count": 1,
            "gen_ai.input.messages": json.dumps(parts),
            "gen_ai.output.messages": json.dumps([answer]),
            "gen_ai.response.finish_reasons": '["stop"]',
        }
    )
    names = ["gen_ai.system.message", "gen_ai.user.message", "gen_ai.choice"]
    records = [
        LogRecord(trace_id=chat.trace_id, span_id=chat.span_id, at_ns=n, body=body, attributes={"event.name": name})
        for n, (name, body) in enumerate(zip(names, [*parts, answer], strict=True))
    ]
    expected = [("Where is A-1?", [], "It is in Ely.")]
    assert talk(reconstruct([chat], records)) == expected
    assert talk(reconstruct([], records)) == expected
    assert reconstruct([], records).agent.system_prompt == "Be brief."


# semconv's older forms


def test_messages_in_span_events_of_semconv_1_27() -> None:
    events = (
        SpanEvent(name="gen_ai.content.prompt", at_ns=1, attributes={"gen_ai.prompt": json.dumps(OPENAI_TALK)}),
        SpanEvent(
            name="gen_ai.content.completion", at_ns=2, attributes={"gen_ai.completion": json.dumps([OPENAI_ANSWER])}
        ),
    )
    chat = span({"gen_ai.system": "openai", "gen_ai.request.model": "m"}, events=events)
    assert talk(reconstruct([chat])) == THE_TALK


def test_azures_events_hold_their_content_as_text() -> None:
    contents = [
        ("gen_ai.user.message", {"content": "Hello"}),
        ("gen_ai.choice", {"message": {"content": "Hi"}, "index": 0}),
    ]
    events = tuple(
        SpanEvent(name=name, at_ns=n, attributes={"gen_ai.event.content": json.dumps(content)})
        for n, (name, content) in enumerate(contents)
    )
    chat = span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, events=events)
    assert talk(reconstruct([chat])) == [("Hello", [], "Hi")]


def test_of_several_choices_the_one_that_the_next_request_repeats_was_taken() -> None:
    choices = [{"role": "assistant", "parts": [{"type": "text", "content": text}]} for text in ("Hi", "Hey")]
    line = {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    first = {
        "gen_ai.input.messages": json.dumps([line]),
        "gen_ai.output.messages": json.dumps(choices),
        "gen_ai.request.choice.count": 2,
    }
    second = {
        "gen_ai.input.messages": json.dumps([line, choices[1], line]),
        "gen_ai.output.messages": json.dumps(choices[:1]),
    }
    made = [
        span({"gen_ai.operation.name": "chat", **each}, number=n) for n, each in enumerate((first, second), start=1)
    ]
    assert talk(reconstruct(made)) == [("Hello", [], "Hey"), ("Hello", [], "Hi")]


def test_structured_attributes_need_no_json() -> None:
    chat = span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": OPENAI_TALK,
            "gen_ai.output.messages": [OPENAI_ANSWER],
        }
    )
    assert talk(reconstruct([chat])) == THE_TALK


# Langfuse


def test_langfuses_langchain_handler_puts_definitions_among_the_messages() -> None:
    definition = {
        "type": "function",
        "function": {"name": "look_up", "description": "Look.", "parameters": {"type": "object"}},
    }
    given = [*OPENAI_TALK, {"role": "tool", "content": definition}]
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps(given),
        "langfuse.observation.output": json.dumps(OPENAI_ANSWER),
        "langfuse.observation.model.name": "gpt-4o-mini",
        "langfuse.observation.usage_details": '{"input": 3, "output": 2}',
        "langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}',
    }
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == THE_TALK
    assert [tool.name for tool in conversation.agent.tools] == ["look_up"]
    assert (conversation.turns[0].tokens.input, conversation.turns[0].cost_usd) == (3, 0.75)


def test_a_trace_of_langfuse_without_generations_is_a_turn() -> None:
    root = {
        "langfuse.observation.type": "span",
        "langfuse.trace.input": '{"message": "Hello"}',
        "langfuse.trace.output": "Hi",
    }
    assert talk(reconstruct([span(root)])) == [("Hello", [], "Hi")]


# LangSmith


def test_langsmiths_wrapper_of_openai() -> None:
    given = {
        "messages": OPENAI_TALK,
        "model": "gpt-4o-mini",
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
    }
    gave = {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024",
        "choices": [{"message": OPENAI_ANSWER, "finish_reason": "stop"}],
    }
    attributes = {
        "langsmith.span.kind": "llm",
        "langsmith.metadata.thread_id": "t-1",
        "langsmith.trace.session_name": "a-project",
        "gen_ai.operation.name": "chat",
        "gen_ai.prompt": json.dumps(given),
        "gen_ai.completion": json.dumps(gave),
        "gen_ai.response.model": "gpt-4o-mini-2024",
    }
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == THE_TALK
    assert (conversation.session_id, conversation.agent.model) == ("t-1", "gpt-4o-mini-2024")


def test_langsmiths_traceable_functions_are_tools_by_their_arguments() -> None:
    attributes = {
        "langsmith.span.kind": "tool",
        "gen_ai.prompt": '{"order": "A-1"}',
        "gen_ai.completion": '{"output": "Ely"}',
    }
    ran = dialects.read(span(attributes, name="look_up")).execution
    assert ran is not None
    assert (ran.name, ran.arguments, ran.result) == ("look_up", {"order": "A-1"}, "Ely")


# MLflow


@pytest.mark.parametrize(
    ("given", "gave"),
    [
        ({"messages": OPENAI_TALK}, {"choices": [{"message": OPENAI_ANSWER}]}),
        (
            {
                "system": "Be brief.",
                "messages": [
                    {"role": "user", "content": "Where is A-1?"},
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "c1", "name": "look_up", "input": {"order": "A-1"}}],
                    },
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "Ely"}]},
                ],
            },
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": "It is in Ely."}],
            },
        ),
        (
            {
                "instructions": "Be brief.",
                "input": [
                    {"role": "user", "content": "Where is A-1?"},
                    {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"order": "A-1"}'},
                    {"type": "function_call_output", "call_id": "c1", "output": "Ely"},
                ],
            },
            {
                "output": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "It is in Ely."}],
                    }
                ]
            },
        ),
    ],
    ids=["openai", "anthropic", "responses"],
)
def test_mlflow_holds_requests_in_the_providers_shape(given: JSON, gave: JSON) -> None:
    attributes = {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.spanInputs": json.dumps(given),
        "mlflow.spanOutputs": json.dumps(gave),
        "mlflow.llm.model": '"m-1"',
        "mlflow.chat.tokenUsage": '{"input_tokens": 3, "output_tokens": 2}',
    }
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == THE_TALK
    assert (conversation.agent.system_prompt, conversation.agent.model) == ("Be brief.", "m-1")


def test_mlflows_semconv_form_encodes_results_twice() -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "gen_ai.tool.call.result": '"{\\"a\\": 1}"',
    }
    ran = dialects.read(span(attributes, scope="mlflow.tracing.provider")).execution
    assert ran is not None
    assert ran.result == '{"a": 1}'


# Logfire


def logfire(**attributes: JSON) -> dict[str, JSON]:
    return {"logfire.msg": "x", "logfire.span_type": "span", **attributes}


def test_logfires_older_wrapper_keeps_request_and_response_whole() -> None:
    attributes = logfire(
        request_data=json.dumps({"model": "m", "temperature": 0.5, "messages": OPENAI_TALK}),
        response_data=json.dumps({"message": OPENAI_ANSWER, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
    )
    conversation = reconstruct([span(attributes, scope="logfire.openai")])
    assert talk(conversation) == THE_TALK
    assert (conversation.agent.settings, conversation.turns[0].tokens.output) == ({"temperature": 0.5}, 2)


def test_logfire_writes_a_streams_answer_on_a_second_span() -> None:
    request = json.dumps({"model": "m", "stream": True, "messages": OPENAI_TALK})
    first = span(logfire(request_data=request), scope="logfire.openai", number=1)
    log = logfire(
        request_data=request, response_data=json.dumps({"combined_chunk_content": "It is in Ely.", "chunk_count": 3})
    )
    second = span(log | {"logfire.span_type": "log"}, scope="logfire.openai", number=2)
    conversation = reconstruct([first, second])
    assert talk(conversation) == THE_TALK
    assert conversation.gaps[0].where == "agent.tools"


def test_logfires_openai_agents_integration() -> None:
    events = [
        {"event.name": "gen_ai.system.message", "role": "system", "content": "Be brief."},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Where is A-1?"},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [OPENAI_LOOK]},
        {"event.name": "gen_ai.tool.message", "role": "tool", "id": "c1", "content": "Ely", "name": "look_up"},
        {"event.name": "gen_ai.choice", "index": 0, "message": OPENAI_ANSWER},
    ]
    root = span({"logfire.msg": "OpenAI Agents trace: desk", "group_id": "g-1"}, number=1)
    model = span(logfire(events=json.dumps(events), response="{}"), number=2, parent=1)
    function = logfire(name="look_up", input='{"order": "A-1"}', output="Ely") | {
        "logfire.msg_template": "Function: {name}"
    }
    conversation = reconstruct([root, model, span(function, number=3, parent=1)])
    assert talk(conversation) == THE_TALK
    assert conversation.session_id == "g-1"


# AI SDK


def test_the_ai_sdks_older_names() -> None:
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "Where is A-1?"}]}]),
        "ai.result.text": "",
        "ai.result.toolCalls": json.dumps([{"toolCallId": "c1", "toolName": "look_up", "args": '{"order": "A-1"}'}]),
        "ai.usage.promptTokens": 5,
        "ai.usage.completionTokens": 2,
        "ai.settings.maxTokens": 100,
        "ai.settings.maxRetries": 2,
    }
    reading = dialects.read(span(attributes))
    assert reading.response == (Message(role="assistant", calls=(LOOK,)),)
    assert (reading.input_tokens, reading.output_tokens, reading.settings) == (5, 2, {"max_tokens": 100})


def test_an_object_in_place_of_text_is_the_answer() -> None:
    attributes = {
        "ai.operationId": "ai.generateObject.doGenerate",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": "Where?"}]),
        "ai.response.object": '{"city": "Ely"}',
    }
    assert talk(reconstruct([span(attributes)])) == [("Where?", [], '{"city": "Ely"}')]


# traceAI


def test_traceais_streams_lose_calls_which_the_next_request_tells() -> None:
    def message(number: int, **values: JSON) -> dict[str, JSON]:
        return flat(f"gen_ai.input.messages.{number}.message", **values)

    line = message(0, role="user", content="Where is A-1?")
    call = message(
        1,
        role="assistant",
        tool_calls__0__tool_call__id="c1",
        tool_calls__0__tool_call__function__name="look_up",
        tool_calls__0__tool_call__function__arguments='{"order": "A-1"}',
    )
    result = message(2, role="tool", content="Ely", tool_call_id="c1")
    empty = flat("gen_ai.output.messages.0.message", role="assistant")
    answer = flat("gen_ai.output.messages.0.message", role="assistant", content="It is in Ely.")
    first = span({"gen_ai.span.kind": "LLM", **line, **empty}, number=1)
    second = span({"gen_ai.span.kind": "LLM", **line, **call, **result, **answer}, number=2)
    assert talk(reconstruct([first, second])) == THE_TALK


def test_a_stream_that_lost_its_calls_at_the_end_has_them_from_the_tools() -> None:
    line = flat("gen_ai.input.messages.0.message", role="user", content="Where is A-1?")
    model = span({"gen_ai.span.kind": "LLM", **line}, number=1)
    tool = span(
        {
            "gen_ai.span.kind": "TOOL",
            "gen_ai.tool.name": "look_up",
            "input.value": '{"order": "A-1"}',
            "output.value": "Ely",
        },
        number=2,
    )
    conversation = reconstruct([model, tool])
    assert talk(conversation) == [("Where is A-1?", [("look_up", {"order": "A-1"}, "Ely")], None)]
    assert conversation.turns[0].calls[0].source is not None
    assert conversation.turns[0].calls[0].source.rule == "traceai: the tool's span"


def test_older_versions_of_traceai_wrote_openinferences_names() -> None:
    attributes = {
        "fi.span.kind": "LLM",
        **flat("llm.input_messages.0.message", role="user", content="Hello"),
        **flat("llm.output_messages.0.message", role="assistant", content="Hi"),
        "llm.token_count.prompt": 3,
        "llm.model_name": "m",
    }
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == [("Hello", [], "Hi")]
    assert (conversation.agent.model, conversation.turns[0].tokens.input) == ("m", 3)


def test_the_transcript_of_a_call_that_was_recorded_elsewhere() -> None:
    said = [("bot", "Hi!"), ("user", "Where is A-1?"), ("bot", "In Ely.")]
    lines = [
        flat(f"conversation.transcript.{n}.message", role=role, content=text) for n, (role, text) in enumerate(said)
    ]
    attributes = {"gen_ai.span.kind": "CONVERSATION", "gen_ai.voice.ended_reason": "customer-hangup"}
    for line in lines:
        attributes |= line
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == [(None, [], "Hi!"), ("Where is A-1?", [], "In Ely.")]
    assert (conversation.channel, conversation.outcome.ended_reason) == ("voice", "customer-hangup")


# OpenLLMetry


def test_openllmetrys_flattened_anthropic_messages() -> None:
    content = json.dumps([{"type": "tool_use", "id": "c1", "name": "look_up", "input": {"order": "A-1"}}])
    result = json.dumps([{"type": "tool_result", "tool_use_id": "c1", "content": "Ely"}])
    attributes = {
        "llm.request.type": "chat",
        **flat("gen_ai.prompt.0", role="system", content="Be brief."),
        **flat("gen_ai.prompt.1", role="user", content="Where is A-1?"),
        **flat("gen_ai.prompt.2", role="assistant", content=content),
        **flat("gen_ai.prompt.3", role="user", content=result),
        **flat("gen_ai.completion.0", role="assistant", content="It is in Ely.", finish_reason="end_turn"),
    }
    conversation = reconstruct([span(attributes)])
    assert talk(conversation) == THE_TALK
    assert conversation.agent.system_prompt == "Be brief."


# LiveKit


def test_livekits_older_keys_and_an_answer_that_was_interrupted() -> None:
    context = {"items": [{"type": "message", "role": "user", "content": ["Hello"]}]}
    session = span({}, name="agent_session", number=1, scope="livekit-agents")
    turn = {"lk.user_input": "Hello", "lk.response.text": "Hi, how", "lk.interrupted": True, "lk.speech_id": "x"}
    node = {"lk.chat_ctx": json.dumps(context), "lk.response.text": "Hi, how can I help?"}
    spans = [
        session,
        span(turn, name="agent_turn", number=2, parent=1, scope="livekit-agents"),
        span(node, name="llm_node", number=3, parent=2, scope="livekit-agents"),
        span({"lk.input_text": "Hi"}, name="tts_node", number=4, parent=2, scope="livekit-agents"),
    ]
    conversation = reconstruct(spans)
    assert talk(conversation) == [("Hello", [], "Hi, how")]
    assert conversation.turns[0].steps[0].text == "Hi, how can I help?"  # type: ignore[union-attr]
    assert conversation.channel == "voice"


# whatever else


@pytest.mark.parametrize(
    ("kind", "given", "gave"),
    [
        ({"genkit:metadata:subtype": "model"}, "genkit:input", "genkit:output"),
        ({"lmnr.span.type": "LLM"}, "lmnr.span.input", "lmnr.span.output"),
        ({"span.type": "llm_request"}, "input", "output"),
        ({"gen_ai.request.model": "m"}, "gen_ai.prompt", "gen_ai.completion"),
        ({"braintrust.span_attributes": '{"type": "llm"}'}, "braintrust.input_json", "braintrust.output_json"),
    ],
)
def test_other_senders_differ_in_two_names(kind: dict[str, JSON], given: str, gave: str) -> None:
    attributes = {**kind, given: json.dumps(OPENAI_TALK), gave: json.dumps(OPENAI_ANSWER)}
    assert talk(reconstruct([span(attributes)])) == THE_TALK


def test_a_run_of_an_unknown_convention_is_a_turn_by_its_input_and_output() -> None:
    assert talk(reconstruct([span({"input": "Hello", "output": "Hi"})])) == [("Hello", [], "Hi")]


def test_a_tool_of_an_unknown_convention_is_one_if_it_says_so() -> None:
    attributes = {"lmnr.span.type": "TOOL", "lmnr.span.input": '{"order": "A-1"}', "lmnr.span.output": "Ely"}
    ran = dialects.read(span(attributes, name="look_up")).execution
    assert ran is not None
    assert (ran.name, ran.arguments, ran.result) == ("look_up", {"order": "A-1"}, "Ely")


# OpenInference


def openinference(number: int, *, response: dict[str, JSON], **request: dict[str, JSON]) -> dict[str, JSON]:
    attributes: dict[str, JSON] = {"openinference.span.kind": "LLM"}
    for position, values in enumerate(request.values()):
        attributes |= flat(f"llm.input_messages.{position}.message", **values)
    return attributes | flat("llm.output_messages.0.message", **response)


LOOK_FLAT: dict[str, JSON] = {
    "role": "model",
    "tool_calls__0__tool_call__id": "c1",
    "tool_calls__0__tool_call__function__name": "look_up",
    "tool_calls__0__tool_call__function__arguments": '{"order": "A-1"}',
}


def test_under_adk_2_all_model_calls_of_a_run_write_to_one_span() -> None:
    line: dict[str, JSON] = {"role": "user", "content": "Where is A-1?"}
    result: dict[str, JSON] = {"role": "tool", "content": "Ely", "tool_call_id": "c1"}
    attributes = openinference(1, a=line, b=LOOK_FLAT, c=result, response={**LOOK_FLAT, "content": "It is in Ely."})
    attributes |= {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 3}
    merged = {"openinference.span.kind": "TOOL", "tool.name": "(merged tools)"}
    conversation = reconstruct([span(attributes), span(merged, number=2, parent=1)])
    assert talk(conversation) == THE_TALK
    assert "called_by_code" not in conversation.metadata


def test_a_result_whose_call_no_message_has_finds_it_in_the_tools_span() -> None:
    line: dict[str, JSON] = {"role": "user", "content": "Where is A-1?"}
    result: dict[str, JSON] = {"role": "tool", "content": "Ely", "tool_call_id": "c1"}
    said = {"role": "assistant", "content": "It is in Ely."}
    model = openinference(2, a=line, b=result, response=said)
    tool = {
        "openinference.span.kind": "TOOL",
        "tool.name": "look_up",
        "tool_call.id": "c1",
        "input.value": '{"order": "A-1"}',
    }
    spans = [span(tool | {"output.value": "Ely, England"}, number=1), span(model, number=2)]
    assert talk(reconstruct(spans)) == THE_TALK
    assert talk(reconstruct(spans[1:])) == [("Where is A-1?", [], "It is in Ely.")]


def test_messages_that_instrumentation_hides_are_gaps_in_their_places() -> None:
    line: dict[str, JSON] = {"role": "user", "content": "__REDACTED__"}
    conversation = reconstruct([span(openinference(1, a=line, response={"role": "assistant", "content": "Hi"}))])
    assert talk(conversation) == [(None, [], "Hi")]
    assert {gap.where for gap in conversation.gaps} == {"turns[0].user", "agent.system_prompt"}

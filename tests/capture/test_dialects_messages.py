"""Messages in the shapes of every provider and framework."""

from __future__ import annotations

import pytest

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.definitions import read_definitions
from taketwo.capture.dialects.messages import instructions, read_messages
from taketwo.capture.reading import Message, ToolCall, ToolResult
from taketwo.conversation import Attachment, ToolDefinition
from taketwo.value import JSON

HELLO = Message(role="user", text="Hello")
CALL = ToolCall(id="c1", name="look_up", arguments={"order": "A-1"})
ASKS = Message(role="assistant", calls=(CALL,))
ASKS_WITH_WORDS = Message(role="assistant", text="Let me look.", calls=(CALL,))
GAVE = Message(role="tool", results=(ToolResult(id="c1", value="Ely"),))

ORDER: dict[str, JSON] = {"order": "A-1"}
IN_TEXT = '{"order": "A-1"}'
NAMED: dict[str, JSON] = {"id": "c1", "name": "look_up"}
OPENAI = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": IN_TEXT}}
ENCODED_TWICE = {"id": "c1", "function": {"name": "look_up", "arguments": '"{\\"order\\": \\"A-1\\"}"'}}
TOOL_USE = {"type": "tool_use", "input": ORDER, **NAMED}
LANGCHAIN = {"args": ORDER, "type": "tool_call", **NAMED}
VERCEL = {"type": "tool-call", "toolCallId": "c1", "toolName": "look_up"}
BEDROCK = {"toolUse": {"toolUseId": "c1", "name": "look_up", "input": ORDER}}
FLAT = {"tool_call": {"id": "c1", "function": {"name": "look_up", "arguments": IN_TEXT}}}


def constructor(kind: str, **kwargs: JSON) -> dict[str, JSON]:
    """A message as LangChain serialises it."""
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", kind], "kwargs": kwargs}


@pytest.mark.parametrize(
    "shape",
    [
        "Hello",
        {"role": "user", "content": "Hello"},
        [{"role": "human", "content": "Hello"}],
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]},
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "user", "content": [{"text": "Hello"}]},
        {"role": "user", "content": '[{"text": "Hello"}]'},
        {"type": "human", "data": {"content": "Hello", "type": "human"}},
        {"type": "human", "content": "Hello", "id": "x"},
        constructor("HumanMessage", content="Hello"),
        {"messages": [[constructor("HumanMessage", content="Hello", type="human")]]},
        {"messages": [{"role": "user", "content": "Hello"}]},
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        {"items": [{"type": "message", "role": "user", "content": ["Hello", {"type": "cache_breakpoint"}]}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]},
        '[{"role": "user", "content": "Hello"}]',
        {"message": {"role": "user", "contents": {0: {"message_content": {"type": "text", "text": "Hello"}}}}},
        {"event.name": "gen_ai.user.message", "content": "Hello"},
    ],
)
def test_a_line_of_the_user_has_many_shapes(shape: JSON) -> None:
    assert read_messages(shape) == (HELLO,)


@pytest.mark.parametrize(
    "shape",
    [
        {"role": "assistant", "content": None, "tool_calls": [OPENAI]},
        {"role": "assistant", "content": None, "tool_calls": [ENCODED_TWICE]},
        {"role": "ai", "content": "", "tool_calls": [LANGCHAIN]},
        {"type": "ai", "content": "", "additional_kwargs": {"tool_calls": [OPENAI]}},
        {"type": "ai", "content": [TOOL_USE], "tool_calls": [LANGCHAIN]},
        {"type": "function_call", "call_id": "c1", "id": "fc_9", "name": "look_up", "arguments": IN_TEXT},
        {"role": "assistant", "content": [TOOL_USE]},
        {"role": "assistant", "content": [BEDROCK]},
        {"role": "model", "parts": [{"function_call": {"args": ORDER, **NAMED}}]},
        {"role": "model", "parts": [{"functionCall": {"args": ORDER, **NAMED}}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "arguments": ORDER, **NAMED}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "arguments": IN_TEXT, **NAMED}]},
        {"role": "assistant", "content": [{"input": ORDER, **VERCEL}]},
        {"role": "assistant", "content": [{"args": ORDER, **VERCEL}]},
        {"role": "assistant", "tool_calls": {0: {"arguments": IN_TEXT, **NAMED}}},
        {"message": {"role": "assistant", "tool_calls": {0: FLAT}}},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [OPENAI]}}]},
        {"generations": [[{"text": "", "message": constructor("AIMessage", content="", tool_calls=[LANGCHAIN])}]]},
    ],
)
def test_a_call_has_many_shapes(shape: JSON) -> None:
    assert read_messages(shape, "assistant") == (ASKS,)


@pytest.mark.parametrize(
    "shape",
    [
        {"role": "tool", "tool_call_id": "c1", "content": "Ely"},
        {"role": "tool", "tool_call_id": "c1", "parts": [{"type": "text", "content": "Ely"}]},
        {"role": "tool", "id": "c1", "content": "Ely"},
        {"type": "function_call_output", "call_id": "c1", "output": "Ely"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "Ely"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"text": "Ely"}]}]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "response": "Ely"}]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "result": "Ely"}]},
        {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "result": "Ely"}]},
        {
            "role": "tool",
            "content": [{"type": "tool-result", "toolCallId": "c1", "output": {"type": "text", "value": "Ely"}}],
        },
    ],
)
def test_a_result_has_many_shapes(shape: JSON) -> None:
    assert read_messages(shape) == (GAVE,)


def test_words_beside_calls_are_kept_whatever_their_order() -> None:
    parts = [{"type": "tool_call", "arguments": ORDER, **NAMED}, {"type": "text", "content": "Let me look."}]
    assert read_messages({"role": "assistant", "parts": parts}) == (ASKS_WITH_WORDS,)
    chat = {"role": "assistant", "content": "Let me look.", "tool_calls": [OPENAI]}
    assert read_messages(chat) == (ASKS_WITH_WORDS,)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True},
        {"toolResult": {"toolUseId": "c1", "status": "error", "content": [{"text": "no"}]}},
        {"type": "tool-result", "toolCallId": "c1", "output": {"type": "error-text", "value": "no"}},
    ],
)
def test_a_result_that_is_marked_as_an_error_is_one(part: dict[str, JSON]) -> None:
    assert read_messages({"role": "user", "content": [part]}) == (
        Message(role="tool", results=(ToolResult(id="c1", value="no", failed=True),)),
    )


def test_langchains_tool_message_says_whether_it_failed() -> None:
    found = read_messages({"type": "tool", "content": "no", "tool_call_id": "c1", "name": "look_up", "status": "error"})
    assert found[0].results == (ToolResult(id="c1", name="look_up", value="no", failed=True),)


def test_results_keep_their_json_where_they_have_no_text() -> None:
    vercel = {"type": "tool-result", "toolCallId": "c1", "output": {"type": "json", "value": {"a": 1}}}
    assert read_messages({"role": "tool", "content": [vercel]})[0].results[0].value == {"a": 1}
    gemini = {"function_response": {"response": {"result": "Ely"}, **NAMED}}
    found = read_messages({"role": "user", "parts": [gemini]})
    assert found[0].results == (ToolResult(id="c1", name="look_up", value={"result": "Ely"}),)


def test_an_old_function_call_and_its_answer() -> None:
    asked = {"role": "assistant", "content": None, "function_call": {"name": "look_up", "arguments": IN_TEXT}}
    found = read_messages([asked, {"role": "function", "name": "look_up", "content": "Ely"}])
    assert found[0].calls == (ToolCall(name="look_up", arguments={"order": "A-1"}),)
    assert found[1].results == (ToolResult(name="look_up", value="Ely"),)


def test_thinking_is_no_part_of_the_words() -> None:
    expected = (Message(role="assistant", text="Hi", reasoning="hm"),)
    anthropic = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}]
    semconv = [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "Hi"}]
    gemini = [{"text": "hm", "thought": True}, {"text": "Hi"}]
    for parts in (anthropic, semconv, gemini):
        assert read_messages({"role": "assistant", "parts": parts}) == expected


PNG = "image/png"
A_PNG = Attachment(kind="image", media_type=PNG, url="data:image/png;base64,QUJD")
LINKED = Attachment(kind="image", url="https://x/y.png")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, LINKED),
        ({"type": "input_image", "image_url": "https://x/y.png"}, LINKED),
        ({"type": "image", "source": {"type": "base64", "media_type": PNG, "data": "QUJD"}}, A_PNG),
        ({"type": "blob", "mime_type": PNG, "modality": "image", "content": "QUJD"}, A_PNG),
        ({"inline_data": {"mime_type": PNG, "data": "QUJD"}}, A_PNG),
        ({"type": "file", "mediaType": PNG, "data": "QUJD"}, A_PNG),
        ({"type": "image_url", "image_url": {"url": "__REDACTED__"}}, Attachment(kind="image")),
        (
            {"type": "uri", "mime_type": "application/pdf", "uri": "gs://b/c.pdf"},
            Attachment(kind="file", media_type="application/pdf", url="gs://b/c.pdf"),
        ),
    ],
)
def test_attachments_have_many_shapes(part: dict[str, JSON], expected: Attachment) -> None:
    found = read_messages({"role": "user", "content": [{"type": "text", "text": "Look"}, part]})
    assert found == (Message(role="user", text="Look", attachments=(expected,)),)


def test_what_is_hidden_or_left_out_is_a_flaw_and_no_text() -> None:
    assert read_messages({"role": "user", "content": "__REDACTED__"}) == (Message(role="user", flaw=marks.HIDDEN),)
    assert read_messages({"role": "user", "parts": [{"type": "text"}]}) == (Message(role="user", flaw=marks.LEFT_OUT),)
    assert read_messages({"role": "tool", "id": "c1"})[0].results[0].flaw == marks.LEFT_OUT
    assert read_messages({"role": "user", "content": "Hel... [truncated]"}) == (
        Message(role="user", text="Hel", flaw=marks.CUT),
    )


def test_a_text_that_merely_looks_like_json_stays_a_text() -> None:
    assert read_messages({"role": "user", "content": '[{"order": "A-1"}]'})[0].text == '[{"order": "A-1"}]'
    assert read_messages({"role": "user", "content": '["a", "b"]'})[0].text == '["a", "b"]'


def test_instructions_come_as_text_parts_or_messages() -> None:
    part = {"type": "text", "content": "Be brief."}
    shapes = ["Be brief.", [part], {"parts": [{"text": "Be brief."}]}, [{"role": "system", "parts": [part]}]]
    assert {instructions(shape) for shape in shapes} == {"Be brief."}
    assert instructions('[{"type": "text", "content": "Be brief."}]') == "Be brief."
    assert instructions("__REDACTED__") is None
    assert instructions(None) is None


@pytest.mark.parametrize(
    "shape",
    [
        [{"type": "function", "function": {"name": "t", "description": "d", "parameters": {"type": "object"}}}],
        [{"type": "function", "name": "t", "description": "d", "parameters": {"type": "object"}}],
        [{"name": "t", "description": "d", "input_schema": {"type": "object"}}],
        [{"type": "function", "name": "t", "description": "d", "inputSchema": {"type": "object"}}],
        [{"name": "t", "description": "d", "inputSchema": {"json": {"type": "object"}}}],
        [{"toolSpec": {"name": "t", "description": "d", "inputSchema": {"json": {"type": "object"}}}}],
        [{"function_declarations": [{"name": "t", "description": "d", "parameters": {"type": "object"}}]}],
        ['{"type": "function", "name": "t", "description": "d", "inputSchema": {"type": "object"}}'],
        '[{"type": "function", "name": "t", "description": "d", "parameters": "{\\"type\\": \\"object\\"}"}]',
        [{"tool": {"json_schema": '{"name": "t", "description": "d", "parameters": {"type": "object"}}'}}],
        {"function_tools": [{"name": "t", "description": "d", "parameters_json_schema": {"type": "object"}}]},
    ],
)
def test_definitions_have_many_shapes(shape: JSON) -> None:
    assert read_definitions(shape) == (ToolDefinition(name="t", description="d", parameters={"type": "object"}),)


def test_a_definition_that_was_cut_off_keeps_its_name_and_description() -> None:
    cut = '{"type": "function", "function": {"name": "t", "description": "say \\"d\\"", "parameters": {"type": "obj'
    assert read_definitions([{"tool": {"json_schema": cut}}]) == (ToolDefinition(name="t", description='say "d"'),)

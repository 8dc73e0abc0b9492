"""The parts of a message: texts, tool calls, tool results, attachments, thinking."""

from __future__ import annotations

from dataclasses import dataclass, field

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import Unreadable, looks_like_json, loosely, parse, text_of
from taketwo.capture.reading import Message, Role, ToolCall, ToolResult
from taketwo.conversation import Attachment
from taketwo.value import JSON

ATTACHMENT_KINDS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "blob": "file",
    "uri": "file",
    "media": "file",
}
"""Types of parts that are something other than words."""

BEDROCK_BLOCK = '[{"json":'
"""How a result of Bedrock begins that was written down as a text, blocks and all."""

_TEXT_TYPES = {"text", "input_text", "output_text", "refusal", "string", "markdown"}
_THINKING_TYPES = {"reasoning", "thinking", "redacted_thinking", "reasoning_text", "summary_text", "thought"}
_CALL_TYPES = {"tool_use", "tool_call", "tool-call", "function_call", "functionCall", "function"}
_RESULT_TYPES = {"tool_result", "tool_call_response", "tool-result", "function_response", "function_call_output"}


@dataclass(slots=True)
class Draft:
    """A message while its parts are gathered."""

    role: Role
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    flaw: str | None = None

    @property
    def is_something(self) -> bool:
        """Whether any part was found."""
        return bool(self.texts or self.calls or self.results or self.attachments or self.reasoning or self.flaw)

    def add_text(self, text: str) -> None:
        """Add words, or the reason why there are none."""
        if flaw := marks.why_hidden(text):
            self.flaw = flaw
            return
        text, was_cut = marks.without_cut_mark(text)
        if was_cut:
            self.flaw = marks.CUT
        if text:
            self.texts.append(text)

    def message(self) -> Message:
        """The finished message. A user message that only brings results is the tool's."""
        only_results = self.results and not self.texts and not self.attachments and not self.calls
        return Message(
            role="tool" if only_results else self.role,
            text=("" if self.role == "assistant" else "\n").join(self.texts),
            calls=tuple(self.calls),
            results=tuple(self.results),
            attachments=tuple(self.attachments),
            reasoning="\n".join(self.reasoning),
            flaw=self.flaw,
        )


def add_part(part: JSON, draft: Draft) -> None:
    """Read one part into the draft."""
    if isinstance(part, str):
        draft.add_text(part)
    elif isinstance(part, dict):
        part = (
            part["message_content"] | {k: v for k, v in part.items() if k == "tool_call"}
            if isinstance(part.get("message_content"), dict)
            else part
        )
        _add_typed(part, draft)


def _add_typed(part: dict[str, JSON], draft: Draft) -> None:
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else None
    if kind in _TEXT_TYPES:
        _add_text_part(part, draft)
    elif (
        kind in _CALL_TYPES
        or "toolUse" in part
        or "functionCall" in part
        or "toolRequest" in part
        or isinstance(part.get("function_call"), dict)
        or isinstance(part.get("tool_call"), dict)
    ):
        call = read_call(part)
        if call.name or call.id:
            draft.calls.append(call)
    elif kind in _RESULT_TYPES or _bedrock_or_gemini_result(part) is not None:
        inner = _bedrock_or_gemini_result(part) or part
        draft.results.append(read_result(inner, _result_content(inner)))
    elif kind in _THINKING_TYPES or "reasoningContent" in part:
        draft.reasoning.append(_thinking(part))
    elif (attachment := read_attachment(part)) is not None:
        draft.attachments.append(attachment)
    elif kind is None:
        _add_text_part(part, draft, optional=True)


def _add_text_part(part: dict[str, JSON], draft: Draft, *, optional: bool = False) -> None:
    for name in ("text", "content", "value", "refusal"):
        if isinstance(text := part.get(name), str):
            if part.get("thought") is True:
                draft.reasoning.append(text)
            else:
                draft.add_text(text)
            return
        if isinstance(text, dict) and isinstance(text.get("value"), str):
            draft.add_text(text["value"])
            return
    if not optional:
        draft.flaw = marks.LEFT_OUT


def _thinking(part: dict[str, JSON]) -> str:
    for name in ("content", "text", "thinking", "reasoning"):
        if isinstance(text := part.get(name), str):
            return text
    return ""


def read_call(part: dict[str, JSON]) -> ToolCall:
    """A tool call in any shape."""
    for name in ("tool_call", "toolUse", "functionCall", "function_call", "toolRequest"):
        if isinstance(inner := part.get(name), dict):
            part = {**part, **inner}
    function = part.get("function")
    named = {**part, **function} if isinstance(function, dict) else part
    arguments = _first(named, "arguments", "input", "args", "parameters", "rawArguments")
    return call_with(_word(named, "name", "toolName", "tool_name"), call_id(part), arguments)


def call_with(name: str | None, identity: str | None, arguments: JSON) -> ToolCall:
    """A tool call with whatever its arguments came as."""
    fields, text, flaw = read_arguments(arguments)
    return ToolCall(name=name or "", id=identity, arguments=fields, text=text, flaw=flaw)


def read_arguments(arguments: JSON) -> tuple[dict[str, JSON] | None, str | None, str | None]:
    """The arguments as an object, else their text, and why they are not all there."""
    match arguments:
        case dict():
            return arguments, None, None
        case None:
            return None, None, marks.LEFT_OUT
        case str() if marks.why_hidden(arguments):
            return None, None, marks.HIDDEN
        case str() if not arguments.strip():
            return {}, None, None
        case str():
            return _arguments_in_text(arguments)
        case _:
            return None, str(arguments), "they are no JSON object"


def _arguments_in_text(text: str) -> tuple[dict[str, JSON] | None, str | None, str | None]:
    try:
        value = parse(text)
    except Unreadable:
        cut = looks_like_json(text) and not text.rstrip().endswith("}")
        return None, text, marks.CUT if cut else "they are no JSON"
    if isinstance(value, str) and value != text:
        return read_arguments(value) if looks_like_json(value) else (None, text, "they are no JSON object")
    if value is None:
        return {}, None, None
    return (value, None, None) if isinstance(value, dict) else (None, text, "they are no JSON object")


def call_id(part: dict[str, JSON]) -> str | None:
    """The id of a call. Responses items have two: `call_id` is the one that results name."""
    return _word(part, "call_id", "tool_call_id", "toolCallId", "toolUseId", "tool_use_id", "id", "ref")


def read_result(part: dict[str, JSON], value: JSON) -> ToolResult:
    """A tool result whose value was already found."""
    failed, flaw = _failed(part), None
    if isinstance(value, str):
        if flaw := marks.why_hidden(value):
            value = None
        else:
            value, was_cut = marks.without_cut_mark(value)
            flaw = marks.CUT if was_cut else None
    elif marks.is_cut_inside(value):
        flaw = marks.CUT
    elif value is None and not _says_nothing_on_purpose(part):
        flaw = marks.LEFT_OUT
    name = _word(part, "name", "toolName", "tool_name")
    identity = _word(part, "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "call_id", "id", "ref")
    return ToolResult(id=identity, name=name, value=value, failed=failed, flaw=flaw)


def result_value(content: JSON) -> JSON:
    """What a tool gave back: the text where it is one text part, else the value as it is."""
    if isinstance(content, str) and content.startswith(BEDROCK_BLOCK):
        blocks = loosely(content)
        return content if isinstance(blocks, str) else result_value(blocks)
    if isinstance(content, list) and len(content) == 1 and isinstance(part := content[0], dict):
        if set(part) <= {"text", "content", "type", "cache_control", "annotations"}:
            text = part.get("text", part.get("content"))
            return text if isinstance(text, str) else content
        if set(part) == {"json"}:
            return part["json"]
        if isinstance(inner := part.get("message_content"), dict):
            return result_value([inner])
    return content


def _result_content(part: dict[str, JSON]) -> JSON:
    """The value of a result part: AI SDK wraps it in its type, Bedrock and Anthropic in blocks."""
    value = _first(part, "response", "result", "output", "content")
    if isinstance(value, dict) and set(value) <= {"type", "value", "providerOptions"} and "value" in value:
        return result_value(value["value"])
    return result_value(value)


def _bedrock_or_gemini_result(part: dict[str, JSON]) -> dict[str, JSON] | None:
    for name in ("toolResult", "function_response", "functionResponse", "toolResponse", "tool_call_result"):
        if isinstance(inner := part.get(name), dict):
            call = inner.get("origin")  # Haystack's result names its call by the whole of it
            return {**call, **inner} if isinstance(call, dict) else inner
    return None


def _failed(part: dict[str, JSON]) -> bool | None:
    for name in ("is_error", "isError"):
        if isinstance(mark := part.get(name), bool):
            return mark
    if part.get("status") == "error" or part.get("error") is True:
        return True
    output = part.get("output", part.get("result"))
    if isinstance(output, dict) and output.get("type") in ("error-text", "error-json", "execution-denied"):
        return True
    return False if part.get("status") == "success" else None


def _says_nothing_on_purpose(part: dict[str, JSON]) -> bool:
    """Whether a result without a value is one: the key is there, the value is null."""
    return any(name in part and part[name] is None for name in ("response", "result"))


def read_attachment(part: dict[str, JSON]) -> Attachment | None:
    """An image or a file; its bytes only where the sender kept them."""
    kind = ATTACHMENT_KINDS.get(str(part.get("type"))) or next(
        (k for k in ("image", "audio", "document", "video", "file") if k in part), None
    )
    inline = part.get("inline_data") or part.get("inlineData") or part.get("file_data") or part.get("fileData")
    if kind is None and not isinstance(inline, dict):
        return None
    source = _attachment_source(part, inline)
    media_type = _word(source, "media_type", "mime_type", "mimeType", "mediaType")
    if media_type is None and kind == "audio" and (form := _word(source, "format")) is not None:
        media_type = f"audio/{form}"
    modality = part.get("modality")
    kind = modality if isinstance(modality, str) else _kind_of(media_type) or kind or "file"
    return Attachment(kind=kind, media_type=media_type, url=_attachment_url(source, media_type))


def _kind_of(media_type: str | None) -> str | None:
    family = (media_type or "").split("/")[0]
    return family if family in ("image", "audio", "video") else None


def _attachment_source(part: dict[str, JSON], inline: JSON) -> dict[str, JSON]:
    """The part with everything that is nested in it laid flat."""
    flat = dict(part)
    for name in ("image", "image_url", "audio", "input_audio", "file", "document", "source", "video"):
        while isinstance(inner := flat.get(name), dict):
            flat.pop(name)
            flat.update(inner)
    if isinstance(inline, dict):
        flat.update(inline)
    return flat


def _attachment_url(source: dict[str, JSON], media_type: str | None) -> str | None:
    for name in (
        "url",
        "uri",
        "image_url",
        "file_uri",
        "fileUri",
        "file_url",
        "image",
        "data",
        "file_data",
        "content",
        "bytes",
    ):
        text = text_of(source.get(name))
        if text is None or marks.is_mark(text) or text.startswith("<"):
            continue
        if "://" in text[:12] or text.startswith("data:") or name in ("uri", "url"):
            return text
        return f"data:{media_type or 'application/octet-stream'};base64,{text}"
    return None


def _first(part: dict[str, JSON], *names: str) -> JSON:
    return next((part[name] for name in names if part.get(name) is not None), None)


def _word(part: dict[str, JSON], *names: str) -> str | None:
    return next((part[name] for name in names if isinstance(part.get(name), str) and part[name]), None)

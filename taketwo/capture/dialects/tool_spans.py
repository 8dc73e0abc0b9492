"""What tool spans have in common whatever their convention: how they fail and what they give back."""

from __future__ import annotations

from collections.abc import Iterable

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import as_object, loosely, text_of
from taketwo.capture.dialects.messages import read_messages
from taketwo.capture.dialects.parts import result_value
from taketwo.capture.reading import Execution, ToolResult
from taketwo.span import Span
from taketwo.value import JSON


def execution(
    span: Span,
    *,
    name: str,
    call_id: str | None = None,
    arguments: dict[str, JSON] | None = None,
    result: JSON = None,
    failed: bool = False,
    error: str | None = None,
) -> Execution:
    """The tool that ran in a span, with its result unwrapped and its error found."""
    value, marked, identity, flaw = _given_back(result)
    error = error or failure(span)
    return Execution(
        name=name,
        call_id=call_id or identity,
        arguments=arguments,
        result=value,
        has_result=result is not None and flaw is None,
        error=error,
        failed=failed or marked or error is not None or span.status == "error",
        flaw=marks.LEFT_OUT if arguments is None and result is None else flaw,
    )


def _given_back(result: JSON) -> tuple[JSON, bool, str | None, str | None]:
    """The result, whether it is marked as an error, the call it names, and why it is not all there."""
    if isinstance(result, str) and (flaw := marks.why_hidden(result)):
        return None, False, None, flaw
    wrapped = tool_message(result)
    if wrapped is not None:
        return wrapped.value, bool(wrapped.failed), wrapped.id, wrapped.flaw
    return in_one_block(result), False, None, None


def in_one_block(result: JSON) -> JSON:
    """The text of the one block that a result of MCP or Bedrock consists of, else the result as it is."""
    blocks = loosely(result) if isinstance(result, str) and result.startswith("[{") else result
    only = blocks[0] if isinstance(blocks, list) and len(blocks) == 1 else None
    is_block = isinstance(only, dict) and (only.get("type") == "text" or set(only) in ({"text"}, {"json"}))
    return result_value(blocks) if is_block else result


def tool_message(result: JSON) -> ToolResult | None:
    """The result inside a serialised message, as LangChain's tools give it back; None where it is none."""
    found = loosely(result) if isinstance(result, str) and "content" in result else result
    if isinstance(found, dict) and isinstance(found.get("output"), dict):
        found = found["output"]
    if not isinstance(found, dict) or not _is_message(found):
        return None
    messages = read_messages(found, "tool")
    results: Iterable[ToolResult] = messages[0].results if len(messages) == 1 else ()
    return next(iter(results), None)


def _is_message(found: dict[str, JSON]) -> bool:
    inner = found.get("data") if isinstance(found.get("data"), dict) else found.get("kwargs", found)
    if not isinstance(inner, dict) or "content" not in inner:
        return False
    return "tool" in (found.get("type"), inner.get("type"), found.get("role")) or "tool_call_id" in inner


def called_with(value: JSON) -> dict[str, JSON] | None:
    """The arguments in what a decorated function or a LangChain tool was called with; None where they are not plain."""
    found = as_object(value)
    if found is None:
        return None
    if isinstance(inner := found.get("inputs"), dict):
        return inner
    if isinstance(named := found.get("kwargs"), dict) and isinstance(found.get("args", []), list):
        positional = found.get("args") or []
        if not positional:
            return named
        return positional[0] if len(positional) == 1 and isinstance(positional[0], dict) and not named else None
    return found


def failure(span: Span) -> str | None:
    """Why a span failed: the exception's message, else what the status says; None when it did not, or nobody says."""
    if span.status != "error":
        return None
    for event in reversed(span.events):
        if event.name == "exception" and (message := text_of(event.attributes.get("exception.message"))):
            return message.partition("Traceback (most recent call last)")[0].strip() or message
    return span.status_message.partition("Traceback (most recent call last)")[0].strip() or None

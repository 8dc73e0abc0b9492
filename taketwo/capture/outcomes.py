"""What came of a call: the result or error as the model read it, what the tool itself raised, and what is unknown."""

from __future__ import annotations

import json
from dataclasses import dataclass

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import as_object
from taketwo.capture.reading import Execution, ToolResult
from taketwo.value import JSON

_FAILURES = (
    *("Error:", "Error executing tool", "Error invoking tool", "An error occurred while running the tool"),
    *("An error occurred while invoking the function",),
)
"""How frameworks begin the text that they give a model in place of a result."""


@dataclass(slots=True)
class Outcome:
    """What came of one call."""

    result: JSON = None
    error: str | None = None
    raised: str | None = None
    flaw: str | None = None
    """Why the result is not, or not wholly, known."""


def outcome(read: ToolResult | None, ran: Execution | None) -> Outcome:
    """What the model read, by its later requests; by the tool's own span where none of them tells."""
    if read is None or (read.flaw is not None and read.value is None):
        return _unread(read, ran)
    found = _judged(read, ran)
    if read.flaw is not None:
        whole = ran.result if ran is not None and isinstance(ran.result, str) else ""
        if isinstance(read.value, str) and len(whole) > len(read.value) and whole.startswith(read.value):
            return _judged(ToolResult(value=whole, failed=read.failed), ran)
        if not isinstance(read.value, str) and ran is not None and ran.has_result:
            return _judged(ToolResult(value=ran.result, failed=read.failed), ran)
        found.flaw = read.flaw
    return found


def _unread(read: ToolResult | None, ran: Execution | None) -> Outcome:
    if ran is not None and ran.has_result:
        return _judged(ToolResult(value=ran.result, failed=ran.failed or None), ran)
    if ran is not None and ran.error is not None:
        return Outcome(error=ran.error)
    if ran is not None and ran.failed:
        return Outcome(flaw="the tool failed and its error was not captured")
    why = (read.flaw if read is not None else None) or (ran.flaw if ran is not None else None)
    return Outcome(flaw=why or "no result was recorded")


def _judged(read: ToolResult, ran: Execution | None) -> Outcome:
    failed = read.failed
    if failed is None:
        failed = (ran is not None and ran.failed) or looks_failed(read.value)
    if not failed:
        return Outcome(result=read.value)
    text = as_text(read.value)
    raised = ran.error if ran is not None else None
    return Outcome(error=text, raised=raised if raised and raised.strip() != text.strip() else None)


def as_text(value: JSON) -> str:
    """A value as the text that a model would read."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def looks_failed(value: JSON) -> bool:
    """Whether a result that nobody marked tells of an error: loops written by hand give `{"error": …}` back."""
    if isinstance(value, str):
        if value.startswith(_FAILURES):
            return True
        if '"error"' not in value and '"isError"' not in value and "'error'" not in value:
            return False
    fields = as_object(value) if isinstance(value, str | dict) else None
    return fields is not None and (bool(fields.get("error")) or fields.get("isError") is True)


def known_arguments(
    arguments: dict[str, JSON] | None, flaw: str | None, ran: Execution | None
) -> tuple[dict[str, JSON], str | None]:
    """The arguments, from the tool's span where the model's message does not have them, and why they are unknown."""
    if arguments is not None:
        return arguments, None
    if flaw in (marks.CUT, marks.HIDDEN, marks.LEFT_OUT) and ran is not None and ran.arguments is not None:
        return ran.arguments, None
    return {}, flaw or "the arguments were not recorded"

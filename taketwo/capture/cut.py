"""Texts that a limit on the length of attributes cut off: SDKs do it without leaving a mark."""

from __future__ import annotations

from collections.abc import Iterable

from taketwo.capture.dialects import marks
from taketwo.capture.reading import Execution, Message, Reading, ToolCall, ToolResult
from taketwo.span import Span

SHORTEST = 32
"""Limits below are not looked for: short texts are equally long by chance."""

LEAST = 3
"""How many different texts of the greatest length it takes to tell that a limit made them."""


class Longest:
    """The longest texts among the attributes of spans, which tell whether the sender's SDK cut texts off.

    Where several different texts are exactly as long as the longest of all, a limit did it: chance does not.
    """

    def __init__(self) -> None:
        self._length = 0
        self._texts: frozenset[int] = frozenset()
        """Hashes of them: the longest text of a talk may repeat all of it."""

    def add(self, spans: Iterable[Span]) -> None:
        """Look at further spans."""
        for span in spans:
            for text in span.attributes.values():
                if isinstance(text, str) and len(text) >= self._length:
                    self._add(text)

    def copy(self) -> Longest:
        """The same, to look at further spans with."""
        other = Longest()
        other._length, other._texts = self._length, self._texts
        return other

    def _add(self, text: str) -> None:
        if len(text) > self._length:
            self._length = len(text)
            self._texts = frozenset()
        if len(self._texts) < LEAST:
            self._texts |= {hash(text)}

    @property
    def limit(self) -> int | None:
        """The length at which texts were cut off, None when none was."""
        return self._length if self._length >= SHORTEST and len(self._texts) >= LEAST else None


def with_cuts_marked(reading: Reading, limit: int) -> Reading:
    """The reading with a flaw on everything that is as long as the limit."""
    request = _messages(reading.request, limit)
    response = _messages(reading.response, limit)
    ran = _execution(reading.execution, limit) if reading.execution is not None else None
    return reading.but(request=request, response=response, execution=ran)


def _messages(messages: tuple[Message, ...] | None, limit: int) -> tuple[Message, ...] | None:
    return tuple(_message(message, limit) for message in messages) if messages is not None else None


def _message(message: Message, limit: int) -> Message:
    return message.but(
        flaw=message.flaw or _flaw(message.text, limit),
        calls=tuple(_call(call, limit) for call in message.calls),
        results=tuple(_result(result, limit) for result in message.results),
    )


def _call(call: ToolCall, limit: int) -> ToolCall:
    return call.but(flaw=marks.CUT) if call.text is not None and _flaw(call.text, limit) else call


def _result(result: ToolResult, limit: int) -> ToolResult:
    return result.but(flaw=result.flaw or _flaw(result.value, limit))


def _execution(ran: Execution, limit: int) -> Execution:
    flaw = _flaw(ran.result, limit)
    return ran.but(flaw=flaw) if flaw and ran.flaw is None else ran


def _flaw(value: object, limit: int) -> str | None:
    return marks.CUT if isinstance(value, str) and len(value) == limit else None

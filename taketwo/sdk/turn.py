"""One call of an agent, in an `invoke_agent` span that lasts until its reply is complete."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Coroutine, Generator
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel
from opentelemetry import trace

from taketwo.sdk.attributes import harmless, warn_once, write_failure, write_given, write_reply
from taketwo.sdk.messages import joined, read_appended, read_reply


class Turn:
    """One call of an agent. Enter it around the agent's code, once or, while a reply comes in pieces, piece by piece.

    It belongs to the session in which it was made, wherever it is entered: servers read a reply that comes in pieces
    when the function that asked for it has long returned.
    """

    def __init__(self, tracer: trace.Tracer, name: str, given: object, *, content: bool) -> None:
        """given: what the agent is called with. content: whether that and the reply go along."""
        self._tracer = tracer
        self._name = name
        self._given = given
        self._content = content
        self._context = otel.get_current()
        self._span: trace.Span = trace.INVALID_SPAN
        self._before: list[object] = []
        self._pieces: list[object] = []
        self._is_over = False

    def __enter__(self) -> Self:
        """The agent's code begins, or runs on in the context that it left when it paused."""
        if self._span is trace.INVALID_SPAN:
            self._begin()
        self._token = otel.attach(self._context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """The agent's code has returned, pauses, or has raised."""
        self._context = otel.get_current()
        otel.detach(self._token)
        if error is not None and not self._is_over:
            write_failure(self._span, error, content=self._content)
            self._end(self._heard(), "error")

    def given_back(self, reply: Any) -> Any:
        """The reply for the caller; the turn ends with it, or when it is there."""
        if inspect.isgenerator(reply):
            return self.heard(reply)
        if inspect.isasyncgen(reply):
            return self.heard_later(reply)
        if inspect.iscoroutine(reply):
            return self._awaited(reply)
        self._end(reply)
        return reply

    def heard(self, pieces: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The pieces of a reply as they come; the context is the agent's only while its own code runs."""
        try:
            while True:
                with self:
                    try:
                        piece = next(pieces)
                    except StopIteration as ended:
                        self._end(self._heard())
                        return ended.value
                self._pieces.append(piece)
                yield piece
        finally:
            with self:
                pieces.close()
            self._end(self._heard(), "cancelled")

    async def heard_later(self, pieces: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, None]:
        """The same for pieces that are awaited."""
        try:
            while True:
                with self:
                    try:
                        piece = await anext(pieces)
                    except StopAsyncIteration:
                        self._end(self._heard())
                        return
                self._pieces.append(piece)
                yield piece
        finally:
            with self:
                await pieces.aclose()
            self._end(self._heard(), "cancelled")

    async def _awaited(self, reply: Coroutine[Any, Any, Any]) -> Any:
        with self:
            return self.given_back(await reply)

    def _begin(self) -> None:
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": self._name}
        self._span = self._tracer.start_span(f"invoke_agent {self._name}", self._context, attributes=attributes)
        self._context = trace.set_span_in_context(self._span, self._context)
        self._content &= self._span.is_recording()
        if isinstance(self._given, list):
            self._before = list(self._given)
        if self._content:
            with harmless(f"what {self._name} was given"):
                write_given(self._span, self._given)

    def _end(self, reply: object, finish: str = "stop") -> None:
        """Take the reply down, unless the turn is over already."""
        if self._is_over:
            return
        self._is_over = True
        if self._content:
            with harmless(f"what {self._name} gave back"):
                self._write_reply(reply, finish)
        self._span.end()

    def _write_reply(self, reply: object, finish: str) -> None:
        said = read_reply(reply)
        if said is None:
            warn_once(f"{self._name} gave back {type(reply).__name__}, which is no reply that can be recorded")
        write_reply(self._span, joined(read_appended(self._appended()), said or ()), finish)

    def _heard(self) -> object:
        """The reply as far as it came; where its pieces are no text, the first that is none.

        Nothing is a piece, too: the last one of a model's stream often is.
        """
        other = next((piece for piece in self._pieces if not isinstance(piece, str | None)), None)
        return "".join(piece for piece in self._pieces if isinstance(piece, str)) if other is None else other

    def _appended(self) -> list[object]:
        """What was added to the end of the list that the agent was given: the usual loop keeps its calls there."""
        now = self._given if isinstance(self._given, list) else []
        kept = len(self._before)
        return now[kept:] if all(a is b for a, b in zip(now[:kept], self._before, strict=False)) else []

"""Takes down what agents and tools do, as spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from importlib.metadata import version
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context

from taketwo.capture.dialects.own import SCOPE
from taketwo.sdk.attributes import harmless, warn_once, write_arguments, write_failure, write_result
from taketwo.sdk.turn import Turn
from taketwo.value import JSON, clean_text

SESSION = otel.create_key("taketwo-session")
"""Where OpenTelemetry's context carries the attributes that name session and user."""


class Called:
    """How a tool's call ended."""

    result: Any = None


class Recorder:
    """Takes down what agents and tools do. Whatever goes wrong with that is logged and kept from them."""

    def __init__(self, provider: trace.TracerProvider, *, content: bool) -> None:
        """content: whether what is said and done goes along, not only that it was."""
        self._tracer = provider.get_tracer(SCOPE, version("taketwo"))
        self._content = content

    def turn(self, name: str, given: object) -> Turn:
        """A call of the agent of that name with what it is given."""
        return Turn(self._tracer, name, given, content=self._content)

    @contextmanager
    def call(self, name: str, arguments: Callable[[], dict[str, JSON]]) -> Iterator[Called]:
        """Around the real call of a tool."""
        called = Called()
        if not trace.get_current_span().get_span_context().is_valid:
            warn_once(
                f"the tool {name} was called outside of any turn, so no conversation has the call; begin threads with "
                "asyncio.to_thread or contextvars.copy_context().run"
            )
            yield called
            return
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": "function"}
        with self._tracer.start_as_current_span(
            f"execute_tool {name}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            with_content = self._content and span.is_recording()
            if with_content:
                with harmless(f"the arguments of {name}"):
                    write_arguments(span, arguments)
            try:
                yield called
            except BaseException as error:
                write_failure(span, error, content=self._content)
                raise
            if with_content:
                with harmless(f"the result of {name}"):
                    write_result(span, called.result)

    def session(self, id: str, user: str | None) -> Token[Context]:
        """Everything from here on belongs to that session; gives the token to detach when it is over."""
        named = {"gen_ai.conversation.id": clean_text(str(id))}
        if user is not None:
            named["user.id"] = clean_text(str(user))
        return otel.attach(otel.set_value(SESSION, named))

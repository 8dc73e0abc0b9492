"""What our spans say, in the words of OpenTelemetry's GenAI conventions."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, Status, StatusCode

from taketwo.capture.dialects.own import INPUT_KIND
from taketwo.capture.reading import Message
from taketwo.replay.agents.tool_loop import as_text
from taketwo.sdk.messages import as_attribute, instructions, limited, read_given
from taketwo.value import JSON, clean_json, clean_text

log = logging.getLogger("taketwo")

_warned: set[str] = set()


def warn_once(warning: str) -> None:
    """Say something that concerns more than this one turn, and would be said at each otherwise."""
    if warning not in _warned:
        _warned.add(warning)
        log.warning("taketwo: %s", warning)


@contextmanager
def harmless(doing: str) -> Iterator[None]:
    """Around work on foreign objects that the agent must not suffer from."""
    try:
        yield
    except Exception:  # foreign code: whatever a user's object does when it is looked at
        log.warning("taketwo could not record %s", doing, exc_info=True)


def write_given(span: Span, given: object) -> None:
    """What an agent was called with."""
    read = read_given(given)
    if read.messages is not None:
        span.set_attribute("gen_ai.input.messages", as_attribute(read.messages))
    if read.system is not None:
        span.set_attribute("gen_ai.system_instructions", instructions(read.system))
    if read.is_line:
        span.set_attribute(INPUT_KIND, "line")


def write_reply(span: Span, messages: tuple[Message, ...], finish: str) -> None:
    """What an agent gave back, and why it ended."""
    if messages:
        span.set_attribute("gen_ai.output.messages", as_attribute(messages, finish))


def write_arguments(span: Span, arguments: Callable[[], dict[str, JSON]]) -> None:
    """What a tool was called with."""
    span.set_attribute("gen_ai.tool.call.arguments", limited(as_text(arguments())))


def write_result(span: Span, result: object) -> None:
    """What a tool gave back, as the text that a model would read."""
    # Of what is still to be awaited nobody knows yet what it will be.
    if not inspect.isawaitable(result):
        span.set_attribute("gen_ai.tool.call.result", limited(as_text(clean_json(result))))


def write_failure(span: Span, error: BaseException, *, content: bool) -> None:
    """What was raised; without content only its kind, as messages quote what was said."""
    kind = type(error).__qualname__
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
    if not content:
        return
    with harmless(f"a {kind}"):
        said = limited(clean_text(str(error)) or kind)
        where = clean_text("".join(traceback.format_exception(error)))
        span.set_status(Status(StatusCode.ERROR, said))
        span.add_event(
            "exception",
            {"exception.type": kind, "exception.message": said, "exception.stacktrace": limited(where)},
        )

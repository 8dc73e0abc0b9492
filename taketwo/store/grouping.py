"""Which spans make a conversation together, and the conversation that they tell.

What reads spans is imported when there are some: most commands open a store and read none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from taketwo.conversation import Conversation
from taketwo.span import LogRecord, RawLog, RawSpan, Span
from taketwo.value import Value

if TYPE_CHECKING:
    from taketwo.capture.grown import Grown
    from taketwo.capture.sessions import Session


class Material(Value):
    """What a conversation is read out of: spans and log records as they came."""

    spans: list[RawSpan] = []
    """The spans by start."""
    logs: list[RawLog] = []
    """The log records by time."""


class Group(Value):
    """Spans and log records that make one conversation."""

    name: str
    """The conversation's id: the session's, else the first trace's."""
    is_session: bool
    """Whether the sender named it."""
    spans: list[Span] = []
    """The spans by start."""
    logs: list[LogRecord] = []
    """The log records by time."""

    @property
    def trace_ids(self) -> frozenset[str]:
        """The traces that it has a part of."""
        return frozenset(one.trace_id for some in (self.spans, self.logs) for one in some)


def decoded(material: Material) -> tuple[list[Span], list[LogRecord]]:
    """The material with its attributes."""
    from taketwo.capture.otlp import decode_log, decode_span

    return list(map(decode_span, material.spans)), list(map(decode_log, material.logs))


def groups(material: Material) -> list[Group]:
    """The conversations in the material; spans of simulators and log records without spans make none."""
    from taketwo.capture.sessions import sessions

    found: dict[str, Group] = {}
    for session in sessions(*decoded(material)):
        if session.id is None and not session.spans:
            continue
        name = session.id or session.spans[0].trace_id
        there = found.get(name, Group(name=name, is_session=session.id is not None))
        found[name] = _with(there, session)
    return list(found.values())


def read(group: Group, project: str, found: Grown | None = None) -> Conversation:
    """The conversation that a group tells; `found` is what was found in its spans where they were read before."""
    from taketwo.capture.grown import grown
    from taketwo.capture.reconstruct import tell

    session_id = group.name if group.is_session else None
    found = found or grown(group.spans, group.logs)
    return tell(found, project=project, session_id=session_id).but(id=group.name, session_id=session_id)


def part_of(group: Group, material: Material) -> Material:
    """The group's own part of the material."""
    spans = {(span.trace_id, span.span_id) for span in group.spans}
    logs = {(log.trace_id, log.span_id, log.at_ns) for log in group.logs}
    return Material(
        spans=[span for span in material.spans if (span.trace_id, span.span_id) in spans],
        logs=[log for log in material.logs if (log.trace_id, log.span_id, log.at_ns) in logs],
    )


def together(materials: Iterable[Material]) -> Material:
    """Materials of several traces as one."""
    every: Sequence[Material] = list(materials)
    return Material(
        spans=sorted((span for one in every for span in one.spans), key=lambda span: span.start_ns),
        logs=sorted((log for one in every for log in one.logs), key=lambda log: log.at_ns),
    )


def _with(group: Group, session: Session) -> Group:
    """The same id in two environments of a project is one conversation: ids are unique in a project."""
    spans = sorted([*group.spans, *session.spans], key=lambda span: span.start_ns)
    return group.but(spans=spans, logs=sorted([*group.logs, *session.logs], key=lambda log: log.at_ns))

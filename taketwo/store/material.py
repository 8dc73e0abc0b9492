"""What a conversation is read out of: its spans and log records as they came."""

from __future__ import annotations

from taketwo.conversation import Conversation
from taketwo.span import RawLog, RawSpan
from taketwo.value import Value


class Material(Value):
    """Spans and log records that belong together."""

    spans: list[RawSpan] = []
    """The spans by start."""
    logs: list[RawLog] = []
    """The log records by time."""


def read(material: Material, *, project: str, session_id: str | None) -> Conversation:
    """The conversation that the material tells; of a trace that several sessions share, only this session's part."""
    from taketwo.capture.otlp import decode_log, decode_span
    from taketwo.capture.reconstruct import reconstruct

    return reconstruct(
        [decode_span(span) for span in material.spans],
        [decode_log(log) for log in material.logs],
        project=project,
        session_id=session_id,
    )

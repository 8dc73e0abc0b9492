"""Which project spans and log records go to: what the sender named beside them, else what their resource says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from taketwo.capture.identity import project_named
from taketwo.span import RawLog, RawSpan

DEFAULT_PROJECT: Final = "default"
"""Where nobody names one."""

Record = TypeVar("Record", RawSpan, RawLog)


def by_project(records: Sequence[Record], named: str | None) -> dict[str, Sequence[Record]]:
    """The records of each project; all of them are of the one that is named beside them, if one is."""
    if named:
        return {named: records}
    projects: dict[str, list[Record]] = {}
    for record in records:
        projects.setdefault(_project(record.envelope, isinstance(record, RawSpan)), []).append(record)
    return dict(projects)


def project_of(resource: Resource) -> str:
    """The project that a resource names."""
    return project_named({one.key: one.value.string_value for one in resource.attributes}) or DEFAULT_PROJECT


@lru_cache(maxsize=256)
def _project(envelope: bytes, of_spans: bool) -> str:
    around = ResourceSpans.FromString(envelope) if of_spans else ResourceLogs.FromString(envelope)
    return project_of(around.resource)

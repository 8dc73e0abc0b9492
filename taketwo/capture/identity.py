"""Who and which session a span belongs to, under every name that senders use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taketwo.capture.dialects import marks
from taketwo.capture.dialects.loose_json import as_object, encoded
from taketwo.capture.session_keys import IN_JSON, SESSION_KEYS
from taketwo.span import Span
from taketwo.value import JSON

USER_KEYS: tuple[str, ...] = (
    "user.id",
    "langfuse.user.id",
    "enduser.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
    "ai.telemetry.metadata.user_id",
    "ai.settings.context.userId",
    "mastra.metadata.userId",
    "mastra.metadata.user_id",
    "langsmith.metadata.user_id",
    "metadata",
    "mlflow.trace.user",
    "mlflow.traceTag.mlflow.trace.user",
    "user_id",
    "metadata.user_id",
    "lk.pii.participant_identity",
    "lk.participant_identity",
)
"""Attributes that name the user, the surest first."""

PROJECT_KEYS = ("taketwo.project", "openinference.project.name", "project_name", "langsmith.project")
"""Attributes of a resource that name the project."""

SIMULATOR_KEYS = tuple(
    f"{prefix}.simulator.{name}"
    for prefix in ("fi", "gen_ai")
    for name in ("is_simulator_trace", "run_test_id", "test_execution_id", "call_execution_id")
)
"""Marks of spans that a test made: they are no production."""

ROW_MARK = b"simulator.call_execution_id"
"""Stands in every span that belongs to a row of a test; spans are decoded to find out only where it does."""

REPLAY_STATE = "taketwo"
"""Our key in the `tracestate` of spans that an agent makes in a replay; its value is the run's id."""
REPLAY_KEYS = ("taketwo.run.id", "baggage.taketwo.run.id")
"""Attributes with the id of the run, where an agent copies its baggage to its spans."""

_SESSION_SET, _USER_SET = frozenset(SESSION_KEYS), frozenset(USER_KEYS)
_IN_METADATA = {
    "session": ("session_id", "thread_id", "conversation_id", "sessionId", "threadId", "conversationId"),
    "user": ("user_id", "userId"),
}


def session_named(attributes: Mapping[str, JSON], extra_keys: Iterable[str] = ()) -> tuple[int, str] | None:
    """The session that attributes name and how sure the key is, 0 for the surest; None when they name none."""
    for rank, key in enumerate(extra_keys):
        if (found := _identity(attributes.get(key))) is not None:
            return rank - len(SESSION_KEYS), found
    if _SESSION_SET.isdisjoint(attributes):
        return None
    return _first(attributes, SESSION_KEYS, "session")


def user_named(attributes: Mapping[str, JSON]) -> str | None:
    """The user that attributes name; None when they name none."""
    if _USER_SET.isdisjoint(attributes):
        return None
    found = _first(attributes, USER_KEYS, "user")
    return found[1] if found else None


def project_named(resource: Mapping[str, JSON]) -> str | None:
    """The project that a resource names; None when it names none."""
    return next((name for key in PROJECT_KEYS if isinstance(name := resource.get(key), str) and name), None)


def is_simulated(span: Span) -> bool:
    """Whether a simulator made the span, or an agent in a replay."""
    return replayed_in(span) is not None or any(
        str(span.attributes.get(key) or "false").lower() != "false" for key in SIMULATOR_KEYS
    )


def replayed_in(span: Span) -> str | None:
    """The run in which an agent made the span; None in production."""
    for member in span.trace_state.split(",") if span.trace_state else ():
        key, _, value = member.strip().partition("=")
        if key == REPLAY_STATE and value:
            return value
    return next((run for key in REPLAY_KEYS if isinstance(run := span.attributes.get(key), str) and run), None)


def _first(attributes: Mapping[str, JSON], keys: tuple[str, ...], what: str) -> tuple[int, str] | None:
    for rank, key in enumerate(keys):
        if key in attributes and (found := _found(attributes[key], what, key)) is not None:
            return rank, found
    return None


def _found(value: JSON, what: str, key: str) -> str | None:
    """The id under a key, or inside of what stands there."""
    if key not in IN_JSON:
        return _identity(value)
    if key == "metadata":
        fields = as_object(value) or {}
        return next((found for name in _IN_METADATA[what] if (found := _identity(fields.get(name)))), None)
    if not isinstance(value, str) or '"conversation"' not in value:  # on every model call, and long
        return None
    kept = (as_object(value) or {}).get("conversation")
    return _identity(kept.get("id") if isinstance(kept, dict) else kept)


def _identity(value: JSON) -> str | None:
    """An id as text; MLflow sends it JSON-encoded."""
    value = encoded(value) if isinstance(value, str) and value.startswith('"') else value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() and not marks.is_mark(value) else None

"""What spans say about a whole session, gathered once for each: a talk that goes on is told again with every turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taketwo.capture.dialects.loose_json import loosely
from taketwo.capture.identity import session_named, user_named
from taketwo.capture.recording_marks import Named
from taketwo.capture.trace_tree import Seen
from taketwo.conversation import Gap
from taketwo.span import Span, SpanEvent
from taketwo.value import JSON

_OWN = (
    "metadata",
    "tag.tags",
    "langfuse.tags",
    "langfuse.trace.metadata.",
    "langfuse.trace.name",
    "langfuse.trace.tags",
    "traceloop.association.properties.",
    "ai.telemetry.metadata.",
    "mlflow.traceTag.",
)
"""What applications put on spans themselves."""
_NOT_OWN = ("session_id", "user_id", "thread_id", "sessionId", "userId", "threadId", "_integration", "_agent_name")
_KEPT = ("service.name", "service.version", "deployment.environment.name", "deployment.environment", "langfuse.release")


class About:
    """What all spans that were looked at say about the session, the earliest first."""

    def __init__(self) -> None:
        self.trace_id: str | None = None
        """The first trace; None as long as there is no span."""
        self.has_voice = False
        """Whether any span tells of a call by voice."""
        self.heard = Named()
        """What they say of the recording of a call."""
        self.ended_reason: str | None = None
        """Why it ended; None when no span says so."""
        self.scores: dict[str, JSON] = {}
        """Evaluations that were sent along as events."""
        self.metadata: dict[str, JSON] = {}
        """What the sender says about the whole, under its own names."""
        self.unread: list[Gap] = []
        """What could not be read of single spans."""
        self._sessions: dict[str, tuple[int, str]] = {}
        self._users: dict[str, str] = {}

    @property
    def session_id(self) -> str | None:
        """The session that the spans name under the surest key, else their resources, else their events."""
        found = (self._sessions.get(place) for place in ("spans", "resources", "events"))
        return next((named[1] for named in found if named is not None), None)

    @property
    def user_id(self) -> str | None:
        """The user that the spans name, else their events and log records."""
        return self._users.get("spans") or self._users.get("events")

    def copy(self) -> About:
        """The same, to look at further spans with."""
        other = About()
        other.trace_id, other.has_voice, other.ended_reason = self.trace_id, self.has_voice, self.ended_reason
        other.heard = self.heard
        other.scores, other.metadata, other.unread = dict(self.scores), dict(self.metadata), list(self.unread)
        other._sessions, other._users = dict(self._sessions), dict(self._users)
        return other

    def add(self, found: Iterable[Seen]) -> None:
        """Look at further spans, which began later."""
        for seen in found:
            self.trace_id = self.trace_id or seen.span.trace_id
            self.has_voice |= bool(seen.reading.voice)
            if seen.reading.unread is not None:
                self.unread.append(Gap(where="turns", why=f"span {seen.span.span_id}: {seen.reading.unread}"))
            self.heard = self.heard.by(seen.span)
            self._name(seen.span)
            self._keep(seen)
            for event in seen.span.events:
                self._score(event)

    def _name(self, span: Span) -> None:
        events = [event.attributes for event in span.events]
        for place, some in (("spans", [span.attributes]), ("resources", [span.resource]), ("events", events)):
            for attributes in some:
                self._name_by(place, attributes)

    def _name_by(self, place: str, attributes: Mapping[str, JSON]) -> None:
        named, known = session_named(attributes), self._sessions.get(place)
        if named is not None and (known is None or named[0] < known[0]):
            self._sessions[place] = named
        if place not in self._users and (user := user_named(attributes)):
            self._users[place] = user

    def _keep(self, seen: Seen) -> None:
        for key in _KEPT:
            if seen.span.resource.get(key) is not None:
                self.metadata.setdefault(key, seen.span.resource[key])
        for key, value in seen.reading.metadata.items():
            if key != "ended_reason":
                self.metadata.setdefault(key, value)
            elif self.ended_reason is None and isinstance(value, str):
                self.ended_reason = value
        if seen.parent is None:
            self._keep_own(seen.span)

    def _keep_own(self, span: Span) -> None:
        """What the application itself put on the topmost spans, such as tags, a plan or an experiment."""
        for key, value in span.attributes.items():
            if key.startswith(_OWN) and not key.endswith(_NOT_OWN) and key not in self.metadata and value is not None:
                self.metadata[key] = loosely(value)

    def _score(self, event: SpanEvent) -> None:
        name = event.attributes.get("gen_ai.evaluation.name")
        if event.name == "gen_ai.evaluation.result" and isinstance(name, str):
            value = event.attributes.get("gen_ai.evaluation.score.value")
            label = event.attributes.get("gen_ai.evaluation.score.label")
            self.scores[name] = label if value is None else value

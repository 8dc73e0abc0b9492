"""The store in memory: gone with the process, and plain enough to hold the other one against.

It reads everything of a project anew whenever something of it has changed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import RLock

from taketwo.conversation import Conversation
from taketwo.errors import NotFound, NotUnique, TraceUnreadable
from taketwo.span import RawLog, RawSpan
from taketwo.store import Merge
from taketwo.store.addresses import blobs_of
from taketwo.store.chunks import log_key, more_complete, weight
from taketwo.store.documents_memory import MemoryDocuments
from taketwo.store.feedback import Feedback, meant, names_of, with_scores
from taketwo.store.finding import SHORTEST_PREFIX, Found, only_one, only_run
from taketwo.store.grouping import Group, Material, groups, part_of, read, together
from taketwo.store.listing import cursor, moment, moment_ns, place
from taketwo.store.owners import OwnedBlobs
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.store.redacting import KEY_BYTES, Redacting
from taketwo.store.search_memory import MemorySearch
from taketwo.store.summary import ConversationSummary, SuiteSummary, TraceSummary, summarise
from taketwo.verdict import CaseResult


@dataclass(slots=True)
class _Project:
    """Everything of one project, and what was read out of it."""

    spans: dict[tuple[str, str], RawSpan] = field(default_factory=dict)
    logs: dict[tuple[str, int], RawLog] = field(default_factory=dict)
    imports: dict[str, Conversation] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    readings: dict[str, Conversation] = field(default_factory=dict)
    changed: bool = False
    feedback: dict[tuple[str, int | None, str, str], Feedback] = field(default_factory=dict)
    settings: ProjectSettings = field(default_factory=ProjectSettings)


class MemoryStore:
    """Keeps everything in dictionaries."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = RLock()
        self._projects: dict[str, _Project] = {}
        self._order: dict[tuple[str, str], int] = {}
        self._suites: dict[str, list[tuple[datetime, CaseResult]]] = {}
        self.documents = MemoryDocuments()
        key = os.urandom(KEY_BYTES)
        self._redacting = Redacting(self.project, lambda: key)
        self.search = MemorySearch(self._listing, lambda project: list(self.traces(project)))

    @property
    def url(self) -> str:
        """What `open_store` opens one like it with."""
        return "memory:"

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """See `Store`."""
        with self._lock:
            safe = self._redacting.spans(project, spans)
            kept = {id for span in safe if (id := self._keep_span(project, span)) is not None}
            return len(kept)

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """See `Store`."""
        with self._lock:
            safe = self._redacting.logs(project, logs)
            new = {(log.trace_id, log_key(log)): log for log in safe if log.trace_id}
            there = self._project(project)
            kept = {key: log for key, log in new.items() if key not in there.logs}
            there.logs.update(kept)
            there.changed = there.changed or bool(kept)
            return len(kept)

    def put_conversation(self, conversation: Conversation, merge: Merge | None = None) -> bool:
        """See `Store`."""
        conversation = self._redacting.conversation(conversation)
        with self._lock:
            there = self._read(conversation.project)
            if conversation.id in there.groups:
                raise TraceUnreadable(
                    f"conversation {conversation.id!r} was captured from spans already",
                    where=f"project {conversation.project}",
                    todo="import it into another project",
                )
            known = there.imports.get(conversation.id)
            merged = conversation if merge is None else merge(known, conversation)
            if merged is None or merged == known:
                return False
            there.imports[conversation.id] = merged
            self._number(conversation.project, conversation.id)
            return True

    def conversation(self, id: str, project: str | None = None) -> Conversation:
        """See `Store`."""
        with self._lock:
            where, name = self._find(id, project)
            return self._all(where)[name]

    def captured(self, ids: Collection[str], project: str) -> frozenset[str]:
        """See `Store`."""
        with self._lock:
            return frozenset(self._all(project)).intersection(ids) if project in self._projects else frozenset()

    def conversations(self, project: str | None = None, *, limit: int | None = None) -> Iterator[Conversation]:
        """See `Store`."""
        with self._lock:
            newest = [conversation for _, _, conversation in self._listing(project) if conversation.turns]
        return islice(newest, limit)

    def summaries(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[ConversationSummary]:
        """See `Store`."""
        with self._lock:
            rows = [
                summarise(conversation).but(cursor=cursor(first_ns, number))
                for first_ns, number, conversation in self._listing(project)
                if conversation.turns and (first_ns, number) < place(after)
            ]
        return islice(rows, limit)

    def traces(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """See `Store`."""
        with self._lock:
            rows = [row for name in self._names(project) for row in self._traces(name)]
        rows.sort(key=lambda row: place(row.cursor), reverse=True)
        return islice((row for row in rows if place(row.cursor) < place(after)), limit)

    def add_feedback(self, id: str, given: Feedback, project: str | None = None) -> Feedback:
        """See `Store`."""
        with self._lock:
            where, name = self._find(id, project)
            given = meant(given, id, self._all(where)[name])
            self._projects[where].feedback[name, given.turn, given.name, given.given_by] = given
            return given

    def feedback(self, id: str, project: str | None = None) -> list[Feedback]:
        """See `Store`."""
        with self._lock:
            where, name = self._find(id, project)
            return [one for _, one in _given(self._projects[where], self._all(where)[name])]

    def raw_spans(self, conversation_id: str, project: str | None = None) -> list[RawSpan]:
        """See `Store`."""
        return self._part(conversation_id, project).spans

    def raw_logs(self, conversation_id: str, project: str | None = None) -> list[RawLog]:
        """See `Store`."""
        return self._part(conversation_id, project).logs

    def projects(self) -> list[str]:
        """See `Store`."""
        return self._names(None)

    def settle(self, limit: int | None = None) -> int:
        """See `Store`."""
        with self._lock:
            changed = [name for name, project in self._projects.items() if project.changed]
            return sum(len(self._read(name).groups) for name in changed)

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """See `Store`."""
        with self._lock:
            self._suites.setdefault(suite_id, []).append((datetime.now(UTC), result))

    def flush(self) -> None:
        """Nothing waits."""

    def results(self, suite_id: str) -> list[CaseResult]:
        """See `Store`."""
        if suite_id not in self._suites:
            raise NotFound(f"there is no suite {suite_id!r}", where="the store")
        return [result for _, result in self._suites[suite_id]]

    def result(self, run_id: str) -> CaseResult:
        """See `Store`."""
        results = [result for suite in self._suites.values() for _, result in suite]
        runs = [(one.run.id, number) for number, result in enumerate(results) for one in result.attempts]
        return results[only_run(run_id, [run for run in runs if run[0].startswith(run_id)])]

    def suites(self) -> list[SuiteSummary]:
        """See `Store`."""
        return sorted(map(self._suite, self._suites), key=lambda suite: suite.started_at, reverse=True)

    def project(self, name: str) -> ProjectSettings:
        """See `Store`."""
        with self._lock:
            return self._projects[name].settings if name in self._projects else ProjectSettings()

    def set_project(self, name: str, settings: ProjectSettings) -> None:
        """See `Store`."""
        with self._lock:
            self._project(name).settings = settings
            self._redacting.forget(name)

    def stored_bytes(self, project: str) -> int:
        """See `Store`."""
        with self._lock:
            there = self._projects.get(project)
            if there is None:
                return 0
            spans = sum(len(span.body) for span in there.spans.values())
            return spans + sum(len(log.body) for log in there.logs.values())

    def recordings(self, project: str | None) -> OwnedBlobs:
        """See `Store`."""
        return OwnedBlobs(blobs_of(self.url), self.documents, project)

    def delete_session(self, id: str, project: str | None = None) -> Deleted:
        """See `Store`."""
        with self._lock:
            try:
                where, name = self._find_in_any_spelling(id, project)
            except NotFound:
                if (deleted := self._delete_made_of(set(self._redacting.spellings(id)), project)) == Deleted():
                    raise
                return deleted
            return self._delete_all({name}, where)

    def delete_user(self, user_id: str, project: str) -> Deleted:
        """See `Store`."""
        with self._lock:
            spelled = self._redacting.spellings(user_id)
            there = self._all(project) if project in self._projects else {}
            names = {name for name, conversation in there.items() if conversation.user_id in spelled}
            expired = self.documents.sources_of(spelled, project)
            if not names and not expired:
                raise NotFound(f"there is no conversation of user {user_id!r} in project {project}", where="the store")
            return self._delete_all(names, project, expired)

    def expire(self, now: datetime) -> Deleted:
        """See `Store`."""
        deleted = Deleted()
        with self._lock:
            for project, there in list(self._projects.items()):
                if there.settings.keep_for_days is None:
                    continue
                before_ns = moment_ns(now - timedelta(days=there.settings.keep_for_days))
                self._expire_lone_spans(project, before_ns)
                for name in [name for name in self._all(project) if self._is_over(project, name, before_ns)]:
                    deleted += self._delete(project, name)
                of_spans = {trace_id for trace_id, _ in there.spans}
                lone = {key: log for key, log in there.logs.items() if key[0] not in of_spans}
                for key in [key for key, log in lone.items() if log.at_ns <= before_ns]:
                    del there.logs[key]
        return deleted

    def hurry(self, within_s: float) -> None:
        """Nothing waits to be read."""

    def compact(self) -> None:
        """Nothing lies around."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _project(self, name: str) -> _Project:
        return self._projects.setdefault(name, _Project())

    def _names(self, project: str | None) -> list[str]:
        return sorted(name for name in self._projects if project in (None, name))

    def _number(self, project: str, name: str) -> int:
        """In which order things came, for a listing of those of the same moment."""
        return self._order.setdefault((project, name), len(self._order))

    def _keep_span(self, project: str, span: RawSpan) -> tuple[str, str] | None:
        there = self._project(project)
        key = (span.trace_id, span.span_id)
        if key in there.spans and not more_complete(weight(span), weight(there.spans[key])):
            return None
        there.spans[key] = span
        there.changed = True
        self._number(project, span.session_id or span.trace_id)
        self._number(project, f"trace {span.trace_id}")
        return key

    def _read(self, name: str) -> _Project:
        """The project with everything in it read."""
        there = self._project(name)
        if there.changed:
            material = Material(
                spans=sorted(there.spans.values(), key=lambda span: span.start_ns),
                logs=sorted(there.logs.values(), key=lambda log: log.at_ns),
            )
            there.groups = {group.name: group for group in groups(material)}
            there.readings = {id: self._redacting.finished(read(group, name)) for id, group in there.groups.items()}
            there.imports = {id: one for id, one in there.imports.items() if id not in there.groups}
            there.changed = False
        return there

    def _all(self, name: str) -> dict[str, Conversation]:
        there = self._read(name)
        return {id: with_scores(one, _given(there, one)) for id, one in {**there.imports, **there.readings}.items()}

    def _listing(self, project: str | None) -> list[tuple[int, int, Conversation]]:
        """Time, order and conversation, the newest first."""
        rows = [
            (self._first_ns(where, name), self._number(where, name), conversation)
            for where in self._names(project)
            for name, conversation in self._all(where).items()
        ]
        return sorted(rows, key=lambda row: row[:2], reverse=True)

    def _first_ns(self, project: str, name: str) -> int:
        there = self._read(project)
        if name in there.imports:
            return moment_ns(there.imports[name].started_at)
        return min((span.start_ns for span in there.groups[name].spans if span.start_ns), default=0)

    def _find(self, id: str, project: str | None) -> tuple[str, str]:
        every = [(where, name) for where in self._names(project) for name in self._all(where)]
        found = [one for one in every if one[1] == id]
        if not found and len(id) >= SHORTEST_PREFIX:
            found = [one for one in every if one[1].startswith(id) or self._has_trace(*one, id.lower())]
        numbered = [Found(key=key, project=where, name=name) for key, (where, name) in enumerate(found)]
        return found[only_one(id, numbered, project=project, names=[name for _, name in every]).key]

    def _find_in_any_spelling(self, id: str, project: str | None) -> tuple[str, str]:
        first, *others = self._redacting.spellings(id)
        try:
            return self._find(first, project)
        except NotFound:
            for other in others:
                with suppress(NotFound):
                    return self._find(other, project)
            raise

    def _is_over(self, project: str, name: str, before_ns: int) -> bool:
        there = self._read(project)
        if name in there.imports:
            ended_ns = moment_ns(there.imports[name].ended_at)
        else:
            ended_ns = max(max(span.start_ns, span.end_ns) for span in there.groups[name].spans)
        return 0 < self._first_ns(project, name) <= before_ns and ended_ns <= before_ns

    def _expire_lone_spans(self, project: str, before_ns: int) -> None:
        """Delete traces that make no conversation and ended before a moment."""
        there = self._read(project)
        kept = {id for group in there.groups.values() for id in group.trace_ids}
        kept |= {span.trace_id for span in there.spans.values() if max(span.start_ns, span.end_ns) > before_ns}
        for key in [key for key in there.spans if key[0] not in kept]:
            del there.spans[key]

    def _delete(self, project: str, name: str) -> Deleted:
        """Delete a conversation, and what nobody else has of its traces."""
        there = self._read(project)
        names = names_of(self._all(project)[name])
        there.feedback = {key: one for key, one in there.feedback.items() if key[0] not in names}
        if there.imports.pop(name, None) is not None:
            return Deleted(conversations=1)
        group = there.groups[name]
        others = {id for other in there.groups.values() if other.name != name for id in other.trace_ids}
        part = part_of(group, Material(spans=list(there.spans.values()), logs=list(there.logs.values())))
        alone = group.trace_ids - others
        spans = {(span.trace_id, span.span_id) for span in part.spans}
        alone |= _echoes(there, part)
        spans |= {key for key in there.spans if key[0] in alone}
        logs = {(log.trace_id, log_key(log)) for log in part.logs} | {key for key in there.logs if key[0] in alone}
        for span in spans:
            del there.spans[span]
        for log in logs:
            del there.logs[log]
        there.changed = True
        return Deleted(conversations=1, spans=len(spans))

    def _delete_all(self, names: set[str], project: str, expired: Collection[str] = ()) -> Deleted:
        """Delete captured conversations, and then whatever was made of them and of some that are expired."""
        traces = {trace for name in names for trace in names_of(self._all(project)[name])}
        deleted = sum((self._delete(project, name) for name in names), Deleted())
        # Last: whoever keeps something of them later finds them gone.
        return deleted + self._delete_made_of(names.union(traces, expired), project)

    def _delete_made_of(self, names: set[str], project: str | None) -> Deleted:
        """Delete whatever was made of these conversations, captured or expired."""
        return Deleted(copies=self.documents.remove_copies(names, project), results=self._delete_results(names))

    def _delete_results(self, names: set[str]) -> int:
        before = sum(map(len, self._suites.values()))
        kept = {
            id: [(at, result) for at, result in suite if names.isdisjoint((result.recorded_id, *result.also_of))]
            for id, suite in self._suites.items()
        }
        self._suites = {id: suite for id, suite in kept.items() if suite}
        return before - sum(map(len, self._suites.values()))

    def _has_trace(self, project: str, name: str, beginning: str) -> bool:
        group = self._read(project).groups.get(name)
        return group is not None and any(trace_id.startswith(beginning) for trace_id in group.trace_ids)

    def _part(self, id: str, project: str | None) -> Material:
        with self._lock:
            try:
                where, name = self._find(id, project)
            except NotUnique:
                raise
            except NotFound:
                if (found := self._part_of_run(id, project)) is None:
                    raise
                return found
            there = self._read(where)
            if name not in there.groups:
                return Material()
            spans = sorted(there.spans.values(), key=lambda span: span.start_ns)
            logs = sorted(there.logs.values(), key=lambda log: log.at_ns)
            return part_of(there.groups[name], Material(spans=spans, logs=logs))

    def _part_of_run(self, id: str, project: str | None) -> Material | None:
        """The trace of that id which belongs to no conversation, as of a replay."""
        if len(id) < SHORTEST_PREFIX:
            return None
        theirs = [self._projects[name].spans.values() for name in self._names(project)]
        spans = [span for some in theirs for span in some if span.trace_id.startswith(id.lower())]
        if len({span.trace_id for span in spans}) != 1:
            return None
        return Material(spans=sorted(spans, key=lambda span: span.start_ns))

    def _traces(self, project: str) -> list[TraceSummary]:
        there = self._read(project)
        traces: dict[str, list[RawSpan]] = {}
        for span in there.spans.values():
            traces.setdefault(span.trace_id, []).append(span)
        return [trace for id, spans in traces.items() if (trace := self._trace(project, id, spans)).conversations]

    def _trace(self, project: str, id: str, spans: list[RawSpan]) -> TraceSummary:
        first_ns = min((span.start_ns for span in spans if span.start_ns), default=0)
        return TraceSummary(
            id=id,
            project=project,
            conversations=tuple(sorted(n for n, group in self._read(project).groups.items() if id in group.trace_ids)),
            started_at=moment(first_ns),
            ended_at=moment(max(max(span.start_ns, span.end_ns) for span in spans)),
            spans=len(spans),
            errors=sum(span.is_error for span in spans),
            cursor=cursor(first_ns, self._number(project, f"trace {id}")),
        )

    def _suite(self, id: str) -> SuiteSummary:
        moments = [at for at, _ in self._suites[id]]
        kinds = [result.verdict.kind for _, result in self._suites[id]]
        counts = {str(kind): kinds.count(kind) for kind in kinds}
        return SuiteSummary(id=id, started_at=min(moments), ended_at=max(moments), counts=counts)


def _echoes(project: _Project, part: Material) -> set[str]:
    """The traces that belong nowhere because what is in `part` tells better what they tell."""
    kept = {id for group in project.groups.values() for id in group.trace_ids}
    lone: dict[str, list[RawSpan]] = {}
    for span in project.spans.values():
        if span.trace_id not in kept:
            lone.setdefault(span.trace_id, []).append(span)
    found = ((id, Material(spans=spans)) for id, spans in lone.items())
    return {id for id, one in found if _is_told(id, one) and not _is_told(id, together([one, part]))}


def _is_told(trace_id: str, material: Material) -> bool:
    return any(trace_id in group.trace_ids for group in groups(material))


def _given(project: _Project, conversation: Conversation) -> list[tuple[str, Feedback]]:
    """The feedback of a conversation, each with the id that it was given to."""
    names = names_of(conversation)
    return [(key[0], one) for key, one in project.feedback.items() if key[0] in names]

"""Fetches the recordings that captured calls name, in the background: no sender waits for it, and it is tried again.

What is to be fetched is a document of the store from before the sender is answered until it is kept or given up, so
that a server that was killed goes on with it. What spans refer to is looked for, as nobody waits to tell us of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from taketwo.capture.fetch import FetchLimits, fetch
from taketwo.capture.imports.span_rows import SpanRow, raw_span
from taketwo.capture.otlp import decode_span
from taketwo.capture.recording_marks import FILE, INSIDE, KEPT, NOT_KEPT, REFERENCES, is_hash, sound_inside
from taketwo.conversation import Conversation, Gap
from taketwo.errors import AddressRefused, AlreadyThere, NotFound, TakeTwoError, TooLarge, TraceUnreadable
from taketwo.select.filters import parse
from taketwo.span import RawSpan
from taketwo.store import Merge, Store
from taketwo.store.documents import Document, Documents
from taketwo.store.importing import kept_already
from taketwo.value import JSON, Value, content_hash
from taketwo.voice.recordings import names_of, with_recording

KIND: Final = "recording_to_fetch"
PAUSES_S: Final = (5, 20, 60, 300, 1800, 7200, 21_600)
"""Seconds between tries, as platforms tell of some recordings before they have written them; then it is given up."""
AT_A_TIME: Final = 4
TICK_S: Final = 1.0
LEASE: Final = timedelta(seconds=15)
"""A fetch that has not been seen alive for so long was killed."""
LOOK_EVERY: Final = 5
"""Ticks between looks at what spans refer to."""
LOOKED_AT: Final = 200
"""So many of the newest calls of a project are looked at each time."""

NOT_FETCHED: Final = "The recording could not be fetched"
"""How the gap begins of a recording that was given up."""

_log = logging.getLogger("taketwo.server")


class ToFetch(Value):
    """A recording that is to be fetched."""

    id: str
    """The conversation's."""
    project: str
    """The conversation's."""
    recording: str
    """Its address, or a reference to a file or into a span."""
    tries: int = 0
    """How often it was tried."""
    why: str | None = None
    """Why it could not be fetched the last time; None before the first try."""


class Sources(NamedTuple):
    """Where recordings may be fetched from."""

    limits: FetchLimits = FetchLimits()
    """For what is fetched by its address."""
    folder: Path | None = None
    """Files that senders name are read beneath it; None for none, as a sender could name any file of this machine."""


def to_fetch(conversation: Conversation) -> Sequence[str]:
    """What the conversation refers to that is not kept yet, whatever was tried."""
    return [name for name in names_of(conversation) if name.startswith(REFERENCES)]


def ask_for(documents: Documents, conversation: Conversation, now: datetime) -> None:
    """See that the recordings of a conversation are fetched. What is asked for already stays as it is."""
    for recording in to_fetch(conversation):
        wanted = ToFetch(id=conversation.id, project=conversation.project, recording=recording)
        with suppress(AlreadyThere):
            documents.add([_document(wanted, now)])


def being_fetched(documents: Documents, conversation: Conversation) -> ToFetch | None:
    """What of a conversation is still to be fetched; None where nothing is."""
    if not to_fetch(conversation):
        return None
    found = documents.repeating(KIND, conversation.id, conversation.project, limit=1)
    return ToFetch.from_json(found[0].body) if found else None


class _Fetch(NamedTuple):
    """A fetch that is under way."""

    claimed: Document
    thread: threading.Thread


class Fetching:
    """Fetches between `start` and `close`."""

    def __init__(
        self,
        store: Store,
        sources: Sources = Sources(),  # noqa: B008  # a value, never changed
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses_s: Sequence[float] = PAUSES_S,
        tick_s: float = TICK_S,
    ) -> None:
        """Recordings go to where the store has them."""
        self._store = store
        self._sources = sources
        self._now = now
        self._pauses_s = pauses_s
        self._tick_s = tick_s
        self._working: list[_Fetch] = []
        self._seen: dict[tuple[str, str], str] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._work, name="taketwo-fetching", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; what is under way is given up, and fetched after the next start."""
        self._ended.set()
        if self._thread is not None:  # not its fetches: they would be waited for, and begin again after the next start
            self._thread.join()

    def keep(self, conversation: Conversation, merge: Merge) -> bool:
        """Keep a call that was told by its platform, and have its recording fetched; gives whether it was new.

        merge: what is kept of it beside what is known; a recording that is kept stays, as its address may have expired.
        """
        known = kept_already(self._store, conversation.id, conversation.project)
        name = None if known is None else known.metadata.get("recording")
        is_there = isinstance(name, str) and is_hash(name) and self._store.recordings(conversation.project).exists(name)
        if not is_there:  # before the call itself: who is killed in between is sent the call again
            ask_for(self._store.documents, conversation, self._now())
        lost = None if is_there else name
        return self._store.put_conversation(conversation, partial(_with_its_recording, merge=merge, lost=lost))

    def _work(self) -> None:
        tick = 0
        while not self._ended.wait(self._tick_s if tick else 0):
            try:
                if tick % LOOK_EVERY == 0:
                    self._look()
                self._round()
            except TakeTwoError as error:
                _log.warning("recordings could not be looked after, it is tried again: %s", error)
            tick += 1

    def _round(self) -> None:
        """Say that what is under way is alive, and begin what is due."""
        documents, until = self._store.documents, self._now() + LEASE
        self._working = [one for one in self._working if one.thread.is_alive()]
        for one in self._working:
            with suppress(NotFound):  # done meanwhile, or deleted with its conversation
                documents.change(KIND, one.claimed.id, partial(_alive, claimed=one.claimed, until=until))
        free = AT_A_TIME - len(self._working)
        claimed = documents.claim(KIND, lambda one: one.but(due_at=until), now=self._now(), limit=free) if free else []
        for each in claimed:
            self._working.append(_Fetch(each, threading.Thread(target=self._take, args=(each,), daemon=True)))
            self._working[-1].thread.start()

    def _look(self) -> None:
        """Ask for what the spans of calls refer to."""
        seen: dict[tuple[str, str], str] = {}
        for project in self._store.projects():
            calls = self._store.search.conversations(parse("channel:voice"), project, limit=LOOKED_AT, as_read=True)
            for one in calls:
                mark = content_hash(one.but(cursor="").to_json())
                seen[project, one.id] = mark
                if self._seen.get((project, one.id)) != mark and (found := self._of_spans(one.id, project)) is not None:
                    ask_for(self._store.documents, found, self._now())
        self._seen = seen

    def _of_spans(self, id: str, project: str) -> Conversation | None:
        """The conversation, where its spans name a recording that nobody has tried to keep."""
        try:
            found = self._store.conversation(id, project)
            is_wanted = to_fetch(found) and not any(gap.where == "metadata.recording" for gap in found.gaps)
            return found if is_wanted and self._store.raw_spans(id, project) else None
        except NotFound:  # deleted meanwhile
            return None

    def _take(self, document: Document) -> None:
        """Fetch one recording, or say when to try again."""
        wanted = ToFetch.from_json(document.body)
        try:
            try:
                body = self._bytes(wanted)
            except TraceUnreadable as error:
                self._failed(wanted, error)
            else:
                self._told(wanted, body)
        except TakeTwoError as error:  # the store is away: the lease runs out, and it is fetched again
            _log.warning("the recording of %s could not be kept, it is tried again: %s", wanted.id, error)

    def _bytes(self, wanted: ToFetch) -> bytes:
        """Raises TraceUnreadable where it cannot be had."""
        if wanted.recording.startswith(INSIDE):
            return self._inside(wanted)
        if wanted.recording.startswith(FILE):
            return _file(self._sources, wanted.recording.removeprefix(FILE))
        return fetch(wanted.recording, self._sources.limits)

    def _inside(self, wanted: ToFetch) -> bytes:
        _, span_id, name = wanted.recording.removeprefix(INSIDE).split("/", 2)
        for raw in self._store.raw_spans(wanted.id, wanted.project):
            if raw.span_id == span_id and (sound := sound_inside(decode_span(raw).attributes, name)):
                return sound
        raise AddressRefused("the span holds no sound that can be read", where=f"{span_id}.{name}")

    def _failed(self, wanted: ToFetch, error: TraceUnreadable) -> None:
        tries = wanted.tries + 1
        if isinstance(error, AddressRefused | TooLarge) or tries > len(self._pauses_s):
            self._told(wanted, None, why=f"{NOT_FETCHED}: {error.what}")
            return
        due_at = self._now() + timedelta(seconds=self._pauses_s[tries - 1])
        again = _document(wanted.but(tries=tries, why=error.what), due_at)
        with suppress(NotFound):  # deleted with its conversation
            self._store.documents.change(KIND, again.id, lambda _: again)

    def _told(self, wanted: ToFetch, body: bytes | None, why: str = "") -> None:
        """Keep what was fetched, and let the conversation say what became of its recording."""
        try:
            found = self._store.conversation(wanted.id, wanted.project)
            spans = self._store.raw_spans(wanted.id, wanted.project)
        except NotFound:  # deleted meanwhile
            found, spans = None, []
        if found is not None and wanted.recording in names_of(found):
            # Of any project: the same sound is kept once.
            is_new = body is not None and not self._store.recordings(None).exists(content_hash(body))
            name = None if body is None else self._store.recordings(wanted.project).put(body)
            if spans:
                self._store.add_spans(wanted.project, [raw_span(_said(wanted, spans[0], name, why))])
            else:
                self._store.put_conversation(found, partial(_fetched, wanted=wanted, name=name, why=why))
            if is_new and name is not None and not self._is_named(wanted, name):
                self._store.recordings(wanted.project).delete(name)
        self._store.documents.remove(KIND, id=_id(wanted))

    def _is_named(self, wanted: ToFetch, name: str) -> bool:
        """Whether the conversation has the recording; it may have been deleted just before that was kept."""
        try:
            return name in names_of(self._store.conversation(wanted.id, wanted.project))
        except NotFound:
            return False


def _alive(document: Document, *, claimed: Document, until: datetime) -> Document:
    """Still being fetched, unless its thread has just said how that ended."""
    return document.but(due_at=until) if document.body == claimed.body else document


def _said(wanted: ToFetch, first: RawSpan, name: str | None, why: str) -> SpanRow:
    """A span of ours beside those of the call, so that whatever becomes of them becomes of it."""
    return SpanRow(
        trace=first.trace_id,
        span=content_hash(f"{wanted.recording} {name is None}")[:16],
        parent=first.span_id,
        name=KEPT,
        start=first.start_ns,
        end=first.start_ns,
        attributes={KEPT: name} if name is not None else {NOT_KEPT: why},
        scope="taketwo.server",
    )


def _with_its_recording(
    kept: Conversation | None, told: Conversation, *, merge: Merge, lost: JSON
) -> Conversation | None:
    """What is kept of a call, with the recording that was fetched, unless that is lost."""
    merged = merge(kept, told)
    named, name = (None if one is None else one.metadata.get("recording") for one in (merged, kept))
    if merged is not None and isinstance(named, str) and isinstance(name, str) and is_hash(name) and name != lost:
        return with_recording(merged, named, name)
    return merged


def _fetched(
    kept: Conversation | None, _: Conversation, *, wanted: ToFetch, name: str | None, why: str
) -> Conversation | None:
    """The call as it is kept by now, with what became of its recording; nothing of one that was deleted meanwhile."""
    if kept is None or wanted.recording not in names_of(kept):
        return None
    if name is not None:
        return with_recording(kept, wanted.recording, name)
    return kept.but(gaps=(*kept.gaps, Gap(where="metadata.recording", why=why)))


def _file(sources: Sources, path: str) -> bytes:
    """A file that a sender names. Raises AddressRefused where it is in no folder that senders may name."""
    folder = None if sources.folder is None else sources.folder.resolve()
    file = Path(path).resolve()  # so that neither `..` nor a link leads out of it
    if folder is None or not file.is_relative_to(folder):
        raise AddressRefused(
            f"it is the file {path}, and files are read in the folder that `taketwo serve --recordings-in` names alone"
        )
    try:
        with file.open("rb") as stream:
            body = stream.read(sources.limits.bytes + 1)
    except OSError as error:
        raise TraceUnreadable(f"it cannot be read: {error.strerror or error}", where=path) from error
    if len(body) > sources.limits.bytes:
        raise TooLarge(f"it is larger than {sources.limits.bytes:,} bytes", where=path)
    return body


def _document(wanted: ToFetch, due_at: datetime) -> Document:
    return Document(
        kind=KIND, id=_id(wanted), body=wanted.to_json(), project=wanted.project, source=wanted.id, due_at=due_at
    )


def _id(wanted: ToFetch) -> str:
    return content_hash(f"{wanted.project}\n{wanted.id}\n{wanted.recording}")

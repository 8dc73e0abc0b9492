"""Files into the store, item by item, with an account of what came of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, assert_never

from taketwo.capture.imports.imported import Imported, Unread
from taketwo.capture.otlp import ReceivedLogs, ReceivedSpans
from taketwo.conversation import Conversation
from taketwo.errors import NotFound, TraceUnreadable
from taketwo.store import Store


class NotKnown(NamedTuple):
    """Something that conversations of a file lack."""

    first: str
    """The conversation in which it was missed first."""
    where: str
    """Where in it."""
    conversations: int
    """How many lack it."""


class Tally:
    """What came of one file."""

    def __init__(
        self,
        on_unread: Callable[[Unread], None],
        prepare: Callable[[Conversation], Conversation] = lambda conversation: conversation,
    ) -> None:
        """Begin to count.

        on_unread: told of every record that could not be read, at once.
        prepare: what is done with a conversation before it is kept, such as fetching its recording.
        """
        self.read = {"span": 0, "log record": 0, "conversation": 0}
        self.new = 0
        self.unread = 0
        self.not_known: dict[str, NotKnown] = {}
        """What conversations lack, by why they do."""
        self._on_unread = on_unread
        self._prepare = prepare

    def take(self, store: Store, item: Imported, project: str) -> None:
        """Put one item into the store and count it."""
        match item:
            case ReceivedSpans():
                self.read["span"] += len(item.spans)
                self.new += store.add_spans(project, item.spans)
            case ReceivedLogs():
                self.read["log record"] += len(item.logs)
                self.new += store.add_logs(project, item.logs)
            case Conversation():
                self.read["conversation"] += 1
                prepared = self._prepare(item).but(project=project)
                self._note_gaps(prepared)
                self._put(store, prepared)
            case Unread():
                self.leave_out(item)
            case _:
                assert_never(item)

    def leave_out(self, unread: Unread) -> None:
        """Count what could not be read."""
        self.unread += 1
        self._on_unread(unread)

    def _note_gaps(self, conversation: Conversation) -> None:
        for why, where in {gap.why: gap.where for gap in reversed(conversation.gaps)}.items():
            known = self.not_known.get(why, NotKnown(conversation.id, where, 0))
            self.not_known[why] = known._replace(conversations=known.conversations + 1)

    def _put(self, store: Store, conversation: Conversation) -> None:
        """Keep a conversation; one whose id belongs to captured spans already does not keep the others out."""
        try:
            self.new += store.put_conversation(conversation)
        except TraceUnreadable as error:
            self.leave_out(Unread(where=conversation.id, why=str(error)))


def kept_already(store: Store, id: str, project: str) -> Conversation | None:
    """The conversation of exactly that id, as it is in the store; None where it is not."""
    try:
        found = store.conversation(id, project)
    except NotFound:
        return None
    return found if found.id == id else None


def import_file(
    store: Store, path: Path, format: str | None, project: str, tally: Tally, *, most_bytes: int | None = None
) -> None:
    """Import one file. What was read before an error stays. Raises TraceUnreadable, MissingExtra, BadSetting.

    most_bytes: what is read of it, unpacked; None for all.
    """
    from taketwo.capture.imports import read_file

    for item in read_file(path, format, most_bytes=most_bytes):
        tally.take(store, item, project)

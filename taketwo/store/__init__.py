"""Where captures, conversations and results are kept: the `Store` protocol, and how to open one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.span import RawLog, RawSpan
from taketwo.store.addresses import POSTGRESQL, postgres_address, sqlite_address
from taketwo.store.documents import Documents
from taketwo.store.feedback import Feedback
from taketwo.store.owners import OwnedBlobs
from taketwo.store.project import Deleted, ProjectSettings
from taketwo.store.search import Search
from taketwo.store.summary import ConversationSummary, SuiteSummary, TraceSummary
from taketwo.verdict import CaseResult

if TYPE_CHECKING:
    from taketwo.store.database import Database


Merge: TypeAlias = Callable[[Conversation | None, Conversation], Conversation | None]
"""What to keep of a conversation, by the one of its id that is kept, None where there is none, and the one that came,
with what must not be kept taken out of both; None for what is kept already. Runs while nobody else writes, so it must
be quick."""


class Store(Protocol):
    """Keeps spans as they came and reads conversations out of them; safe to use from several threads.

    Every method may raise StoreUnavailable, and every writing one StoreBusy. What a method has acknowledged by
    returning is on disk, and every later read sees it.
    """

    @property
    def url(self) -> str:
        """What `open_store` opens it with."""

    @property
    def documents(self) -> Documents:
        """What a server keeps besides captures and results."""

    @property
    def search(self) -> Search:
        """Finds conversations, traces and users."""

    def add_spans(self, project: str, spans: Sequence[RawSpan]) -> int:
        """Keep spans; gives how many were new or more complete than the copy that was there.

        The same span id in the same trace is the same span. A later copy replaces the stored one only where it has an
        end and the stored one has none, or where both do or neither does and it has more bytes.
        """

    def add_logs(self, project: str, logs: Sequence[RawLog]) -> int:
        """Keep log records that belong to a trace; gives how many were new. The others belong to no conversation."""

    def put_conversation(self, conversation: Conversation, merge: Merge | None = None) -> bool:
        """Keep a conversation that has no spans; False if nothing changed, letter by letter.

        merge: what becomes of it by what is kept of the same id at that moment; without it, that is replaced.
        Raises TraceUnreadable where that id belongs to spans.
        """

    def conversation(self, id: str, project: str | None = None) -> Conversation:
        """The conversation of that session id, trace id, or beginning of one (at least six characters).

        Raises NotFound with the nearest ids, NotUnique naming those that it fits.
        """

    def captured(self, ids: Collection[str], project: str) -> frozenset[str]:
        """Which of these whole ids are conversations of a project now.

        Whoever keeps something of a conversation asks after that, and drops what is no longer told: a deletion takes
        away what was kept before it ends, and what is kept later is found here.
        """

    def conversations(self, project: str | None = None, *, limit: int | None = None) -> Iterator[Conversation]:
        """Whole conversations, the newest first; in all projects when none is named."""

    def summaries(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[ConversationSummary]:
        """What a listing shows of each conversation, the newest first; `after` is the cursor of the last one seen.

        A trace of something else, such as a health check, is a conversation without a turn, and in no listing of them.
        """

    def traces(
        self, project: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Iterator[TraceSummary]:
        """What a listing shows of each trace of a conversation, the newest first.

        `after` is the cursor of the last one seen.
        """

    def add_feedback(self, id: str, given: Feedback, project: str | None = None) -> Feedback:
        """Attach a score to a conversation, or to one of its turns; from then on it is among its scores.

        The id is what `conversation` takes; that of the trace of one turn means that turn, where no other is named. It
        outlives every new reading of the spans, and gives way to the next one of the same name, giver and turn.
        Raises NotFound, also where there is no such turn, NotUnique.
        """

    def feedback(self, id: str, project: str | None = None) -> list[Feedback]:
        """What was attached to a conversation, in the order in which it came. Raises NotFound, NotUnique."""

    def raw_spans(self, conversation_id: str, project: str | None = None) -> list[RawSpan]:
        """The spans of a conversation as they came, by start; none where it came from a file without spans.

        What an agent did in a replay belongs to no conversation, and is found by the id of the run.
        """

    def raw_logs(self, conversation_id: str, project: str | None = None) -> list[RawLog]:
        """The log records of a conversation as they came, by time."""

    def projects(self) -> list[str]:
        """The names of all projects, in order."""

    def settle(self, limit: int | None = None) -> int:
        """Read conversations out of what came since the last time; gives how many. Reading does it where needed."""

    def add_result(self, suite_id: str, result: CaseResult) -> None:
        """Keep a case's result; written soon, or by `flush`."""

    def flush(self) -> None:
        """Wait until every added result is on disk, and what a server has acknowledged can be read.

        Raises what kept a result from it.
        """

    def results(self, suite_id: str) -> list[CaseResult]:
        """The results of a suite in the order they were added. Raises NotFound."""

    def result(self, run_id: str) -> CaseResult:
        """The result that a run belongs to, by the run's id or the beginning of it. Raises NotFound, NotUnique."""

    def suites(self) -> list[SuiteSummary]:
        """Every suite that has results, the newest first."""

    def project(self, name: str) -> ProjectSettings:
        """How a project wishes its data to be treated; the defaults where nobody has said."""

    def set_project(self, name: str, settings: ProjectSettings) -> None:
        """Say how a project, which is made where it is missing, wishes its data to be treated from now on.

        Other processes hear of it within a second.
        """

    def stored_bytes(self, project: str) -> int:
        """What the spans and log records of a project take, as they are kept; may look at each piece of them."""

    def recordings(self, project: str | None) -> OwnedBlobs:
        """The recordings of a project, which it brought or had made; those of all projects for None."""

    def delete_session(self, id: str, project: str | None = None) -> Deleted:
        """Delete a conversation with everything of it: spans, log records, results of its replays, recordings.

        The id is what `conversation` takes. Raises NotFound, NotUnique.
        """

    def delete_user(self, user_id: str, project: str) -> Deleted:
        """Delete every conversation of a user of a project, as `delete_session` does. Raises NotFound."""

    def expire(self, now: datetime) -> Deleted:
        """Delete what is older than its project keeps it. Results of replays stay: they are tests by now."""

    def hurry(self, within_s: float) -> None:
        """From now on let nobody who asks for a page of a listing wait longer than that for what has come to be read.

        What is not read by then is in no page, and `search.unread` counts it; it is read all the same. A few
        conversations are waited for somewhat longer, and a listing without a limit waits for everything, as before.
        """

    def compact(self) -> None:
        """Give space that deletion freed back to the disk, and with it the last remnants; `delete_…` do it themselves.

        Others wait, or are told to come back, while the file is written anew: some seconds a gigabyte.
        """

    def close(self) -> None:
        """Write what is waiting and let go of the files."""


def open_store(url: str) -> Store:
    """Open the store of a URL: `sqlite:///PATH`, `postgresql://USER@HOST/DATABASE`, `archive:///PATH`, or `memory:`.

    An archive may be an object, too: `archive:s3://BUCKET/KEY`.
    The one in memory is gone with the process. Makes the file and its folder, or the tables, where they are missing.
    Raises BadSetting for any other kind, StoreUnavailable, MissingExtra.
    """
    kind, _, rest = url.partition(":")
    if (database := open_database(url)) is not None:
        from taketwo.store.tables import TableStore

        return TableStore(database)
    if kind == "archive" and (address := rest.removeprefix("///")):
        from taketwo.store.archive import ArchiveStore

        return ArchiveStore(address)
    if url == "memory:":
        from taketwo.store.memory import MemoryStore

        return MemoryStore()
    known = url if "@" not in url else f"{kind}://…"  # it may hold a password
    raise BadSetting(
        f"no store can be opened with {known!r}",
        where="store",
        todo="use sqlite:///PATH, postgresql://USER@HOST/DATABASE, archive:///PATH or memory:",
    )


def open_database(url: str) -> Database | None:
    """The database of a URL; None where the store of it has none. Raises BadSetting, StoreUnavailable, MissingExtra."""
    if (file := sqlite_address(url)) is not None:
        from taketwo.store.sqlite_database import SqliteDatabase

        return SqliteDatabase(file.path, file.blobs)
    if url.startswith(POSTGRESQL):
        from taketwo.store.postgresql import PostgresDatabase

        return PostgresDatabase(postgres_address(url))
    return None

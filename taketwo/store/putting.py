"""What is written into the tables as a whole: imported conversations, feedback, and settings of projects."""

from __future__ import annotations

from taketwo.conversation import Conversation
from taketwo.errors import NotFound, TraceUnreadable
from taketwo.store import Merge
from taketwo.store.arrivals import project_key
from taketwo.store.bodies import packed, unpacked
from taketwo.store.database import Connection
from taketwo.store.feedback import Feedback
from taketwo.store.indexing import SEARCH, index, index_again
from taketwo.store.listing import moment_ns
from taketwo.store.project import ProjectSettings
from taketwo.store.settling import row_of
from taketwo.store.statements import SQL


def put_import(connection: Connection, *, conversation: Conversation, body: bytes, merge: Merge | None) -> bool:
    """Keep a conversation that has no spans; False if nothing changed. Raises TraceUnreadable."""
    project_id = project_key(connection, conversation.project)
    place = {"name": conversation.id, "project_id": project_id}
    found = connection.execute(SQL["find_import"], place).fetchone()
    if found is not None and found[1] != "import":
        raise TraceUnreadable(
            f"conversation {conversation.id!r} was captured from spans already",
            where=f"project {conversation.project}",
            todo="import it into another project",
        )
    if merge is not None:
        merged = merge(None if found is None else unpacked(found[2], Conversation), conversation)
        if merged is None:
            return False
        conversation, body = merged, packed(merged)
    if found is not None and found[2] == body:
        return False
    times = {"first_ns": moment_ns(conversation.started_at), "last_ns": moment_ns(conversation.ended_at)}
    (key,) = connection.execute(SQL["put_import"], {**place, **times}).fetchone()
    index(connection, key, conversation)
    connection.execute(SQL["put_reading"], (key, body))
    return True


def put_feedback(connection: Connection, *, key: int, conversation: Conversation, given: Feedback) -> None:
    """Attach a score to a conversation. Raises NotFound where it is gone."""
    if row_of(connection, key) is None:
        raise NotFound(
            f"conversation {conversation.id!r} was deleted just now", where=f"project {conversation.project}"
        )
    row = {
        "project_id": project_key(connection, conversation.project),
        "conversation": conversation.id,
        **{name: getattr(given, name) for name in ("turn", "name", "given_by")},
        "body": given.to_json().decode(),
    }
    connection.execute(SEARCH["put_feedback"], row)
    index_again(connection, key)


def put_settings(connection: Connection, *, name: str, settings: ProjectSettings) -> None:
    """Keep how a project wishes its data to be treated."""
    row = {"id": project_key(connection, name), "settings": settings.to_json().decode()}
    connection.execute(SQL["put_project_settings"], row)

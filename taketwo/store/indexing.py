"""Keeps the facts of conversations in their tables up to date with their readings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from taketwo.conversation import Conversation
from taketwo.store.bodies import unpacked
from taketwo.store.database import Connection
from taketwo.store.facts import TEXTS, Facts, facts_of, texts_of
from taketwo.store.feedback import Feedback, names_of, with_scores
from taketwo.store.statements import SQL, named_statements
from taketwo.store.summary import summarise

SEARCH: Final = named_statements(Path(__file__).with_name("search.sql"))
"""The statements about facts and words, by name."""


def index(connection: Connection, key: int, conversation: Conversation, facts: Facts | None = None) -> None:
    """Keep the facts of a conversation whose reading is kept next: the old words are those of the reading before.

    `facts` are those of the conversation without feedback, where they are known already.
    """
    indexed, project_id, name, first_ns = connection.execute(SEARCH["indexed"], (key,)).fetchone()
    given = feedback_of(connection, conversation)
    if given:
        conversation, facts = with_scores(conversation, given), None
    facts = facts or facts_of(conversation)
    old = _old_texts(connection, key) if indexed else None
    if indexed:
        connection.execute(SEARCH["drop_facts"], (key,))
        connection.execute(SEARCH["drop_marks"], (key,))
        connection.execute(SEARCH["drop_grades"], (key,))
    place = {"conversation_id": key, "project_id": project_id, "first_ns": first_ns}
    connection.execute(SEARCH["add_facts"], {**facts.columns, "id": facts.columns["id"] or name, **place})
    connection.executemany(SEARCH["add_mark"], [(*mark, key) for mark in sorted(facts.marks, key=repr)])
    grades = [(project_id, first_ns, name, value, int(is_flag), key) for name, value, is_flag in facts.grades]
    connection.executemany(SEARCH["add_grade"], grades)
    if old != facts.texts:
        if old is not None:
            connection.execute(SEARCH["drop_words"], _words(key, old))
        connection.execute(SEARCH["add_words"], _words(key, facts.texts))
    summary = summarise(conversation).to_json().decode()
    connection.execute(SEARCH["set_indexed"], {"id": key, "summary": summary})


def index_again(connection: Connection, key: int) -> None:
    """Keep the facts of a conversation whose reading stands, as after feedback; nothing where there is none."""
    found = connection.execute(SQL["reading"], (key,)).fetchone()
    if found is not None:
        index(connection, key, unpacked(found[0], Conversation))


def forget_facts(connection: Connection, key: int) -> None:
    """Delete the facts of a conversation, before its reading goes."""
    found = connection.execute(SEARCH["indexed"], (key,)).fetchone()
    if found is None or not found[0]:
        return
    if (old := _old_texts(connection, key)) is not None:
        connection.execute(SEARCH["drop_words"], _words(key, old))
    connection.execute(SEARCH["drop_facts"], (key,))
    connection.execute(SEARCH["drop_marks"], (key,))
    connection.execute(SEARCH["drop_grades"], (key,))


def feedback_of(connection: Connection, conversation: Conversation) -> list[tuple[str, Feedback]]:
    """Its feedback, each with the id that it was given to."""
    wanted = {"names": json.dumps(names_of(conversation)), "project": conversation.project}
    found = connection.execute(SEARCH["feedback"], wanted).fetchall()
    return [(id, Feedback.from_json(body)) for id, body in found]


def _old_texts(connection: Connection, key: int) -> tuple[str, ...] | None:
    found = connection.execute(SQL["reading"], (key,)).fetchone()
    return texts_of(unpacked(found[0], Conversation)) if found is not None else None


def _words(key: int, texts: Sequence[str]) -> dict[str, Any]:
    return {"key": key, **dict(zip(TEXTS, texts, strict=True))}

"""Keeps the facts of conversations in their tables up to date with their readings."""

from __future__ import annotations

import json
from collections.abc import Set
from itertools import zip_longest
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
IN_ONE_ROW: Final = -1
"""`indexed` of a long talk from before migration 11."""
TURNS_A_ROW: Final = 8
"""Turns whose words are one row of the full-text index: a talk that goes on rewrites the last row only."""


def index(
    connection: Connection,
    key: int,
    conversation: Conversation,
    facts: Facts | None = None,
    before: Conversation | None = None,
) -> None:
    """Keep the facts of a conversation whose reading is kept next: the old words are those of the reading before.

    `facts` are those of the conversation without feedback, and `before` that reading, where they are known already.
    """
    indexed, project_id, name, first_ns = connection.execute(SEARCH["indexed"], (key,)).fetchone()
    given = feedback_of(connection, conversation)
    if given:
        conversation, facts = with_scores(conversation, given), None
    facts = facts or facts_of(conversation)
    place = {"conversation_id": key, "project_id": project_id, "first_ns": first_ns}
    if indexed:
        connection.execute(SEARCH["drop_facts"], (key,))
    connection.execute(SEARCH["add_facts"], {**facts.columns, "id": facts.columns["id"] or name, **place})
    grades = {(project_id, first_ns, name, value, int(is_flag)) for name, value, is_flag in facts.grades}
    _change(connection, key, ("marks_of", "drop_mark", "add_mark"), facts.marks, indexed)
    _change(connection, key, ("grades_of", "drop_grade", "add_grade"), grades, indexed)
    _change_words(connection, key, conversation, indexed, before)
    summary = summarise(conversation).to_json().decode()
    connection.execute(SEARCH["set_indexed"], {"id": key, "summary": summary})


def _change(
    connection: Connection, key: int, statements: tuple[str, str, str], wanted: Set[tuple[Any, ...]], indexed: int
) -> None:
    """Write the rows that are not there, and drop those that should not be: most of a talk stays.

    `statements` read the rows of a conversation, drop one and add one.
    """
    of, drop, add = statements
    there = set(map(tuple, connection.execute(SEARCH[of], (key,)).fetchall())) if indexed else set()
    connection.executemany(SEARCH[drop], [(*row, key) for row in there - wanted])
    connection.executemany(SEARCH[add], [(*row, key) for row in sorted(wanted - there, key=repr)])


def _change_words(
    connection: Connection, key: int, conversation: Conversation, indexed: int, before: Conversation | None
) -> None:
    """Write the words of the stretches of turns that have changed."""
    old = (before or _old(connection, key)) if indexed else None
    old_stretches = _stretches(old, indexed) if old is not None else []
    new_stretches = _stretches(conversation)
    for number, (was, now) in enumerate(zip_longest(old_stretches, new_stretches)):
        if was is not None and now is not None and was.turns == now.turns:
            continue
        if was is not None:
            connection.execute(SEARCH["drop_words"], _words(key, number, was))
        if now is not None:
            connection.execute(SEARCH["add_words"], _words(key, number, now))


def _stretches(conversation: Conversation, indexed: int = 1) -> list[Conversation]:
    """The conversation by stretches of turns, of which each is a row of words; by one alone before migration 11."""
    turns = conversation.turns
    if indexed == IN_ONE_ROW or len(turns) <= TURNS_A_ROW:
        return [conversation]
    return [conversation.but(turns=turns[begin : begin + TURNS_A_ROW]) for begin in range(0, len(turns), TURNS_A_ROW)]


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
    if (old := _old(connection, key)) is not None:
        for number, stretch in enumerate(_stretches(old, found[0])):
            connection.execute(SEARCH["drop_words"], _words(key, number, stretch))
    connection.execute(SEARCH["drop_facts"], (key,))
    connection.execute(SEARCH["drop_marks"], (key,))
    connection.execute(SEARCH["drop_grades"], (key,))


def feedback_of(connection: Connection, conversation: Conversation) -> list[tuple[str, Feedback]]:
    """Its feedback, each with the id that it was given to."""
    wanted = {"names": json.dumps(names_of(conversation)), "project": conversation.project}
    found = connection.execute(SEARCH["feedback"], wanted).fetchall()
    return [(id, Feedback.from_json(body)) for id, body in found]


def _old(connection: Connection, key: int) -> Conversation | None:
    """The reading that is kept."""
    found = connection.execute(SQL["reading"], (key,)).fetchone()
    return unpacked(found[0], Conversation) if found is not None else None


def _words(key: int, number: int, stretch: Conversation) -> dict[str, Any]:
    return {"key": key, "stretch": number, **dict(zip(TEXTS, texts_of(stretch), strict=True))}

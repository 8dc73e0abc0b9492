"""What a person found wrong in a captured conversation, and what should have happened instead."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from taketwo.conversation import Conversation
from taketwo.errors import AlreadyThere, NotFound
from taketwo.scenario import Case, Expectation, Kept
from taketwo.store import Store
from taketwo.store.documents import Document, Documents
from taketwo.value import Value

KIND = "marks"
"""Under this kind the store keeps them, with the conversation's id as their key."""


class Mark(Value):
    """One step that was wrong."""

    turn_index: int
    """Position of the turn, from 0."""
    step_index: int | None
    """Position of the step in the turn, from 0; None where the turn as a whole, or its reply alone, is meant."""
    expected: tuple[Expectation, ...]
    """What should have happened."""


class Marks(Value):
    """All that was marked in one conversation."""

    why: str | None = None
    """What went wrong, in a person's words; None where nobody has said."""
    kept: Kept = Kept()
    """Who answers for it, what it came of, until when it is taken for granted."""
    tags: tuple[str, ...] = ()
    """Words to select it by."""
    marks: tuple[Mark, ...] = ()
    """The steps, in the order in which they were marked."""

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """What the conversation's case must and must not do, each said once."""
        found: list[Expectation] = []
        for mark in self.marks:
            found += [one for one in mark.expected if one not in found]
        return tuple(found)


def marks_of(documents: Documents, conversation: Conversation) -> Marks:
    """What was marked; nothing where nobody did."""
    found = documents.with_key(KIND, conversation.id, conversation.project)
    return Marks() if found is None else Marks.from_json(found.body)


def change_marks(store: Store, conversation: Conversation, how: Callable[[Marks], Marks]) -> Marks:
    """Change what was marked; `how` must be quick. Raises what it raises, NotFound where it is deleted meanwhile."""

    def changed(document: Document) -> Document:
        return document.but(body=how(Marks.from_json(document.body)).to_json())

    documents = store.documents
    found = documents.with_key(KIND, conversation.id, conversation.project)
    if found is None:
        made = _document(conversation, how(Marks()))
        try:
            documents.add([made])
            _insist_on_captured(store, conversation, made)
            return marks_of(documents, conversation)
        except AlreadyThere:  # somebody else was faster
            found = documents.with_key(KIND, conversation.id, conversation.project)
    if found is None:  # and their conversation was deleted since
        raise _deleted(conversation)
    return Marks.from_json(documents.change(KIND, found.id, changed).body)


def _insist_on_captured(store: Store, conversation: Conversation, made: Document) -> None:
    if not store.captured([conversation.id], conversation.project):
        store.documents.remove(KIND, id=made.id)
        raise _deleted(conversation)


def _deleted(conversation: Conversation) -> NotFound:
    return NotFound(f"conversation {conversation.id!r} was deleted just now", where=f"project {conversation.project}")


def with_mark(mark: Mark) -> Callable[[Marks], Marks]:
    """Adds a mark; what was said about that step before is replaced."""

    def how(marks: Marks) -> Marks:
        others = tuple(one for one in marks.marks if (one.turn_index, one.step_index) != _place(mark))
        return marks.but(marks=(*others, mark) if mark.expected else others)

    return how


def as_marked(case: Case, marks: Marks) -> Case:
    """A case with what was marked in its conversation."""
    more = tuple(one for one in marks.expected if one not in case.expected)
    return case.but(
        expected=(*case.expected, *more),
        why=case.why or marks.why,
        kept=marks.kept.but(**case.kept.given()),
        tags=tuple(dict.fromkeys((*case.tags, *marks.tags))),
    )


def _place(mark: Mark) -> tuple[int, int | None]:
    return mark.turn_index, mark.step_index


def _document(conversation: Conversation, marks: Marks) -> Document:
    return Document(
        kind=KIND,
        id=str(uuid4()),
        body=marks.to_json(),
        project=conversation.project,
        key=conversation.id,
        source=conversation.id,
    )

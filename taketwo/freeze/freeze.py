"""Conversations to a scenario: each becomes a case with its own copy of all that a replay needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime

from taketwo.conversation import Conversation, Turn
from taketwo.errors import ScenarioUnreadable
from taketwo.scenario import Case, Expectation, Kept, Origin, Scenario
from taketwo.value import content_hash

LONGEST_ID = 48
"""Characters of a case's id; it becomes part of the test's name."""
MACHINE_MADE = re.compile(
    r"(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{12,}|[0-9a-f]{8}-[0-9a-f]{4}-|[0-9]{7,}|^[^a-z]*$", re.IGNORECASE
)
"""Hashes, UUIDs and long numbers say nothing to a person."""
ABOUT_THE_CAPTURE = re.compile(
    r"(otel|telemetry|process|host|os|container|k8s|cloud|thread|code|server|network|net|http|url)\."
    r"|(trace|span)s?(\.|_ids?$|$)"
    r"|chat_spelling$"
)
"""Metadata that says where the trace was made or how the chat log was spelled, and nothing about the conversation."""


NOTHING_SAID = Kept()


def freeze(
    conversations: Sequence[Conversation],
    *,
    name: str,
    at: datetime,
    why: str | None = None,
    tags: Sequence[str] = (),
    kept: Kept = NOTHING_SAID,
    expected: Sequence[Expectation] = (),
) -> Scenario:
    """A scenario with one case for each conversation; all that is said of it goes to every case.

    at: now. Raises ScenarioUnreadable naming the conversation when the user says nothing in it.
    """
    for conversation in conversations:
        _insist_on_a_user(conversation)
    cases = tuple(
        Case(
            id=id,
            recorded=_own_copy(conversation),
            why=why,
            tags=tuple(tags),
            kept=kept,
            origin=_origin(conversation, at),
            expected=tuple(expected),
        )
        for id, conversation in zip(case_ids(conversations), conversations, strict=True)
    )
    return Scenario(name=name, cases=cases)


def _insist_on_a_user(conversation: Conversation) -> None:
    lines = [turn.user for turn in conversation.turns if turn.user]
    if any(line.text or line.audio or line.attachments for line in lines):
        return
    reasons = [gap.why for gap in conversation.gaps if ".user" in gap.where]
    because = f": {reasons[0]}" if reasons else ""
    raise ScenarioUnreadable(
        f"cannot become a case, because the user says nothing in it{because}",
        where=f"conversation {conversation.id}",
        todo="a replay needs the user's words: does the application record them?",
    )


def _own_copy(conversation: Conversation) -> Conversation:
    """A copy that shares nothing, without what only tells how it was captured; its gaps stay."""
    copy = deepcopy(conversation)
    return copy.but(
        turns=tuple(_without_traces(turn) for turn in copy.turns),
        outcome=copy.outcome.but(comments=()),  # said to the team, by whoever, and not to the agent
        metadata={key: value for key, value in copy.metadata.items() if not ABOUT_THE_CAPTURE.match(key)},
    )


def _without_traces(turn: Turn) -> Turn:
    return turn.but(
        trace_id=None,
        user=turn.user.but(source=None) if turn.user else None,
        steps=tuple(step.but(source=None) for step in turn.steps),
    )


def _origin(conversation: Conversation, at: datetime) -> Origin:
    return Origin(
        conversation=conversation.id,
        project=conversation.project,
        recorded_at=conversation.started_at,
        frozen_at=at.astimezone(UTC).replace(microsecond=0),
    )


def case_ids(conversations: Sequence[Conversation]) -> list[str]:
    """A readable id for each; those that would share one get some digits that depend on the conversation alone."""
    slugs = [_slug(_telling_text(conversation)) for conversation in conversations]
    shared = {slug for slug, times in Counter(slugs).items() if times > 1}
    ids: dict[str, None] = {}
    for slug, conversation in zip(slugs, conversations, strict=True):
        digits = content_hash(f"{conversation.project} {conversation.id}")[:4]
        id = f"{slug}-{digits}" if slug in shared else slug
        while id in ids:  # the same conversation twice
            id += "-again"
        ids[id] = None
    return list(ids)


def _telling_text(conversation: Conversation) -> str:
    """The session's name where a person chose it, else what the user said first."""
    name = conversation.session_id or conversation.id
    if not MACHINE_MADE.search(name):
        return name
    return next((turn.user.text for turn in conversation.turns if turn.user and turn.user.text), name)


def _slug(text: str) -> str:
    """Letters and digits with dashes between the words, cut after a whole word."""
    words = re.sub(r"[\W_]+", " ", re.sub("['’]", "", text.casefold())).split()
    slug = "-".join(words)
    if len(slug) > LONGEST_ID:
        slug = slug[: LONGEST_ID + 1].rpartition("-")[0] or slug[:LONGEST_ID]
    return slug or "case"

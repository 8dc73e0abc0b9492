"""Described situations to cases: what a user in them says and knows, what the tools answer, what should come of it.

Nothing was recorded, so there is nothing to compare with: such a case is judged by its expectations alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from taketwo.conversation import DESCRIBED, Agent, Call, Conversation, Gap, Turn, UserLine
from taketwo.freeze.variants import MANNERS, Persona, said_otherwise
from taketwo.scenario import Case, Expectation, Origin
from taketwo.value import JSON, Value

LEAVE = "No, that is all. Thank you."
"""What the user says when nothing is left to say."""
MADE_BY = "a description"
"""How such a case was made, where no model had a part in it."""
Line = Annotated[str, Meta(min_length=1, max_length=20_000)]


class Answer(Value, forbid_unknown_fields=True):
    """What a tool answers in a situation."""

    call: Annotated[str, Meta(min_length=1, max_length=200)]
    """Name of the tool."""
    arguments: dict[str, JSON] = {}
    """The arguments that it answers so."""
    result: JSON = None
    """What it answers."""
    error: str | None = None
    """How it fails; None where it does not."""


class Situation(Value, forbid_unknown_fields=True):
    """What a user wants, says and knows, and what should come of it."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    """Its name; names the rows."""
    says: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=50)]
    """The user's lines: the first opens, the others are said when they answer or when the agent asks nothing."""
    expected: Annotated[tuple[Expectation, ...], Meta(min_length=1, max_length=100)]
    """The outcome that is wanted: what must and must not happen."""
    knows: dict[str, Line] = {}
    """What the user tells when it is asked for, such as `order number`: `A-1042`."""
    tools: Annotated[tuple[Answer, ...], Meta(max_length=200)] = ()
    """What the tools answer; a call that is not among them stops the replay."""
    why: str | None = None
    """Why it is tested, or the wanted outcome in words; shown when it fails."""


def cases_of(
    situations: Sequence[Situation],
    *,
    personas: Sequence[Persona] = (),
    agent: Agent = Agent(),  # noqa: B008  # a value, never changed
    project: str | None = None,
    at: datetime,
    made_by: str = MADE_BY,
) -> list[Case]:
    """One case for each situation as each persona says it, those of the first persona first; as described without any.

    The same description gives the same cases. agent: whose instructions and tools a replay of the prompt sends.
    """
    speakers: list[Persona | None] = list(personas) or [None]
    made: dict[str, Case] = {}
    for speaker in speakers:
        for situation in situations:
            case = _case(situation, speaker, agent, project, at, made_by)
            id = _free(case.id, made)
            made[id] = case.but(id=id, recorded=case.recorded.but(id=id))
    return list(made.values())


def _case(
    situation: Situation, speaker: Persona | None, agent: Agent, project: str | None, at: datetime, made_by: str
) -> Case:
    id = _slug(situation.name if speaker is None else f"{situation.name} {speaker.name}")
    lines = [*situation.says, *_told(situation.knows), LEAVE]
    spoken = [_spoken(line, speaker, f"{id}:{number}") for number, line in enumerate(lines)]
    world = tuple(
        Call(call_id=f"c{number}", tool=one.call, arguments=one.arguments, result=one.result, error=one.error)
        for number, one in enumerate(situation.tools, 1)
    )
    # The whole world stands in the first turn: a recorded answer is found from any turn.
    turns = tuple(
        Turn(index=number, user=UserLine(text=text), steps=world if number == 0 else ())
        for number, text in enumerate(spoken)
    )
    recorded = Conversation(
        id=id,
        project=project or "default",
        agent=agent,
        turns=turns,
        gaps=(Gap(where=DESCRIBED, why="it was described, not recorded"),),
        metadata={} if speaker is None else {"persona": speaker.name},
    )
    origin = Origin(
        kind="synthetic",
        project=project,
        frozen_at=at.replace(microsecond=0),
        made_by=made_by if speaker is None else f"{made_by}, persona {speaker.name}",
        changed=(f"nothing was recorded: the situation {situation.name!r} was described",),
    )
    return Case(id=id, recorded=recorded, why=situation.why, origin=origin, expected=situation.expected)


def _told(knows: dict[str, str]) -> Iterator[str]:
    return (f"My {name} is {value}." for name, value in knows.items())


def _spoken(line: str, speaker: Persona | None, seed: str) -> str:
    way = None if speaker is None else MANNERS.get(speaker.manner)
    return line if way is None or line == LEAVE else said_otherwise(line, way, random.Random(seed))


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")[:80] or "situation"


def _free(id: str, taken: dict[str, Case]) -> str:
    number, name = 1, id
    while name in taken:
        number += 1
        name = f"{id}-{number}"
    return name

"""Synthetic cases by walking the graph: how one conversation begins and another one ends, where their ways cross."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from taketwo.conversation import Call, Conversation, Turn
from taketwo.freeze.graph import draw
from taketwo.freeze.variants import facts_of
from taketwo.scenario import Case
from taketwo.value import JSON

MOST_SOURCES = 60
"""Pairs are looked for among so many cases, as there are so many of them."""


def walks(cases: Sequence[Case], count: int) -> list[Case]:
    """Up to `count` cases that begin as one recorded case does and go on as another, from a turn that both come past.

    What identifies the second customer (values that both gave under the same argument) is replaced by what identifies
    the first; where its lines hold anything else that only it can know, there is no such walk.
    """
    sources = list(cases[:MOST_SOURCES])
    by_id = {str(number): case for number, case in enumerate(sources)}
    ways = draw([case.recorded.but(id=number) for number, case in by_id.items()]).walks
    return list(islice(_crossings(by_id, ways), max(0, count)))


def _crossings(by_id: Mapping[str, Case], ways: Mapping[str, Sequence[str]]) -> Iterator[Case]:
    seen = {_shape(case.recorded) for case in by_id.values()}
    for first, second in _pairs(list(by_id)):
        one, other = by_id[first], by_id[second]
        for turn in range(1, min(len(one.recorded.turns), len(other.recorded.turns))):
            if not _meet(ways[first], ways[second], turn):
                continue
            crossed = _crossed(one, other, turn)
            if crossed is not None and (shape := _shape(crossed.recorded)) not in seen:
                seen.add(shape)
                yield crossed
                break


def _pairs(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with each other, every one in turn, so that a few walks begin in many conversations and not all in one."""
    for distance in range(1, len(ids)):
        for place, id in enumerate(ids):
            yield id, ids[(place + distance) % len(ids)]


def _meet(one: Sequence[str], other: Sequence[str], turn: int) -> bool:
    """Whether both come past the same user's node of this turn after different ways to it, or leave it differently."""
    beginning = f"t{turn + 1}-user-"
    mine = [id for id in one if id.startswith(beginning)]
    return bool(mine) and mine == [id for id in other if id.startswith(beginning)]


def _crossed(one: Case, other: Case, turn: int) -> Case | None:
    names = _same_slots(one.recorded, other.recorded)
    tail = tuple(_renamed(turn, names) for turn in other.recorded.turns[turn:])
    known = {fact for turn in one.recorded.turns for fact in facts_of(turn.user.text if turn.user else "")}
    if any(set(facts_of(turn.user.text)) - known for turn in tail if turn.user is not None):
        return None
    recorded = one.recorded.but(
        turns=tuple(turn.but(index=index) for index, turn in enumerate((*one.recorded.turns[:turn], *tail))),
        gaps=tuple(gap for gap in one.recorded.gaps if not gap.where.startswith("turns[")),
    )
    told = f"turns 1 to {turn} as in {one.id}, then as in {other.id} from its turn {turn + 1}"
    origin = one.origin.but(
        kind="synthetic",
        conversation=one.origin.conversation or one.recorded.id,
        also_of=(other.origin.conversation or other.recorded.id,),
        made_by="walk on the graph",
        changed=(told,),
    )
    return Case(id=f"{one.id}~then-{other.id}-{turn + 1}", recorded=recorded, tags=one.tags, origin=origin)


def _same_slots(one: Conversation, other: Conversation) -> dict[str, str]:
    """What the other customer's values become: those that both gave under the same argument."""
    mine, theirs = _slots(one), _slots(other)
    return {theirs[name]: mine[name] for name in theirs if name in mine and theirs[name] != mine[name]}


def _slots(conversation: Conversation) -> dict[str, str]:
    found: dict[str, str] = {}
    for _, _, call in conversation.calls():
        for name, value in call.arguments.items():
            if isinstance(value, str) and facts_of(value):
                found.setdefault(name, value)
    return found


def _renamed(turn: Turn, names: Mapping[str, str]) -> Turn:
    user = None if turn.user is None else turn.user.but(text=_text(turn.user.text, names), audio=None)
    steps = tuple(
        step.but(arguments=_json(step.arguments, names), result=_json(step.result, names))
        if isinstance(step, Call)
        else step.but(text=_text(step.text, names))
        for step in turn.steps
    )
    return turn.but(user=user, steps=steps, reply=None if turn.reply is None else _text(turn.reply, names))


def _text(text: str, names: Mapping[str, str]) -> str:
    for theirs, mine in names.items():
        text = text.replace(theirs, mine)
    return text


def _json(value: JSON, names: Mapping[str, str]) -> JSON:
    match value:
        case str():
            return _text(value, names)
        case list():
            return [_json(item, names) for item in value]
        case dict():
            return {name: _json(item, names) for name, item in value.items()}
        case _:
            return value


def _shape(conversation: Conversation) -> tuple[str, ...]:
    return tuple(turn.user.text if turn.user else "" for turn in conversation.turns)

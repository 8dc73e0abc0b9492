"""How well a suite represents what happens: its share of the traffic, what it lacks, what has no like any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taketwo.conversation import Conversation
from taketwo.select.choose import Feature, Traits, Twins, choose, with_intents
from taketwo.value import Value

RISKS: Final = frozenset({"writes", "failed", "unanswered", "complaint"})
"""Kinds of features that make a conversation worth more: each as much as another conversation of its kind."""
ALIKE: Final = 0.5
"""A case that shares less than this of its features with every conversation stands for none of them."""


class Suggested(Value):
    """A conversation that a suite lacks."""

    id: str
    """Its id."""
    adds: str
    """What it adds, in words."""
    opening: str
    """The user's first line."""


class Representation(Value):
    """A suite beside the traffic."""

    conversations: int
    """How many conversations there were."""
    cases: int
    """How many cases the suite has."""
    represented: float
    """Share of the conversations, 0 to 1, that have a case nearly like them."""
    represented_then: float
    """The same with the suggestions among the cases."""
    covered: float
    """Share of the weight of all that happens, 0 to 1, that some case has."""
    covered_then: float
    """The same with the suggestions among the cases."""
    suggested: tuple[Suggested, ...]
    """What to keep, the one that adds most first."""
    missed: tuple[str, ...]
    """What no case has, the weightiest first, with how many conversations have it."""
    stale: tuple[str, ...]
    """Ids of cases that no conversation is like any more."""


def represent(
    traffic: Sequence[Traits], cases: Sequence[Traits], most: int, *, risks: Sequence[float] | None = None
) -> Representation:
    """Compare a suite with the traffic, and suggest up to `most` conversations for it, no near-duplicates.

    risks: what each conversation is worth beside what happens in it; none when left out.
    """
    known = with_intents([*traffic, *cases])
    twins = Twins(known, range(len(traffic), len(known)))
    fresh = [number for number in range(len(traffic)) if twins.of(number) is None]
    loads = [_load(one) + (risks[number] if risks else 0.0) for number, one in enumerate(traffic)]
    chosen = choose([traffic[n] for n in fresh], most, kept=cases, traffic=[loads[n] for n in fresh])
    number_of = {one.id: number for number, one in enumerate(traffic)}
    worth_it = [(id, adds) for id, adds in zip(chosen.chosen, chosen.added, strict=True) if adds != "nothing new"]
    then = Twins(known, [*range(len(traffic), len(known)), *(number_of[id] for id, _ in worth_it)])
    now = choose(traffic, 0, kept=cases, traffic=loads)
    after = choose(traffic, 0, kept=[*cases, *(traffic[number_of[id]] for id, _ in worth_it)], traffic=loads)
    return Representation(
        conversations=len(traffic),
        cases=len(cases),
        represented=1 - len(fresh) / len(traffic) if traffic else 0.0,
        represented_then=sum(then.of(n) is not None for n in range(len(traffic))) / len(traffic) if traffic else 0.0,
        covered=now.covered,
        covered_then=after.covered,
        suggested=tuple(Suggested(id=id, adds=adds, opening=traffic[number_of[id]].opening) for id, adds in worth_it),
        missed=now.uncovered,
        stale=tuple(_stale(known, traffic, cases)),
    )


def risk_of(conversation: Conversation) -> float:
    """What bad scores make a conversation worth: 1 for each that is false or 0."""
    return float(sum(score is False or score == 0 for score in conversation.outcome.scores.values()))


def _load(traits: Traits) -> float:
    return 1.0 + len({kind for kind, _ in traits.features} & RISKS)


def _stale(known: Sequence[frozenset[Feature]], traffic: Sequence[Traits], cases: Sequence[Traits]) -> list[str]:
    distinct = set(known[: len(traffic)])
    return [
        case.id
        for number, case in enumerate(cases, len(traffic))
        if not any(_likeness(known[number], other) >= ALIKE for other in distinct)
    ]


def _likeness(one: frozenset[Feature], other: frozenset[Feature]) -> float:
    return len(one & other) / len(one | other)

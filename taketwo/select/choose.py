"""Which of many conversations to keep: those that together cover most of what happens, weighted by traffic and risk."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from taketwo.conversation import Call, Conversation
from taketwo.language.identify import language_of
from taketwo.language.meanings import groups
from taketwo.value import Value

Feature: TypeAlias = tuple[str, str]
"""Its kind and what it is, such as `("tool", "issue_refund")`."""

WEIGHTS = {
    "intent": 3.0,
    "failed": 3.0,
    "unanswered": 3.0,
    "writes": 2.0,
    "arguments": 1.5,
    "tool": 1.5,
    "then": 1.0,
    "language": 1.0,
    "channel": 1.0,
    "complaint": 1.0,
    "length": 0.5,
    "gap": 0.25,
}
"""How much it is worth that a kind of feature is covered at all."""
RARE = 0.2
"""What a feature is worth that hardly ever occurs, beside 1 for one that every conversation has."""
LENGTHS = ((1, "one turn"), (3, "2-3 turns"), (6, "4-6 turns"), (12, "7-12 turns"))
COMPLAINTS = frozenset(
    "angry unacceptable ridiculous terrible awful complaint complain supervisor manager human".split()
)
"""Words of people who are not content, or want somebody else."""
SAME = 0.9
"""Conversations that share so much of their features, and what is wanted, are near-duplicates."""


class Traits(Value):
    """What one conversation would bring into a suite; small, so that very many can be looked at."""

    id: str
    """Id of the conversation."""
    opening: str
    """The user's first line."""
    features: frozenset[Feature]
    """What happens in it."""


class LeftOut(Value):
    """A conversation that was not chosen, and why."""

    id: str
    """Id of the conversation."""
    why: str
    """In words."""
    like: str | None = None
    """Id of the chosen one that stands for it; None when none does."""


class Choice(Value):
    """What was chosen, and what that means."""

    chosen: tuple[str, ...] = ()
    """Ids, the one that adds most first."""
    left_out: tuple[LeftOut, ...] = ()
    """Every other id with the reason, in the order given."""
    represented: float = 0.0
    """Share of the conversations, 0 to 1, that are chosen or have a near-duplicate that is."""
    covered: float = 0.0
    """Share of the weight of all features, 0 to 1, that the chosen ones have."""
    uncovered: tuple[str, ...] = ()
    """What no chosen one has, the weightiest first, with how many conversations have it."""
    added: tuple[str, ...] = ()
    """For each chosen one in order what it adds, in words."""


def traits_of(conversation: Conversation, writes: Callable[[str], bool | None] = lambda tool: None) -> Traits:
    """What happens in a conversation. writes: whether a tool changes the world; None where nobody knows."""
    lines = [turn.user.text for turn in conversation.turns if turn.user]
    return Traits(
        id=conversation.id,
        opening=next((line for line in lines if line.strip()), ""),
        features=frozenset([*_of_calls(conversation, writes), *_of_talk(conversation, lines)]),
    )


def choose(
    traits: Sequence[Traits], most: int, *, kept: Sequence[Traits] = (), traffic: Sequence[float] | None = None
) -> Choice:
    """Choose up to `most` that add most to what is kept already.

    Greedy on a weighted coverage, which is within 1 - 1/e of the best choice there is. The order given decides ties, so
    the same conversations give the same choice. kept: conversations that a suite has already. traffic: how often each
    one stands for; once each when left out.
    """
    everything = with_intents([*traits, *kept])
    known, old = everything[: len(traits)], everything[len(traits) :]
    loads = list(traffic) if traffic is not None else [1.0] * len(known)
    weights = _weights(known, loads)
    covered = {feature for features in old for feature in features}
    already = set(covered)
    order, gains = _greedy(known, most, weights, covered)
    twins = Twins(known, order)
    chosen = set(order)
    left_out = tuple(
        _left_out(number, traits, known, twins, covered, order) for number in range(len(traits)) if number not in chosen
    )
    represented = sum(load for number, load in enumerate(loads) if number in chosen or twins.of(number) is not None)
    total = sum(weights.values())
    worth = sum(weight for feature, weight in weights.items() if feature in covered)
    return Choice(
        chosen=tuple(traits[number].id for number in order),
        left_out=left_out,
        represented=represented / sum(loads) if known else 0.0,
        covered=worth / total if total else 0.0,
        uncovered=tuple(_missing(known, weights, covered)),
        added=tuple(_in_words(features - already) for features in gains),
    )


def _of_calls(conversation: Conversation, writes: Callable[[str], bool | None]) -> Iterator[Feature]:
    before: Call | None = None
    for _, _, call in conversation.calls():
        yield "tool", call.tool
        yield "arguments", f"{call.tool}({', '.join(sorted(call.arguments))})"
        if call.error is not None:
            yield "failed", call.tool
        if writes(call.tool):
            yield "writes", call.tool
        if before is not None:
            yield "then", f"{before.tool} → {call.tool}"
        before = call


def _of_talk(conversation: Conversation, lines: Sequence[str]) -> Iterator[Feature]:
    turns = len(conversation.turns)
    yield "length", next((name for most, name in LENGTHS if turns <= most), "13 turns or more")
    yield "channel", conversation.channel
    if language := language_of(" ".join(lines)):
        yield "language", language
    if conversation.turns and conversation.turns[-1].reply is None:
        yield "unanswered", "ended without an answer"
    if conversation.gaps:
        yield "gap", "something was not recorded"
    words = {word.strip(".,!?").casefold() for line in lines for word in line.split()}
    if words & COMPLAINTS:
        yield "complaint", "a complaint, or asked for a person"


def with_intents(traits: Sequence[Traits]) -> list[frozenset[Feature]]:
    """The features of each with the group of its first line among them."""
    intents: dict[int, Feature] = {}
    for group in groups([one.opening for one in traits]):
        for member in group.members:
            intents[member] = ("intent", group.label)
    return [one.features | {intents[number]} for number, one in enumerate(traits)]


def _weights(known: Sequence[frozenset[Feature]], loads: Sequence[float]) -> dict[Feature, float]:
    share: dict[Feature, float] = defaultdict(float)
    for features, load in zip(known, loads, strict=True):
        for feature in features:
            share[feature] += load
    total = sum(loads) or 1.0
    return {feature: WEIGHTS[feature[0]] * (RARE + (1 - RARE) * share[feature] / total) for feature in share}


def _greedy(
    known: Sequence[frozenset[Feature]], most: int, weights: dict[Feature, float], covered: set[Feature]
) -> tuple[list[int], list[frozenset[Feature]]]:
    """The numbers in the order in which they are chosen, and what each added; `covered` grows.

    Lazily: a gain can only shrink, so one that is still the largest after being computed anew is the largest. When all
    is covered, the rest comes in the order given, so that a suite of a wanted size is always filled.
    """
    heap = [(-_worth(features - covered, weights), number) for number, features in enumerate(known)]
    heapq.heapify(heap)
    order: list[int] = []
    gains: list[frozenset[Feature]] = []
    while heap and len(order) < most:
        _, number = heapq.heappop(heap)
        gain = known[number] - covered
        worth = -_worth(gain, weights)
        if heap and worth > heap[0][0]:
            heapq.heappush(heap, (worth, number))
            continue
        order.append(number)
        gains.append(gain)
        covered |= gain
    return order, gains


def _worth(features: Iterable[Feature], weights: dict[Feature, float]) -> float:
    return sum(weights.get(feature, 0.0) for feature in sorted(features))


class Twins:
    """Which chosen conversation stands for another one."""

    def __init__(self, known: Sequence[frozenset[Feature]], order: Sequence[int]) -> None:
        """known: the features of all. order: the numbers of the chosen ones."""
        self._known = known
        self._by_intent: dict[Feature, list[int]] = defaultdict(list)
        for number in order:
            self._by_intent[_intent(known[number])].append(number)

    def of(self, number: int) -> int | None:
        """The chosen one that shares its intent and nearly all its features."""
        features = self._known[number]
        for other in self._by_intent.get(_intent(features), ()):
            shared, both = features & self._known[other], features | self._known[other]
            if len(shared) >= SAME * len(both):
                return other
        return None


def _intent(features: frozenset[Feature]) -> Feature:
    return next(feature for feature in features if feature[0] == "intent")


def _left_out(
    number: int,
    traits: Sequence[Traits],
    known: Sequence[frozenset[Feature]],
    twins: Twins,
    covered: set[Feature],
    order: Sequence[int],
) -> LeftOut:
    id, twin = traits[number].id, twins.of(number)
    if twin is not None:
        return LeftOut(id=id, why=f"nearly the same as {traits[twin].id}", like=traits[twin].id)
    missing = known[number] - covered
    if missing:
        return LeftOut(id=id, why=f"no room for it; it would have added {_in_words(missing)}")
    nearest = max(order, key=lambda other: (len(known[number] & known[other]), -other), default=None)
    like = None if nearest is None else traits[nearest].id
    return LeftOut(id=id, why="all that happens in it happens in chosen ones", like=like)


def _missing(
    known: Sequence[frozenset[Feature]], weights: dict[Feature, float], covered: set[Feature]
) -> Iterator[str]:
    times = Counter(feature for features in known for feature in features)
    for feature in sorted(weights.keys() - covered, key=lambda feature: (-weights[feature], feature)):
        yield f"{_feature_in_words(feature)} ({times[feature]} of {len(known)})"


def _in_words(features: Iterable[Feature]) -> str:
    """The weightiest few of them."""
    ranked = sorted(features, key=lambda feature: (-WEIGHTS[feature[0]], feature))
    shown = ", ".join(_feature_in_words(feature) for feature in ranked[:4])
    return f"{shown} and {len(ranked) - 4} more" if len(ranked) > 4 else shown or "nothing new"


def _feature_in_words(feature: Feature) -> str:
    kind, what = feature
    match kind:
        case "intent":
            return f"“{what[:80]}”"
        case "failed":
            return f"{what} failing"
        case "writes":
            return f"a write by {what}"
        case "tool":
            return f"the tool {what}"
        case "language":
            return f"the language {what}"
        case _:
            return what

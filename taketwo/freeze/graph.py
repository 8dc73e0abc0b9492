"""Conversations to the graph of their scenario: what is said and done, merged where it means the same."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from taketwo.conversation import Call, Conversation, Turn
from taketwo.graph import END, START, Edge, Graph, Node, NodeKind, insist_on_paths
from taketwo.language.meanings import ALIKE, groups, likeness, masked, telling_words
from taketwo.value import cut_to

MOST_NODES = 120
"""A picture with more nodes is not read by anybody; the rarest of a place are drawn as one."""
EXAMPLES = 5
"""Ids of conversations that a node names."""
_SPACE_BEFORE_SIGN = re.compile(r" (?=[.,;:?!])")
LABEL = 70
"""Characters of a label."""

Meaning: TypeAlias = tuple[NodeKind, str]
"""What something is, wherever it stands."""


class _Place(NamedTuple):
    """A meaning where it stands: two conversations share a node when they come to the same thing in the same turn."""

    turn: int
    rank: int
    """0 for the user, then one for each thing that the agent does."""
    kind: NodeKind
    label: str


class Drawn(NamedTuple):
    """A graph, and the way of each conversation through it."""

    graph: Graph
    """The graph."""
    walks: dict[str, tuple[str, ...]]
    """Ids of the nodes that each conversation comes past, by its id, `start` and `end` among them."""


def draw(
    conversations: Sequence[Conversation], *, names: Mapping[str, str] | None = None, most_nodes: int = MOST_NODES
) -> Drawn:
    """The graph of these conversations; the same ones give the same graph, in whatever order they come.

    Nodes have the turn they stand in, so that there are no circles. names: better labels by label, for instance a
    model's. The least frequent nodes of a place become one where there would be more than `most_nodes`.
    """
    ordered = sorted(conversations, key=lambda conversation: conversation.id)
    ways = {conversation.id: way for conversation, way in zip(ordered, _ways(ordered), strict=True)}
    folded = _folded(Counter(place for way in ways.values() for place in dict.fromkeys(way)), most_nodes)
    places = {id: tuple(dict.fromkeys(folded.get(place, place) for place in way)) for id, way in ways.items()}
    ids = _ids(place for way in places.values() for place in way)
    walks = {id: (START, *(ids[place] for place in way), END) for id, way in places.items()}
    graph = Graph(nodes=tuple(_nodes(places, ids, names or {})), edges=tuple(_edges(walks, places, ids)))
    if walks:
        insist_on_paths(graph)
    return Drawn(graph, walks)


def walk(graph: Graph, conversation: Conversation) -> tuple[str, ...]:
    """The nodes of an existing graph that a conversation comes past, as far as it knows them, `start` first.

    What it does that the graph has no node for is left out.
    """
    (way,) = _ways([conversation])
    found = [START]
    for place in way:
        alike = [node for node in graph.nodes if _is_of_turn(node, place) and _means(node, place)]
        next_ones = {edge.target for edge in graph.after(found[-1])}
        best = next((node for node in alike if node.id in next_ones), alike[0] if alike else None)
        if best is not None and best.id not in found:
            found.append(best.id)
    return (*found, END)


def _is_of_turn(node: Node, place: _Place) -> bool:
    """Whether the node stands in that turn; one that was made by hand may stand in any."""
    found = re.match(r"t(\d+)-", node.id)
    return node.kind == place.kind and (found is None or int(found.group(1)) == place.turn + 1)


def _means(node: Node, place: _Place) -> bool:
    if node.label == place.label:
        return True
    return node.kind == "user" and likeness(telling_words(node.label), telling_words(place.label)) >= ALIKE


def _ways(conversations: Sequence[Conversation]) -> list[tuple[_Place, ...]]:
    said = [turn.user.text for one in conversations for turn in one.turns if turn.user is not None]
    wanted: dict[str, str] = {}
    for group in groups(said):
        for member in group.members:
            wanted[said[member]] = group.label
    return [tuple(_way(conversation, wanted)) for conversation in conversations]


def _way(conversation: Conversation, wanted: Mapping[str, str]) -> Iterator[_Place]:
    for turn in conversation.turns:
        if turn.user is not None:
            yield _Place(turn.index, 0, "user", _short(wanted[turn.user.text]))
        for rank, (kind, label) in enumerate(_done(turn), 1):
            yield _Place(turn.index, rank, kind, label)


def _done(turn: Turn) -> Iterator[Meaning]:
    """What the agent does in a turn: calls in order, repeated ones once; then what kind of thing it says."""
    before: Meaning | None = None
    for step in turn.steps:
        if isinstance(step, Call):
            meaning: Meaning = ("call", f"{step.tool} fails" if step.error is not None else step.tool)
            if meaning != before:
                yield meaning
            before = meaning
    yield "say", _act(turn.reply)


REFUSES = re.compile(
    r"\b(?:can ?not|can't|won't|unable|not able|not (?:allowed|possible|eligible)|sorry)\b", re.IGNORECASE
)
CONFIRMS = re.compile(
    r"\b(?:would you like|do you want|shall i|should i|please confirm|is that (?:ok|correct|right))\b", re.IGNORECASE
)
PARTS = re.compile(r"\b(?:good ?bye|have a (?:great|good|nice)|take care|anything else)\b", re.IGNORECASE)


def _act(reply: str | None) -> str:
    """What kind of thing the agent says; wording and facts do not matter."""
    if reply is None or not reply.strip():
        return "says nothing"
    if CONFIRMS.search(reply):
        return "asks for a decision"
    if REFUSES.search(reply):
        return "refuses or regrets"
    if "?" in reply and not PARTS.search(reply):
        return "asks back"
    return "takes leave" if PARTS.search(reply) else "answers"


def _folded(times: Counter[_Place], most: int) -> dict[_Place, _Place]:
    """Which rare places become one with others of their turn and kind."""
    if len(times) <= most:
        return {}
    ranked = sorted(times, key=lambda place: (-times[place], place))
    rare: dict[tuple[int, int, NodeKind], list[_Place]] = defaultdict(list)
    for place in ranked[most // 2 :]:
        rare[place.turn, place.rank, place.kind].append(place)
    return {
        place: _Place(turn, rank, kind, f"{len(some)} others")
        for (turn, rank, kind), some in rare.items()
        if len(some) > 1
        for place in some
    }


def _ids(places: Iterator[_Place]) -> dict[_Place, str]:
    """`t2-call-check-status`: readable, and unique by a number where two would be equal."""
    made: dict[_Place, str] = {}
    taken: Counter[str] = Counter()
    for place in sorted(set(places)):
        words = re.sub(r"[^a-z0-9]+", "-", place.label.casefold()).strip("-")[:40] or "x"
        id = f"t{place.turn + 1}-{place.kind}-{words}"
        taken[id] += 1
        made[place] = id if taken[id] == 1 else f"{id}-{taken[id]}"
    return made


def _nodes(
    places: Mapping[str, Sequence[_Place]], ids: Mapping[_Place, str], names: Mapping[str, str]
) -> Iterator[Node]:
    passing: dict[_Place, list[str]] = defaultdict(list)
    for id, way in places.items():
        for place in way:
            passing[place].append(id)
    every = tuple(places)
    yield Node(id=START, kind="start", label="start", count=len(every), conversations=every[:EXAMPLES])
    for place in sorted(ids):
        through = passing[place]
        label = names.get(place.label, place.label)
        yield Node(
            id=ids[place], kind=place.kind, label=label, count=len(through), conversations=tuple(through[:EXAMPLES])
        )
    yield Node(id=END, kind="end", label="end", count=len(every), conversations=every[:EXAMPLES])


def _edges(
    walks: Mapping[str, Sequence[str]], places: Mapping[str, Sequence[_Place]], ids: Mapping[_Place, str]
) -> Iterator[Edge]:
    times = Counter(step for way in walks.values() for step in pairwise(way))
    kinds = {ids[place]: place for way in places.values() for place in way}
    leaving = Counter(source for source, _ in times)
    for (source, target), count in sorted(times.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        place = kinds.get(target)
        is_choice = leaving[source] > 1 and place is not None and place.kind == "user"
        condition = f"the user says: {place.label}" if is_choice and place is not None else None
        yield Edge(source=source, target=target, count=count, condition=condition)


def _short(text: str) -> str:
    return cut_to(_SPACE_BEFORE_SIGN.sub("", masked(text)), LABEL)

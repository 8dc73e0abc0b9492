"""A Graph: what users want and what the agent does about it, over many conversations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from taketwo.errors import BadSetting
from taketwo.value import Value

NodeKind: TypeAlias = Literal["start", "user", "call", "say", "end"]
"""`user`: what the user says; `call`: a tool; `say`: what the agent says; `start` and `end` are there once each."""

START, END = "start", "end"
"""Ids of the two nodes that every graph has."""


class Node(Value):
    """One thing that is said or done, in this place of the conversation."""

    id: str
    """Unique in the graph."""
    kind: NodeKind
    """Who does what."""
    label: str
    """In words, for people."""
    count: int = 0
    """How many conversations come past here; 0 in a graph that was made by hand."""
    conversations: tuple[str, ...] = ()
    """Ids of some of them."""


class Edge(Value):
    """What comes after what."""

    source: str
    """Id of the node it leaves."""
    target: str
    """Id of the node it leads to."""
    count: int = 0
    """How many conversations go this way."""
    condition: str | None = None
    """When it is taken, in words; None when that is not known."""


class Graph(Value):
    """Nodes and edges from `start` to `end`, without a circle."""

    nodes: tuple[Node, ...]
    """The nodes, `start` first and `end` last."""
    edges: tuple[Edge, ...]
    """The edges, by source and then by how often they are taken."""

    def after(self, id: str) -> list[Edge]:
        """The edges that leave a node."""
        return [edge for edge in self.edges if edge.source == id]


def insist_on_paths(graph: Graph) -> None:
    """Refuse a graph on which nobody could walk from `start` to `end`.

    Raises BadSetting naming the node: an id twice, an edge that leads nowhere, no start or end, a circle, a node that
    is not reached or that leads nowhere.
    """
    ids = [node.id for node in graph.nodes]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        raise _refused(f"the node {twice!r} is there twice")
    for wanted in (START, END):
        if wanted not in ids:
            raise _refused(f"there is no node {wanted!r}", f"every graph goes from {START!r} to {END!r}")
    for edge in graph.edges:
        for id in (edge.source, edge.target):
            if id not in ids:
                raise _refused(f"an edge names {id!r}, and there is no such node")
    if circle := _circle(graph):
        raise _refused(f"it goes in a circle: {' → '.join(circle)}")
    forward = _reached(START, [(edge.source, edge.target) for edge in graph.edges])
    backward = _reached(END, [(edge.target, edge.source) for edge in graph.edges])
    for id in ids:
        if id not in forward:
            raise _refused(f"the node {id!r} cannot be reached from the start")
        if id not in backward:
            raise _refused(f"the node {id!r} does not lead to the end")


def _refused(what: str, todo: str | None = None) -> BadSetting:
    return BadSetting(what, where="graph", todo=todo)


def _circle(graph: Graph) -> list[str]:
    """The nodes of one circle, the first again at the end; empty when there is none."""
    following: dict[str, list[str]] = {}
    for edge in graph.edges:
        following.setdefault(edge.source, []).append(edge.target)
    done: set[str] = set()
    for first in following:
        path: list[str] = []
        waiting = [(first, 0)]
        while waiting:
            id, depth = waiting.pop()
            done.update(path[depth:])
            del path[depth:]
            if id in path:
                return [*path[path.index(id) :], id]
            if id not in done:
                path.append(id)
                waiting.extend((target, depth + 1) for target in following.get(id, ()))
        done.update(path)
    return []


def _reached(first: str, edges: Iterable[tuple[str, str]]) -> set[str]:
    following: dict[str, list[str]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    seen, waiting = {first}, [first]
    while waiting:
        new = [target for target in following.get(waiting.pop(), ()) if target not in seen]
        seen.update(new)
        waiting.extend(new)
    return seen


def paths_taken(graph: Graph, walks: Sequence[Sequence[str]]) -> dict[tuple[str, str], int]:
    """How often each edge of the graph is taken by these walks over node ids; edges never taken are there with 0."""
    taken = {(edge.source, edge.target): 0 for edge in graph.edges}
    for walk in walks:
        for step in pairwise(walk):
            if step in taken:
                taken[step] += 1
    return taken

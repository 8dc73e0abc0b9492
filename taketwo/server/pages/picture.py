"""A graph as a picture: from top to bottom, what happens most often in the middle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taketwo.graph import END, Graph, Node

WIDTH, HEIGHT = 190, 52
"""Of a node."""
GAP_X, GAP_Y = 24, 44
LINE, LINES = 26, 2
"""Characters of a line of a label, and how many lines are drawn; the whole label is in its title."""
THICKEST = 7.0


class Box(NamedTuple):
    """A node with its place in the picture."""

    node: Node
    """The node."""
    x: float
    """Its left edge."""
    y: float
    """Its upper edge."""
    lines: tuple[str, ...]
    """Its label."""
    taken: int | None
    """How many walks came past; None where nothing is laid over the graph."""


class Line(NamedTuple):
    """An edge with its way through the picture."""

    path: str
    """As SVG draws it."""
    thickness: float
    """By how often it is taken."""
    title: str
    """What it says, in words."""
    taken: int | None
    """How many walks took it; None where nothing is laid over the graph."""


class Picture(NamedTuple):
    """A graph ready to be drawn."""

    width: float
    """Of the whole."""
    height: float
    """Of the whole."""
    boxes: tuple[Box, ...]
    """The nodes."""
    lines: tuple[Line, ...]
    """The edges."""


def picture(graph: Graph, taken: Mapping[tuple[str, str], int] | None = None) -> Picture:
    """Each node below all that come before it. taken: how often each edge was taken by a run that is laid over it."""
    rows = _rows(graph)
    widest = max((len(row) for row in rows), default=1)
    whole = widest * (WIDTH + GAP_X) + GAP_X
    places: dict[str, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        left = (whole - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for number, node in enumerate(row):
            places[node.id] = (left + number * (WIDTH + GAP_X), GAP_Y / 2 + depth * (HEIGHT + GAP_Y))
    most = max((edge.count for edge in graph.edges), default=1) or 1
    names = {node.id: node.label for node in graph.nodes}
    lines = tuple(
        Line(
            path=_path(places[edge.source], places[edge.target]),
            thickness=round(1.5 + (THICKEST - 1.5) * (edge.count - 1) / max(most - 1, 1), 2) if edge.count else 1.0,
            title=f"{names[edge.source]} → {names[edge.target]}: {edge.count}",
            taken=None if taken is None else taken.get((edge.source, edge.target), 0),
        )
        for edge in graph.edges
    )
    boxes = tuple(Box(node, *places[node.id], _label(node.label), _past(node, taken)) for node in graph.nodes)
    return Picture(whole, len(rows) * (HEIGHT + GAP_Y), boxes, lines)


def _rows(graph: Graph) -> list[list[Node]]:
    """Nodes by the longest way to them; in a row near those that lead there, the frequent ones towards the middle."""
    before: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.target].append(edge.source)
    depths: dict[str, int] = {}
    waiting = [node.id for node in graph.nodes]
    # Made from conversations it has no circle; one made by hand was refused if it had.
    while waiting:
        ready = [id for id in waiting if all(source in depths for source in before[id])]
        for id in ready or waiting[:1]:
            depths[id] = 1 + max((depths.get(source, -1) for source in before[id]), default=-1)
        waiting = [id for id in waiting if id not in depths]
    depths[END] = max(depths.values(), default=0)
    rows: list[list[Node]] = [[] for _ in range(1 + max(depths.values(), default=0))]
    for node in graph.nodes:
        rows[depths[node.id]].append(node)
    spots: dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda node: (_middle([spots.get(id, 0.0) for id in before[node.id]]), -node.count, node.id))
        spots |= {node.id: number - len(row) / 2 for number, node in enumerate(row)}
    return [row for row in rows if row]


def _middle(spots: Sequence[float]) -> float:
    return sum(spots) / len(spots) if spots else 0.0


def _path(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1 = source[0] + WIDTH / 2, source[1] + HEIGHT
    x2, y2 = target[0] + WIDTH / 2, target[1]
    bend = (y2 - y1) / 2
    return f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _label(text: str) -> tuple[str, ...]:
    """The label in lines that fit, the last one cut."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > LINE and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    drawn = [line if len(line) <= LINE + 2 else f"{line[: LINE + 1]}…" for line in lines[:LINES]]
    if len(lines) > LINES:
        drawn[-1] = f"{drawn[-1][:LINE]}…"
    return tuple(drawn)


def _past(node: Node, taken: Mapping[tuple[str, str], int] | None) -> int | None:
    if taken is None:
        return None
    coming = sum(count for (_, target), count in taken.items() if target == node.id)
    return coming or sum(count for (source, _), count in taken.items() if source == node.id)

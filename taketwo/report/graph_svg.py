"""A scenario's graph as a picture: from left to right as conversations go, lines as thick as they are often taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import log2
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from taketwo.graph import Graph, Node
from taketwo.report.words import counted, plain

COLUMN, ROW = 230, 54
"""Distance of nodes, in pixels."""
WIDTH, HEIGHT = 180, 36
"""Size of a node, in pixels."""
MARGIN = 24
SHOWN = 27
"""Characters of a label that fit into a node; the whole of it is its title."""


class _Spot(NamedTuple):
    x: int
    y: int


def graph_svg(graph: Graph, taken: Mapping[tuple[str, str], int] | None = None) -> str:
    """The picture as an SVG element with classes and no style of its own, so that the page decides colours.

    taken: how often each edge was taken by a run; edges never taken get the class `untaken`, the others `taken`.
    """
    spots = _spots(graph)
    width = max((spot.x for spot in spots.values()), default=0) + WIDTH + MARGIN
    height = max((spot.y for spot in spots.values()), default=0) + HEIGHT + MARGIN
    body = "".join([*_lines(graph, spots, taken), *(_node(node, spots[node.id]) for node in graph.nodes)])
    title = f"{counted(len(graph.nodes), 'node')}, {counted(len(graph.edges), 'edge')}"
    return (
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{title}">{body}</svg>'
    )


def _spots(graph: Graph) -> dict[str, _Spot]:
    """A column for each step from the start (the longest way counts), in it the commonest nodes on top."""
    depth = dict.fromkeys((node.id for node in graph.nodes), 0)
    for id in _in_order(graph):
        for edge in graph.after(id):
            depth[edge.target] = max(depth[edge.target], depth[id] + 1)
    columns: dict[int, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        columns[depth[node.id]].append(node)
    return {
        node.id: _Spot(MARGIN + column * COLUMN, MARGIN + row * ROW)
        for column, nodes in columns.items()
        for row, node in enumerate(sorted(nodes, key=lambda node: (-node.count, node.id)))
    }


def _in_order(graph: Graph) -> Iterator[str]:
    """Every node after all that lead to it; a graph with a circle is not drawn to its end."""
    waiting = {node.id: 0 for node in graph.nodes}
    for edge in graph.edges:
        waiting[edge.target] += 1
    ready = [id for id, before in waiting.items() if not before]
    while ready:
        id = ready.pop()
        yield id
        for edge in graph.after(id):
            waiting[edge.target] -= 1
            if not waiting[edge.target]:
                ready.append(edge.target)


def _lines(graph: Graph, spots: Mapping[str, _Spot], taken: Mapping[tuple[str, str], int] | None) -> Iterator[str]:
    for edge in graph.edges:
        start, end = spots[edge.source], spots[edge.target]
        x1, y1, x2, y2 = start.x + WIDTH, start.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2
        bend = max(20, (x2 - x1) // 2)
        width = 1 + min(5.0, log2(1 + edge.count) / 1.5)
        state = "" if taken is None else " taken" if taken.get((edge.source, edge.target)) else " untaken"
        times = f"{counted(edge.count, 'conversation')} {'goes' if edge.count == 1 else 'go'} this way"
        told = f"{edge.condition}; {times}" if edge.condition else times
        yield (
            f'<path class="edge{state}" d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}" '
            f'stroke-width="{width:.1f}" fill="none"><title>{escape(plain(told))}</title></path>'
        )


def _node(node: Node, spot: _Spot) -> str:
    label = plain(node.label)
    shown = label if len(label) <= SHOWN else f"{label[: SHOWN - 1]}…"
    count = f" · {node.count}" if node.count else ""
    return (
        f'<g class="node {node.kind}" data-id={quoteattr(node.id)} tabindex="0">'
        f"<title>{escape(label)}{count}</title>"
        f'<rect x="{spot.x}" y="{spot.y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{spot.x + 8}" y="{spot.y + 15}">{escape(shown)}</text>'
        f'<text class="count" x="{spot.x + 8}" y="{spot.y + 29}">{node.kind}{count}</text></g>'
    )

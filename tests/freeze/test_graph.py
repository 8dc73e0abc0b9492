"""The graph of a scenario: what merges, what does not, and that one can always walk it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Conversation
from taketwo.errors import BadSetting
from taketwo.freeze.graph import draw, walk
from taketwo.graph import END, START, Edge, Graph, Node, insist_on_paths, paths_taken
from taketwo.testing import call, conversation, turn

LINES = [
    "Where is my order A-1?",
    "I want a refund for the kettle",
    "Thanks, bye",
    "<script>alert(1)</script> & co",
    "Ja.",
]
REPLIES = ["It is on its way.", "Which order?", "I am sorry, I cannot do that.", "Would you like that?", None]


def talk(seed: int) -> Conversation:
    dice = random.Random(seed)
    turns = [
        turn(
            dice.choice([*LINES, None]),
            *(
                call(dice.choice(["find", "pay"]), error=dice.choice([None, "down"]), result="ok")
                for _ in range(dice.randrange(3))
            ),
            reply=dice.choice(REPLIES),
        )
        for _ in range(dice.randrange(5))
    ]
    return conversation(*turns).but(id=f"s-{seed}")


def test_what_means_the_same_in_the_same_turn_is_one_node() -> None:
    one = conversation(turn("Where is my order A-1?", call("find", result="ok"), reply="It is there.")).but(id="one")
    two = conversation(turn("hi, where is order B-77", call("find", result="no"), reply="It is not here.")).but(
        id="two"
    )
    graph = draw([one, two]).graph
    assert [(node.kind, node.count) for node in graph.nodes] == [
        ("start", 2), ("user", 2), ("call", 2), ("say", 2), ("end", 2)
    ]  # fmt: skip


def test_a_failing_call_is_another_way() -> None:
    well = conversation(turn("Hi", call("find", result="ok"), reply="There.")).but(id="well")
    badly = conversation(turn("Hi", call("find", error="down"), reply="Sorry!")).but(id="badly")
    labels = {node.label for node in draw([well, badly]).graph.nodes}
    assert {"find", "find fails"} <= labels


@given(st.lists(st.integers(0, 200), max_size=25, unique=True), st.integers(6, 60))
def test_every_graph_can_be_walked_and_every_conversation_has_its_way(seeds: list[int], most: int) -> None:
    talks = [talk(seed) for seed in seeds]
    graph, walks = draw(talks, most_nodes=most)
    if talks:
        insist_on_paths(graph)
    edges = {(edge.source, edge.target): edge.count for edge in graph.edges}
    for one in talks:
        assert walks[one.id][0] == START
        assert walks[one.id][-1] == END
    assert paths_taken(graph, list(walks.values())) == edges
    assert draw(list(reversed(talks)), most_nodes=most).graph == graph


def test_a_conversation_of_the_graph_is_found_on_it_again() -> None:
    talks = [talk(seed) for seed in range(30)]
    graph, walks = draw(talks, most_nodes=10_000)
    assert sum(walk(graph, one) == walks[one.id] for one in talks) == 30


def by_hand(*edges: tuple[str, str]) -> Graph:
    ids = dict.fromkeys([START, *(id for edge in edges for id in edge if id != END), END])
    kinds = {START: "start", END: "end"}
    nodes = tuple(Node(id=id, kind=kinds.get(id, "user"), label=id) for id in ids)  # type: ignore[arg-type]  # one of them
    return Graph(nodes=nodes, edges=tuple(Edge(source=source, target=target) for source, target in edges))


def test_a_graph_made_by_hand_is_accepted() -> None:
    insist_on_paths(by_hand((START, "a"), ("a", "b"), ("a", END), ("b", END)))


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (by_hand((START, "a"), ("a", "b"), ("b", "a"), ("b", END)), "in a circle: a → b → a"),
        (by_hand((START, "a"), ("a", "a"), ("a", END)), "in a circle: a → a"),
        (by_hand((START, "a"), ("a", END), ("b", END)), "'b' cannot be reached"),
        (by_hand((START, "a"), (START, END)), "'a' does not lead to the end"),
        (Graph(nodes=(Node(id="a", kind="user", label="a"),), edges=()), "no node 'start'"),
        (by_hand((START, END)).but(edges=(Edge(source="start", target="x"),)), "names 'x'"),
    ],
)
def test_a_graph_that_cannot_be_walked_is_refused_and_says_where(graph: Graph, said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        insist_on_paths(graph)

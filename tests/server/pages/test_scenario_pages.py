"""Scenarios on pages: seen as a graph, edited as files, and the same in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_shop import desk, posted, with_scenario

from taketwo.freeze.files import load
from taketwo.graph import END, START, Edge, Graph, Node
from taketwo.scenario import MustCall
from taketwo.server.flow.scenarios import ROWS
from taketwo.server.flow.shelf import Flow
from taketwo.server.pages.picture import HEIGHT, WIDTH, picture
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    for id in ("one", "two"):
        store.put_conversation(desk(id))
    return store


@pytest.fixture
def client(serving: Serving, store: Store) -> Iterator[httpx.Client]:
    with serving(store) as client:
        client.headers["accept"] = "text/html"
        yield client


@pytest.fixture
def scenario(client: httpx.Client) -> str:
    with_scenario(client)
    return f"/scenarios/{client.get('/scenarios.json').json()['scenarios'][0]['id']}"


def first_row(client: httpx.Client, scenario: str) -> str:
    return f"/scenario-rows/{client.get(f'{scenario}.json').json()['rows'][0]['id']}"


def test_a_scenario_is_drawn_with_its_rows(client: httpx.Client, scenario: str) -> None:
    page = client.get(scenario).text
    assert page.count('class="node call') >= 2 and "recorded <a" in page
    named = next(part.split("#")[0] for part in page.split('href="')[1:] if "node=" in part)
    assert 'id="node"' in client.get(named.replace("&amp;", "&")).text


def test_a_row_is_edited_as_a_file_and_previewed_before(client: httpx.Client, store: Store, scenario: str) -> None:
    row = first_row(client, scenario)
    text = client.get(row).text
    assert "taketwo: 1" in text
    kept = ROWS.get(Flow(store), row.rpartition("/")[2])
    assert kept.case is not None
    download = client.get(f"{scenario}/file")
    one_case = download.text.replace(f"- id: {kept.case_id}", f"- id: {kept.case_id}\n  expected:\n  - must_call: x", 1)
    only_first = one_case[: one_case.index("\n- id: ", one_case.index("- id: ") + 1)]
    preview = client.post(f"{row}/preview", data={"file": only_first}).text
    assert "must call x" in preview and "<ins>" in preview
    posted(client, row, file=only_first)
    changed = ROWS.get(Flow(store), kept.id).case
    assert changed is not None and changed.expected == (MustCall(tool="x"),)


@pytest.mark.parametrize("text", ["", "taketwo: 1\nname: x\ncases: []\n", "a: [", "taketwo: 99\nname: x\ncases: []\n"])
def test_what_is_no_file_is_told_before_it_is_saved(client: httpx.Client, scenario: str, text: str) -> None:
    row = first_row(client, scenario)
    assert 'class="problem"' in client.post(f"{row}/preview", data={"file": text}).text
    answer = client.post(row, data={"file": text})
    assert answer.status_code in (400, 422) and "/tmp/" not in answer.text


def test_a_scenario_goes_into_a_repository_and_comes_back(client: httpx.Client, scenario: str, tmp_path: Path) -> None:
    file = client.get(f"{scenario}/file")
    (tmp_path / "shop.scenario.yaml").write_bytes(file.content)
    cases = load(tmp_path / "shop.scenario.yaml").cases
    assert len(cases) == 2
    renamed = file.text.replace("\nname: ", "\nname: Again ", 1)
    answer = client.post("/scenarios", files={"file": ("shop.scenario.yaml", renamed)}, data={"project": "shop"})
    back = client.get(f"{answer.headers['location']}/file")
    assert back.text == renamed


def test_a_scenario_is_duplicated_and_deleted(client: httpx.Client, scenario: str) -> None:
    copy = posted(client, f"{scenario}/duplicate")
    posted(client, f"{copy}/delete")
    assert client.get(copy).status_code == 404 and client.get(scenario).status_code == 200


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_in_every_picture_each_node_has_a_place_of_its_own_below_what_leads_there(pairs: list[tuple[int, int]]) -> None:
    edges = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    inner = [Node(id=f"n{n}", kind="say", label=f"node {n} " * 9, count=n) for n in range(9)]
    nodes = (Node(id=START, kind="start", label="start"), *inner, Node(id=END, kind="end", label="end"))
    ends = [Edge(source=START, target="n0"), Edge(source="n8", target=END)]
    graph = Graph(nodes=nodes, edges=(*(Edge(source=f"n{a}", target=f"n{b}", count=1) for a, b in edges), *ends))
    drawn = picture(graph)
    at = {box.node.id: (box.x, box.y) for box in drawn.boxes}
    assert len(set(at.values())) == len(nodes)
    for x, y in at.values():
        assert x >= 0 and x + WIDTH <= drawn.width and y >= 0 and y + HEIGHT <= drawn.height
    assert all(at[edge.source][1] < at[edge.target][1] for edge in graph.edges)

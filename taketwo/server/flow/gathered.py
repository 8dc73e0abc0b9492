"""What a scenario says of all its conversations together: its graph, what no row shows, and why others are no rows.

Lines of many users stand in it. So it is kept apart from the scenario, goes with the first of its conversations that is
deleted, and is made anew of those that are left when somebody next asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from taketwo.conversation import Conversation
from taketwo.errors import NotFound
from taketwo.freeze.graph import draw
from taketwo.graph import Graph, insist_on_paths
from taketwo.sdk.api.scenarios import DuplicateScenario, GraphScenario, ScenarioRow, UpdateScenario
from taketwo.select.choose import Choice, choose, traits_of
from taketwo.server.flow.changes import changed_fields
from taketwo.server.flow.scenarios import ROWS, SCENARIOS, sources_of
from taketwo.server.flow.selection import COPIES
from taketwo.server.flow.shelf import Flow, Place, Shelf
from taketwo.value import Value

MOST_DRAWN = 2_000
"""A graph is drawn of so many conversations at most: more of them change its counts, not its ways."""
MOST_TRIES = 5
"""How often it is made again because something is deleted meanwhile."""


class Gathered(Value):
    """What is said of the conversations of one scenario."""

    scenario_id: str
    """The scenario."""
    project: str
    """Its project."""
    sources: tuple[str, ...]
    """Ids of all conversations that something in it comes from."""
    rows: dict[str, str] = {}
    """The row of each selected conversation that is one, by the selected id."""
    left_out: dict[str, str] = {}
    """Why each of the other selected ones was left out, by the selected id."""
    not_covered: tuple[str, ...] = ()
    """What no row shows, one line each."""
    graph: Graph | None = None
    """The graph that was drawn of them; None where none was asked for."""


GATHERED = Shelf(
    "gathered",
    Gathered,
    lambda one: one.scenario_id,
    lambda one: Place(project=one.project, also_of=one.sources),
)


def gather(scenario: GraphScenario, recorded: Mapping[str, Conversation], rows: Sequence[ScenarioRow]) -> Gathered:
    """What is said of these conversations, given by their selected ids, of which some are rows."""
    by_conversation = {row.case.recorded.id: row.id for row in rows if row.case and row.origin == "recorded"}
    taken = {id: by_conversation[one.id] for id, one in recorded.items() if one.id in by_conversation}
    traits = {id: traits_of(one).but(id=id) for id, one in recorded.items()}
    left = [traits[id] for id in recorded if id not in taken]
    choice = choose(left, 0, kept=[traits[id] for id in taken]) if left else Choice()
    return Gathered(
        scenario_id=scenario.id,
        project=scenario.project,
        sources=(),
        rows=taken,
        left_out={one.id: one.why for one in choice.left_out},
        not_covered=choice.uncovered,
        graph=drawn(recorded.values()) if scenario.graph_is_drawn else None,
    )


def drawn(conversations: Iterable[Conversation]) -> Graph | None:
    """The graph of the first of them; None where there are none."""
    some = list(conversations)[:MOST_DRAWN]
    return draw(some).graph if some else None


def gathered(flow: Flow, scenario: GraphScenario) -> Gathered | None:
    """What is kept of a scenario that was made of conversations, made anew where it was deleted with one of them."""
    if scenario.replay_session_id is None:
        return None
    for _ in range(MOST_TRIES):
        with suppress(NotFound):
            return GATHERED.get(flow, scenario.id)
        copies = list(COPIES.parts(flow, scenario.replay_session_id))
        rows = list(ROWS.parts(flow, scenario.id))
        recorded = {copy.selected_id: copy.conversation for copy in copies}
        if not recorded:
            recorded = {
                row.case.recorded.id: row.case.recorded for row in rows if row.case and row.origin == "recorded"
            }
        sources = {copy.source for copy in copies} | {source for row in rows for source in sources_of(row)}
        made = gather(scenario, recorded, rows).but(sources=tuple(sorted(sources)))
        flow.documents.put(GATHERED.document(made))
        forget_what_was_deleted(flow, scenario)
    return None


def forget_what_was_deleted(flow: Flow, scenario: GraphScenario) -> None:
    """Drop what was just said of conversations that were deleted meanwhile.

    A deletion removes copies and rows first: what is kept after it is found here, and what was kept before it, there.
    """
    there = {source for row in ROWS.parts(flow, scenario.id) for source in sources_of(row)}
    there |= {copy.source for copy in COPIES.parts(flow, scenario.replay_session_id or "")}
    with suppress(NotFound):
        if not there.issuperset(GATHERED.get(flow, scenario.id).sources):
            GATHERED.remove(flow, scenario.id)


def scenario_now(flow: Flow, id: str) -> GraphScenario:
    """The scenario with its graph and what it does not cover. Raises NotFound."""
    return with_gathered(flow, SCENARIOS.get(flow, id))


def with_gathered(flow: Flow, scenario: GraphScenario) -> GraphScenario:
    """The scenario with what is said of its conversations."""
    scenario = scenario.but(rows=sum(ROWS.counts(flow, scenario.id).values()))
    if (said := gathered(flow, scenario)) is None:
        return scenario
    graph = said.graph if scenario.graph_is_drawn else scenario.graph
    return scenario.but(graph=graph, not_covered=said.not_covered)


def update_scenario(flow: Flow, id: str, asked: UpdateScenario) -> GraphScenario:
    """Change name, description or graph. Raises NotFound, AlreadyThere.

    A graph that was drawn and is edited still goes with its conversations: their lines may stand in it.
    """
    fields = changed_fields(asked)
    if isinstance(asked.graph, Graph):
        insist_on_paths(asked.graph)
    before = SCENARIOS.get(flow, id)
    if "graph" in fields and before.graph_is_drawn and gathered(flow, before) is not None:
        graph = fields.pop("graph")
        GATHERED.change(flow, id, lambda one: one.but(graph=graph))
        fields["graph_is_drawn"] = graph is not None
    SCENARIOS.change(flow, id, lambda one: one.but(**fields, version=one.version + 1, updated_at=flow.now()))
    return scenario_now(flow, id)


def delete_scenario(flow: Flow, id: str) -> None:
    """Delete a scenario with its rows; what was replayed of them stays. Raises NotFound."""
    SCENARIOS.get(flow, id)
    forget_scenario(flow, id)


def forget_scenario(flow: Flow, id: str) -> None:
    """Take away whatever there is of it."""
    SCENARIOS.remove(flow, id)
    GATHERED.remove(flow, id)
    ROWS.remove_parts(flow, id)


def duplicate_scenario(flow: Flow, id: str, asked: DuplicateScenario) -> GraphScenario:
    """A copy with all rows, under another name. Raises NotFound, AlreadyThere."""
    original, now = SCENARIOS.get(flow, id), flow.now()
    copy = original.but(
        id=flow.new_id(), name=asked.name or f"{original.name} copy", version=1, created_at=now, updated_at=now
    )
    copies = {row.id: row.but(id=flow.new_id(), scenario_id=copy.id) for row in ROWS.parts(flow, id)}
    flow.documents.add([SCENARIOS.document(copy), *map(ROWS.document, copies.values())])
    # What was deleted of the original before its copy was kept was deleted with a conversation.
    for row_id in copies.keys() - {row.id for row in ROWS.parts(flow, id)}:
        ROWS.remove(flow, copies[row_id].id)
    return scenario_now(flow, copy.id)

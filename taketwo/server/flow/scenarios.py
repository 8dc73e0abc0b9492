"""Scenarios and their rows."""

from __future__ import annotations

from collections.abc import Sequence

from taketwo.errors import AlreadyThere, BadSetting, NotFound, ScenarioUnreadable, WrongState
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.freeze import freeze
from taketwo.graph import insist_on_paths
from taketwo.scenario import Case, Scenario
from taketwo.sdk.api.scenarios import (
    MOST_ROWS,
    AddRow,
    AddRows,
    CreateScenario,
    GraphScenario,
    ScenarioRow,
    UpdateRow,
)
from taketwo.server.flow.agents import AGENTS
from taketwo.server.flow.changes import changed_fields
from taketwo.server.flow.portraits import portrait
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow, Listed, Place, Shelf
from taketwo.store.summary import summarise
from taketwo.value import JSON

SCENARIOS = Shelf("scenario", GraphScenario, lambda one: one.id, lambda one: Place(project=one.project, key=one.name))
ROWS = Shelf(
    "row",
    ScenarioRow,
    lambda one: one.id,
    lambda one: Place(
        project=None if one.case is None else one.case.recorded.project,
        parent=one.scenario_id,
        key=f"{one.scenario_id}/{one.case_id}",
        state=one.origin,
        position=one.position,
        source=one.source,
        also_of=one.also_of,
        user=None if one.case is None or one.also_of else one.case.recorded.user_id,
    ),
)


def sources_of(row: ScenarioRow) -> tuple[str, ...]:
    """Ids of the conversations that the row is made of."""
    return row.also_of if row.source is None else (row.source, *row.also_of)


def create_scenario(flow: Flow, asked: CreateScenario) -> GraphScenario:
    """Make a scenario that has no rows yet. Raises AlreadyThere, NotFound."""
    if asked.agent_definition_id is not None:
        AGENTS.get(flow, asked.agent_definition_id)
    if asked.graph is not None:
        insist_on_paths(asked.graph)
    now = flow.now()
    scenario = GraphScenario(
        id=flow.new_id(),
        project=project_name(flow, asked.project_id),
        name=asked.name,
        description=asked.description,
        version=1,
        rows=0,
        created_at=now,
        updated_at=now,
        agent_definition_id=asked.agent_definition_id,
        columns=asked.columns,
        graph=asked.graph,
    )
    SCENARIOS.add(flow, scenario)
    return scenario


def rows_of(
    flow: Flow, id: str, *, limit: int, after: str | None = None, origin: str | None = None
) -> Listed[ScenarioRow]:
    """The rows in order, without their cases. Raises NotFound."""
    SCENARIOS.get(flow, id)
    page = ROWS.page(flow, parent=id, limit=limit, after=after, state=origin, newest_first=False)
    return Listed([row.but(case=None) for row in page.things], page.next)


def add_rows(flow: Flow, id: str, asked: AddRows) -> Listed[ScenarioRow]:
    """Add rows behind those that are there, all or none. Raises NotFound, BadSetting naming the row, AlreadyThere."""
    scenario = SCENARIOS.get(flow, id)
    there = {row.case_id for row in ROWS.parts(flow, id)}
    if len(there) + len(asked.rows) > MOST_ROWS:
        raise BadSetting(f"a scenario has at most {MOST_ROWS:,} rows", where="rows", todo="make another scenario")
    cases = [_case(flow, scenario, row, f"rows[{number}]") for number, row in enumerate(asked.rows)]
    rows = [
        row_of(flow, id, _renamed(case, there), len(there) + number, asked.rows[number].columns)
        for number, case in enumerate(cases)
    ]
    ROWS.add(flow, *rows)
    _insist_on_captured(flow, scenario, asked, rows)
    touch(flow, id, rows=len(rows))
    return Listed([row.but(case=None) for row in rows], None)


def update_row(flow: Flow, id: str, asked: UpdateRow) -> ScenarioRow:
    """Change a row. Raises NotFound, BadSetting, AlreadyThere."""
    fields = changed_fields(asked)

    def updated(row: ScenarioRow) -> ScenarioRow:
        assert row.case is not None, "rows are kept with their cases"
        case: Case = fields.get("case", row.case)
        case = case.but(**{name: fields[name] for name in ("expected", "why") if name in fields})
        _insist(case, "case")
        changed = row_of(flow, row.scenario_id, case, row.position, fields.get("columns", row.columns))
        return _in_place_of(row, changed)

    try:
        row = ROWS.change(flow, id, updated)
    except AlreadyThere as error:
        what = "another row of the scenario has this name"
        raise AlreadyThere(what, where="case.id", todo="choose another name") from error
    touch(flow, row.scenario_id)
    return row


def delete_row(flow: Flow, id: str) -> None:
    """Delete a row; what was replayed of it stays. Raises NotFound."""
    row = ROWS.get(flow, id)
    ROWS.remove(flow, id)
    touch(flow, row.scenario_id, rows=-1)


def touch(flow: Flow, id: str, *, rows: int = 0) -> None:
    """Rows of a scenario were added, changed or taken out."""
    SCENARIOS.change(
        flow, id, lambda one: one.but(rows=one.rows + rows, version=one.version + 1, updated_at=flow.now())
    )


def row_of(flow: Flow, scenario_id: str, case: Case, position: int, columns: dict[str, JSON]) -> ScenarioRow:
    """A case as a row."""
    summary, persona, shown = summarise(case.recorded), _persona(case), portrait(case.recorded)
    return ScenarioRow(
        id=flow.new_id(),
        scenario_id=scenario_id,
        position=position,
        case_id=case.id,
        origin=case.origin.kind,
        source=case.origin.conversation,
        also_of=case.origin.also_of,
        said=summary.said,
        turns=summary.turns,
        tools=summary.tools,
        changed=case.origin.changed,
        persona=persona or shown.persona,
        situation=shown.situation,
        outcome=shown.outcome,
        derived=shown.known() if persona is None else tuple(one for one in shown.known() if one != "persona"),
        columns=columns,
        case=case,
    )


def _persona(case: Case) -> str | None:
    name = case.recorded.metadata.get("persona")
    return name if isinstance(name, str) and case.origin.kind == "synthetic" else None


def _in_place_of(before: ScenarioRow, row: ScenarioRow) -> ScenarioRow:
    """The row with what its case does not tell: a file knows of no persona that was given."""
    row = row.but(id=before.id, changed=before.changed)
    if before.persona is None or "persona" in before.derived:
        return row
    return row.but(persona=before.persona, derived=tuple(one for one in row.derived if one != "persona"))


def as_file(flow: Flow, id: str) -> Scenario:
    """The scenario as it is written into a file of the user's repository. Raises NotFound, WrongState without rows."""
    scenario = SCENARIOS.get(flow, id)
    cases = tuple(row.case for row in ROWS.parts(flow, id) if row.case is not None)
    if not cases:
        raise WrongState("a scenario without rows makes no file", where=f"scenario {scenario.name}", todo="add rows")
    return Scenario(name=scenario.name, cases=cases, description=scenario.description or None)


def keep_file(flow: Flow, project: str, scenario: Scenario, *, id: str | None = None) -> GraphScenario:
    """Keep a scenario that was read from a file: a new one, or in place of the rows of one that is there.

    A row that has the name of one that is there keeps that one's id. Raises AlreadyThere, NotFound, BadSetting.
    """
    if len(scenario.cases) > MOST_ROWS:
        raise BadSetting(f"a scenario has at most {MOST_ROWS:,} rows", where="cases", todo="split the file")
    if id is None:
        asked = CreateScenario(project_id=project, name=scenario.name, description=scenario.description or "")
        made = create_scenario(flow, asked)
        rows = _numbered(flow, made.id, scenario.cases, {})
        ROWS.add(flow, *rows)
        return SCENARIOS.change(flow, made.id, lambda one: one.but(rows=len(rows)))
    old = {row.case_id: row for row in ROWS.parts(flow, id)}
    rows = _numbered(flow, id, scenario.cases, old)
    # One by one, the new ones first: where the process dies in between, no row is lost.
    for row in rows:
        flow.documents.put(ROWS.document(row))
    for row in old.values():
        if row.case_id not in {case.id for case in scenario.cases}:
            ROWS.remove(flow, row.id)
    description = scenario.description or ""
    return SCENARIOS.change(
        flow,
        id,
        lambda one: one.but(rows=len(rows), description=description, version=one.version + 1, updated_at=flow.now()),
    )


def _numbered(flow: Flow, id: str, cases: Sequence[Case], old: dict[str, ScenarioRow]) -> list[ScenarioRow]:
    rows = []
    for number, case in enumerate(cases):
        before = old.get(case.id)
        row = row_of(flow, id, case, number, before.columns if before else {})
        rows.append(_in_place_of(before, row) if before else row)
    return rows


def _case(flow: Flow, scenario: GraphScenario, asked: AddRow, where: str) -> Case:
    if (asked.case is None) == (asked.conversation_id is None):
        raise BadSetting("give either `case` or `conversation_id`", where=where)
    if asked.case is not None:
        _insist(asked.case, f"{where}.case")
        return asked.case
    assert asked.conversation_id is not None, "one of the two is given"
    try:
        conversation = flow.store.conversation(asked.conversation_id, scenario.project)
        return freeze([conversation], name=scenario.name, at=flow.now()).cases[0]
    except (NotFound, ScenarioUnreadable) as error:
        raise BadSetting(error.what, where=f"{where}.conversation_id", todo=error.todo) from error


def _insist_on_captured(flow: Flow, scenario: GraphScenario, asked: AddRows, rows: Sequence[ScenarioRow]) -> None:
    """Take all rows back where a conversation was deleted while its row was made. Raises BadSetting."""
    made_of = {row.source: number for number, row in enumerate(rows) if asked.rows[number].case is None and row.source}
    if deleted := made_of.keys() - flow.store.captured(made_of.keys(), scenario.project):
        for row in rows:
            ROWS.remove(flow, row.id)
        where = f"rows[{min(made_of[source] for source in deleted)}].conversation_id"
        raise BadSetting("the conversation was deleted just now", where=where, todo="leave it out")


def _insist(case: Case, where: str) -> None:
    """Raises BadSetting for a case that cannot be replayed or judged."""
    lines = [turn.user for turn in case.recorded.turns if turn.user]
    if not any(line.text.strip() or line.audio or line.attachments for line in lines):
        raise BadSetting("the user says nothing in it, so there is nothing to replay", where=f"{where}.recorded.turns")
    try:
        insist_on_sense(case)
    except ScenarioUnreadable as error:
        raise BadSetting(error.what, where=f"{where}.expected", todo=error.todo) from error


def _renamed(case: Case, there: set[str]) -> Case:
    """The case under a name that no other row has, which is then taken."""
    name, number = case.id, 1
    while name in there:
        number += 1
        name = f"{case.id}-{number}"
    there.add(name)
    return case if name == case.id else case.but(id=name)

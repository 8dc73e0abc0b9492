"""Run tests: an agent, scenarios and evaluators that are run together, by hand or by the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taketwo.errors import BadSetting, MissingExtra, NotFound
from taketwo.evals.checks import NamedCheck
from taketwo.evals.evaluator import Evaluator
from taketwo.scenario import Case
from taketwo.sdk.api.run_tests import (
    CreateEvaluator,
    CreateRunTest,
    KeptEvaluator,
    RunTest,
    UpdateRunTest,
)
from taketwo.sdk.api.scenarios import GraphScenario, ScenarioRow
from taketwo.server.flow.agents import AGENTS, version
from taketwo.server.flow.alerts import insist_on_receivers
from taketwo.server.flow.asking import Named
from taketwo.server.flow.changes import changed_fields
from taketwo.server.flow.clockwork import next_run
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.replay_sessions import SESSIONS
from taketwo.server.flow.scenarios import ROWS, SCENARIOS
from taketwo.server.flow.shelf import Flow, Place, Shelf, Thing
from taketwo.suite.evaluators import RUBRIC

RUN_TESTS = Shelf(
    "run_test",
    RunTest,
    lambda one: one.id,
    lambda one: Place(project=one.project, key=one.name, due_at=one.next_run_at),
)
EVALUATORS = Shelf("evaluator", KeptEvaluator, lambda one: one.id, lambda one: Place(project=one.project, key=one.name))


def create_evaluator(flow: Flow, asked: CreateEvaluator) -> KeptEvaluator:
    """Keep a judgement under a name. Raises AlreadyThere, BadSetting, also for a rubric where there is no model."""
    if (asked.expected is None) == (asked.rubric is None):
        raise BadSetting("give either `expected` or `rubric`", where="expected")
    if asked.rubric is not None:
        flow.asking.insist_on_model("rubric")
    made = KeptEvaluator(
        id=flow.new_id(),
        project=project_name(flow, asked.project_id),
        name=asked.name,
        expected=asked.expected,
        rubric=asked.rubric,
        created_at=flow.now(),
    )
    EVALUATORS.add(flow, made)
    return made


def delete_evaluator(flow: Flow, id: str) -> None:
    """Delete an evaluator; run tests that ask for it go on without it. Raises NotFound."""
    EVALUATORS.get(flow, id)
    EVALUATORS.remove(flow, id)


def create_run_test(flow: Flow, asked: CreateRunTest) -> RunTest:
    """Make a run test. Raises AlreadyThere, BadSetting naming what is unknown or belongs to another project."""
    agent = _named(flow, AGENTS, asked.agent_definition_id, "agent_definition_id")
    _insist_on_version(flow, agent.id, asked.agent_version)
    _insist_on_scenarios(flow, agent.project, asked.scenario_ids)
    _insist_on_evaluators(flow, agent.project, asked.evaluator_ids, asked.evaluators)
    now = flow.now()
    made = RunTest(
        id=flow.new_id(),
        project=agent.project,
        created_at=now,
        updated_at=now,
        next_run_at=next_run(asked.schedule, now),
        **{name: getattr(asked, name) for name in CreateRunTest.__struct_fields__},
    )
    _insist_on_rows(flow, made)
    _insist_on_running_alone(flow, made)
    if asked.replay_session_id is not None:
        session = _named(flow, SESSIONS, asked.replay_session_id, "replay_session_id")
        if session.project != agent.project:
            raise BadSetting("the replay session belongs to another project", where="replay_session_id")
    RUN_TESTS.add(flow, made)
    if asked.replay_session_id is not None:
        SESSIONS.change(flow, asked.replay_session_id, lambda one: one.but(run_test_id=made.id, updated_at=now))
    return made


def update_run_test(flow: Flow, id: str, asked: UpdateRunTest) -> RunTest:
    """Change a run test; what runs already goes on as it was begun. Raises NotFound, BadSetting, AlreadyThere."""
    fields = changed_fields(asked)
    before = RUN_TESTS.get(flow, id)
    after = before.but(**fields)
    _insist_on_scenarios(flow, before.project, after.scenario_ids)
    _insist_on_evaluators(flow, before.project, after.evaluator_ids, after.evaluators)
    _insist_on_version(flow, before.agent_definition_id, after.agent_version)
    _insist_on_rows(flow, after)
    _insist_on_running_alone(flow, after)
    if "schedule" in fields:
        fields["next_run_at"] = next_run(after.schedule, flow.now())
        fields["schedule_problem"] = None
    return RUN_TESTS.change(flow, id, lambda one: one.but(**fields, updated_at=flow.now()))


def delete_run_test(flow: Flow, id: str) -> None:
    """Delete a run test; what it was run for stays. Raises NotFound."""
    RUN_TESTS.get(flow, id)
    RUN_TESTS.remove(flow, id)


def run_test_named(flow: Flow, name: str, project: str | None = None) -> RunTest:
    """The run test of that name, or of that id. Raises NotFound; BadSetting where several projects have one."""
    found = [one for one in _every(flow, project) if one.name == name or one.id == name]
    if not found:
        known = ", ".join(one.name for one, _ in zip(_every(flow, project), range(5), strict=False))
        raise NotFound(f"there is no run test {name!r}", todo=f"there are: {known}" if known else "create one first")
    if len(found) > 1:
        projects = " and ".join(sorted(one.project for one in found))
        raise BadSetting(f"there is a run test {name!r} in the projects {projects}", where="name", todo="give its id")
    return found[0]


def chosen_rows(flow: Flow, test: RunTest) -> Iterator[tuple[GraphScenario, ScenarioRow]]:
    """The rows that a run test is about, in order."""
    for scenario_id in test.scenario_ids:
        scenario = SCENARIOS.get(flow, scenario_id)
        for row in ROWS.parts(flow, scenario_id):
            if test.row_ids is None or row.id in test.row_ids:
                yield scenario, row


def chosen_evaluators(flow: Flow, ids: Sequence[str], specs: Sequence[str]) -> list[Evaluator | Named]:
    """The evaluators to judge by; those that were deleted since are left out."""
    found: list[Evaluator | Named] = [Named(name=spec, spec=spec) for spec in specs]
    for id in ids:
        try:
            kept = EVALUATORS.get(flow, id)
        except NotFound:
            continue
        if kept.expected is not None:
            found.append(NamedCheck(kept.name, kept.expected))
        else:
            found.append(Named(name=kept.name, rubric=kept.rubric))
    return found


def case_of(flow: Flow, row_id: str) -> Case:
    """The case of a row. Raises NotFound where the row is gone."""
    case = ROWS.get(flow, row_id).case
    assert case is not None, "rows are kept with their cases"
    return case


def _every(flow: Flow, project: str | None) -> Iterator[RunTest]:
    return (one for one in RUN_TESTS.every(flow) if project in (None, one.project))


def _insist_on_version(flow: Flow, agent_id: str, number: int | None) -> None:
    if number is None:
        return
    try:
        version(flow, agent_id, number)
    except NotFound as error:
        raise BadSetting(error.what, where="agent_version", todo=error.todo) from error


def _insist_on_scenarios(flow: Flow, project: str, ids: Sequence[str]) -> None:
    for number, id in enumerate(ids):
        scenario = _named(flow, SCENARIOS, id, f"scenario_ids[{number}]")
        if scenario.project != project:
            raise BadSetting(
                f"scenario {scenario.name!r} belongs to project {scenario.project!r}, the agent to {project!r}",
                where=f"scenario_ids[{number}]",
            )
    if len(set(ids)) < len(ids):
        raise BadSetting("a scenario is named twice", where="scenario_ids", todo="use `repeat` to run rows again")


def _insist_on_rows(flow: Flow, test: RunTest) -> None:
    """Every row that is named must be there; a test that tests nothing must not be green."""
    found = {row.id for _, row in chosen_rows(flow, test)}
    if test.row_ids is not None and (missing := [id for id in test.row_ids if id not in found]):
        raise BadSetting(f"no scenario of the test has a row {missing[0]!r}", where="row_ids")
    if not found:
        raise BadSetting("the scenarios have no rows", where="scenario_ids", todo="add rows first")


def _insist_on_running_alone(flow: Flow, test: RunTest) -> None:
    """What runs by itself is run by the server, and alerts must be able to arrive."""
    insist_on_receivers(test.alerts)
    if test.schedule is None:
        return
    agent = AGENTS.get(flow, test.agent_definition_id)
    if version(flow, agent.id, test.agent_version or agent.active_version).spec is None:
        todo = "give the agent a version with a `spec`, or run the test from your CI with `taketwo replay --run-test`"
        raise BadSetting("the server does not know how to reach the agent", where="schedule", todo=todo)


def _insist_on_evaluators(flow: Flow, project: str, ids: Sequence[str], specs: Sequence[str]) -> None:
    for number, spec in enumerate(specs):
        _insist_on_name(flow, spec, f"evaluators[{number}]")
    for number, id in enumerate(ids):
        if _named(flow, EVALUATORS, id, f"evaluator_ids[{number}]").project != project:
            raise BadSetting("the evaluator belongs to another project", where=f"evaluator_ids[{number}]")


def _insist_on_name(flow: Flow, spec: str, where: str) -> None:
    """Raises BadSetting for a name that means nothing, or that would read files or run code of this machine."""
    if spec.startswith(RUBRIC):
        todo = "keep its text as an evaluator with POST /api/evaluators, and name that one in `evaluator_ids`"
        raise BadSetting("the server reads no files", where=where, todo=todo)
    if ".py:" in spec:
        todo = "judge where the agent runs: taketwo replay --run-test NAME --evaluator FILE.py:NAME"
        raise BadSetting("the server runs nobody's code", where=where, todo=todo)
    try:
        flow.asking.insist(spec)
    except (BadSetting, MissingExtra) as error:
        raise BadSetting(error.what, where=where, todo=error.todo) from error


def _named(flow: Flow, shelf: Shelf[Thing], id: str, field: str) -> Thing:
    try:
        return shelf.get(flow, id)
    except NotFound as error:
        raise BadSetting(error.what, where=field) from error

"""Run tests and evaluators."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from msgspec import Meta

from taketwo.sdk.api.executions import ExecuteRunTest, TestExecution
from taketwo.sdk.api.results import TrendPoint
from taketwo.sdk.api.run_tests import CreateEvaluator, CreateRunTest, KeptEvaluator, RunTest, UpdateRunTest
from taketwo.server.api.operation import Given, Operation, Page, PageOfProject, listing, page_of, shelf_page
from taketwo.server.flow import run_tests as flow
from taketwo.server.flow.executions import EXECUTIONS, execute, with_counts
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.results import trend
from taketwo.server.flow.run_tests import EVALUATORS, RUN_TESTS
from taketwo.server.flow.shelf import Listed

RunTests = listing("RunTests", "run_tests", RunTest)
Evaluators = listing("Evaluators", "evaluators", KeptEvaluator)
TestExecutions = listing("TestExecutions", "test_executions", TestExecution)
Trend = listing("Trend", "points", TrendPoint)


class PageOfRunTests(PageOfProject):
    """Which run tests."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Only the one of this name, or of this id."""


def _list(given: Given) -> Any:
    query: PageOfRunTests = given.query
    project = None if query.project is None else project_name(given.flow, query.project)
    if query.name is not None:
        return page_of(RunTests, Listed([flow.run_test_named(given.flow, query.name, project)], None))
    return page_of(RunTests, RUN_TESTS.page(given.flow, project=project, limit=query.limit, after=query.after))


def _executions(given: Given) -> Any:
    RUN_TESTS.get(given.flow, given.id)
    query: Page = given.query
    page = EXECUTIONS.page(given.flow, parent=given.id, limit=query.limit, after=query.after)
    return page_of(TestExecutions, Listed([with_counts(given.flow, one) for one in page.things], page.next))


OPERATIONS = (
    Operation(
        "GET",
        "/api/run-tests",
        "Run tests",
        "list_run_tests",
        "Run tests, the newest first, or the one of a name.",
        _list,
        RunTests,
        query=PageOfRunTests,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/run-tests",
        "Run tests",
        "create_run_test",
        "Make a run test of an agent, scenarios and evaluators.",
        lambda given: flow.create_run_test(given.flow, given.body),
        RunTest,
        CreateRunTest,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/run-tests/{id}",
        "Run tests",
        "get_run_test",
        "One run test.",
        lambda given: RUN_TESTS.get(given.flow, given.id),
        RunTest,
    ),
    Operation(
        "PATCH",
        "/api/run-tests/{id}",
        "Run tests",
        "update_run_test",
        "Change a run test; what runs already goes on as it was begun.",
        lambda given: flow.update_run_test(given.flow, given.id, given.body),
        RunTest,
        UpdateRunTest,
    ),
    Operation(
        "DELETE",
        "/api/run-tests/{id}",
        "Run tests",
        "delete_run_test",
        "Delete a run test; what came of it stays.",
        lambda given: flow.delete_run_test(given.flow, given.id),
    ),
    Operation(
        "GET",
        "/api/run-tests/{id}/executions",
        "Run tests",
        "list_executions_of_run_test",
        "The executions of a run test, the newest first.",
        _executions,
        TestExecutions,
        query=Page,
    ),
    Operation(
        "POST",
        "/api/run-tests/{id}/executions",
        "Run tests",
        "execute_run_test",
        "Begin an execution: by the server, or for workers that claim its rows.",
        lambda given: execute(given.flow, given.id, given.body),
        TestExecution,
        ExecuteRunTest,
        needs_body=False,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        "GET",
        "/api/run-tests/{id}/trend",
        "Run tests",
        "get_trend",
        "The share of rows that passed, execution by execution, the newest first.",
        lambda given: page_of(Trend, trend(given.flow, given.id, limit=given.query.limit, after=given.query.after)),
        Trend,
        query=Page,
    ),
    Operation(
        "GET",
        "/api/evaluators",
        "Evaluators",
        "list_evaluators",
        "Evaluators, the newest first.",
        shelf_page(Evaluators, EVALUATORS),
        Evaluators,
        query=PageOfProject,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/evaluators",
        "Evaluators",
        "create_evaluator",
        "Keep a judgement that run tests can ask for.",
        lambda given: flow.create_evaluator(given.flow, given.body),
        KeptEvaluator,
        CreateEvaluator,
        status=HTTPStatus.CREATED,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/evaluators/{id}",
        "Evaluators",
        "get_evaluator",
        "One evaluator.",
        lambda given: EVALUATORS.get(given.flow, given.id),
        KeptEvaluator,
    ),
    Operation(
        "DELETE",
        "/api/evaluators/{id}",
        "Evaluators",
        "delete_evaluator",
        "Delete an evaluator; what it judged stays.",
        lambda given: flow.delete_evaluator(given.flow, given.id),
    ),
)
"""What can be asked about run tests."""

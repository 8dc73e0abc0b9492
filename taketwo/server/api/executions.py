"""Test executions, call executions and what came of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from taketwo.sdk.api.asked import Asked
from taketwo.sdk.api.executions import (
    CallExecution,
    CallStatus,
    ClaimedRows,
    ClaimRows,
    ExecutionStatus,
    RenewedLeases,
    RenewLeases,
    ReportRow,
    Rerun,
    TestExecution,
)
from taketwo.sdk.api.results import CaseAndResult, ComparedExecutions, Results, Transcripts
from taketwo.server.api.operation import File, Given, Operation, Page, PageOfProject, listing, page_of
from taketwo.server.api.run_tests import TestExecutions
from taketwo.server.flow import executions as flow
from taketwo.server.flow import hand_outs, results
from taketwo.server.flow.executions import CALLS, EXECUTIONS
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Listed
from taketwo.server.flow.spans import spans_of
from taketwo.span import Span
from taketwo.verdict import VerdictKind

Spans = listing("Spans", "spans", Span)
CallExecutions = listing("CallExecutions", "call_executions", CallExecution)


class PageOfExecutions(PageOfProject):
    """Which executions."""

    status: ExecutionStatus | None = None
    """Only those that are so."""


class PageOfCalls(Page):
    """Which rows of an execution."""

    status: CallStatus | None = None
    """Only those that are so."""
    verdict: VerdictKind | None = None
    """Only those of this verdict."""


class ExportFormat(Asked):
    """As what an execution is exported."""

    format: Literal["csv", "json"] = "json"
    """`csv`: one line for each row; `json`: everything."""


def _list(given: Given) -> Any:
    query: PageOfExecutions = given.query
    project = None if query.project is None else project_name(given.flow, query.project)
    page = EXECUTIONS.page(given.flow, project=project, state=query.status, limit=query.limit, after=query.after)
    return page_of(TestExecutions, Listed([flow.with_counts(given.flow, one) for one in page.things], page.next))


def _calls(given: Given) -> Any:
    EXECUTIONS.get(given.flow, given.id)
    query: PageOfCalls = given.query
    page = CALLS.page(
        given.flow,
        parent=given.id,
        state=query.status,
        outcome=query.verdict,
        limit=query.limit,
        after=query.after,
        newest_first=False,
    )
    return page_of(CallExecutions, page)


def _export(given: Given) -> File:
    query: ExportFormat = given.query
    if query.format == "csv":
        # The mark tells spreadsheets that it is UTF-8.
        content = f"\ufeff{results.as_csv(given.flow, given.id)}".encode()
        return File(content, "text/csv; charset=utf-8", f"execution-{given.id}.csv")
    exported = results.export(given.flow, given.id)
    return File(exported.to_json(), "application/json", f"execution-{given.id}.json")


OPERATIONS = (
    Operation(
        "GET",
        "/api/test-executions",
        "Test executions",
        "list_test_executions",
        "Test executions, the newest first.",
        _list,
        TestExecutions,
        query=PageOfExecutions,
        refusals=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "GET",
        "/api/test-executions/{id}",
        "Test executions",
        "get_test_execution",
        "How far an execution is, with its verdicts.",
        lambda given: flow.execution_now(given.flow, given.id),
        TestExecution,
    ),
    Operation(
        "POST",
        "/api/test-executions/{id}/cancel",
        "Test executions",
        "cancel_test_execution",
        "Stop an execution; what was replayed stays.",
        lambda given: flow.cancel_execution(given.flow, given.id),
        TestExecution,
    ),
    Operation(
        "POST",
        "/api/test-executions/{id}/rerun",
        "Test executions",
        "rerun_test_execution",
        "Do all rows again, or those that failed, or only the judgements.",
        lambda given: flow.rerun(given.flow, given.id, given.body),
        TestExecution,
        Rerun,
        needs_body=False,
        status=HTTPStatus.ACCEPTED,
    ),
    Operation(
        "GET",
        "/api/test-executions/{id}/results",
        "Results",
        "get_results",
        "All figures of an execution, with intervals.",
        lambda given: results.results(given.flow, given.id),
        Results,
    ),
    Operation(
        "GET",
        "/api/test-executions/{id}/export",
        "Results",
        "export_test_execution",
        "All of an execution as a file.",
        _export,
        File,
        query=ExportFormat,
    ),
    Operation(
        "GET",
        "/api/test-executions/{id}/compare/{part}",
        "Results",
        "compare_test_executions",
        "Two executions of the same rows side by side: `{id}` before, `{part}` after.",
        lambda given: results.compare_executions(given.flow, given.id, given.part),
        ComparedExecutions,
    ),
    Operation(
        "GET",
        "/api/test-executions/{id}/call-executions",
        "Call executions",
        "list_call_executions",
        "The rows of an execution, in order.",
        _calls,
        CallExecutions,
        query=PageOfCalls,
    ),
    Operation(
        "POST",
        "/api/test-executions/{id}/claim",
        "Workers",
        "claim_rows",
        "Take rows to replay, under a lease.",
        lambda given: hand_outs.claim_rows(given.flow, given.id, given.body),
        ClaimedRows,
        ClaimRows,
    ),
    Operation(
        "POST",
        "/api/test-executions/{id}/renew",
        "Workers",
        "renew_leases",
        "Say that rows are still worked on.",
        lambda given: hand_outs.renew_leases(given.flow, given.id, given.body),
        RenewedLeases,
        RenewLeases,
    ),
    Operation(
        "GET",
        "/api/call-executions/{id}",
        "Call executions",
        "get_call_execution",
        "One row of an execution, with its verdict and scores.",
        lambda given: CALLS.get(given.flow, given.id),
        CallExecution,
    ),
    Operation(
        "GET",
        "/api/call-executions/{id}/comparison",
        "Call executions",
        "get_comparison",
        "Both transcripts of a row, and every difference between them.",
        lambda given: results.transcripts(given.flow, given.id),
        Transcripts,
    ),
    Operation(
        "GET",
        "/api/call-executions/{id}/result",
        "Call executions",
        "get_case_result",
        "The case as it was replayed, every replay of it, and the verdict with all reasons.",
        lambda given: results.result_of(given.flow, given.id),
        CaseAndResult,
    ),
    Operation(
        "GET",
        "/api/call-executions/{id}/spans",
        "Call executions",
        "list_spans",
        "The spans that the agent made while the row was replayed, by start.",
        lambda given: page_of(Spans, spans_of(given.flow, given.id, limit=given.query.limit, after=given.query.after)),
        Spans,
        query=Page,
    ),
    Operation(
        "POST",
        "/api/call-executions/{id}/report",
        "Workers",
        "report_row",
        "Report the replays of a row, or why there are none.",
        lambda given: hand_outs.report_row(given.flow, given.id, given.body),
        CallExecution,
        ReportRow,
    ),
)
"""What can be asked about executions."""

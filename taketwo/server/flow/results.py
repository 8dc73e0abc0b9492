"""What came of executions in figures: by one code path for both sides, with intervals, and as files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean, quantiles

from taketwo.errors import BadSetting, NotFound
from taketwo.sdk.api.executions import CallExecution, CallFigures
from taketwo.sdk.api.results import (
    CaseAndResult,
    ComparedExecutions,
    ComparedRow,
    Results,
    ScoreSummary,
    Spread,
    Transcripts,
    TrendPoint,
)
from taketwo.server.flow.executions import CALLS, EXECUTIONS, execution_now, with_counts
from taketwo.server.flow.judging import RESULTS
from taketwo.server.flow.run_tests import RUN_TESTS, case_of
from taketwo.server.flow.shelf import Flow, Listed
from taketwo.stats.intervals import bootstrap_mean, wilson
from taketwo.stats.paired import mcnemar
from taketwo.value import JSON, Value
from taketwo.verdict import Score, Unscored

FIGURES: dict[str, Callable[[CallFigures], float | None]] = {
    "output_tokens": lambda one: one.output_tokens,
    "latency_ms": lambda one: one.mean_latency_ms,
    "turn_count": lambda one: one.turns,
    "tool_calls": lambda one: one.tool_calls,
    "agent_words": lambda one: one.agent_words,
    "csat": lambda one: one.csat,
}
"""The system metrics, each a figure of one call."""

SEED = 20
"""So that the same calls give the same interval each time."""
RESAMPLES = 1_000
GRAVENESS = {"pass": 0, "changed": 1, "flaky": 2, "fail": 3}
"""By verdict, how bad it is; an inconclusive row is neither better nor worse than another."""
MOST_BOOTSTRAPPED = 2_000
"""With more figures than this the interval of a mean is that of the normal distribution: the two agree by then."""
NO_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""

COLUMNS: dict[str, Callable[[CallExecution], JSON]] = {
    "case": lambda call: call.case_id,
    "scenario": lambda call: call.scenario,
    "origin": lambda call: call.origin,
    "status": lambda call: call.status,
    "verdict": lambda call: call.verdict,
    "headline": lambda call: call.headline,
    "ended_reason": lambda call: call.ended_reason,
    "started_at": lambda call: call.started_at.isoformat() if call.started_at else None,
    "ended_at": lambda call: call.ended_at.isoformat() if call.ended_at else None,
    "handed_out": lambda call: len(call.handed_out),
    "run_id": lambda call: call.run_id,
    "call_execution_id": lambda call: call.id,
}
"""The columns of the CSV, before the figures of both sides and the scores."""


class Export(Value):
    """All of an execution in one JSON document."""

    results: Results
    """The figures."""
    calls: tuple[CallExecution, ...]
    """Every row."""


def results(flow: Flow, id: str) -> Results:
    """All figures of an execution. Raises NotFound."""
    execution = execution_now(flow, id)
    calls = list(CALLS.parts(flow, id))
    done = [call for call in calls if call.status == "completed"]
    reasons = dict.fromkeys(reason for call in done for reason in call.not_comparable)
    return Results(
        test_execution_id=id,
        total=len(calls),
        completed=len(done),
        failed=sum(call.status == "failed" for call in calls),
        percentage=100 * len(done) / len(calls) if calls else None,
        verdicts=execution.verdicts,
        replayed=_spreads([call.replayed for call in done if call.replayed is not None]),
        recorded=_spreads([call.recorded for call in done if call.recorded is not None]),
        scores=tuple(_score_summaries(done)),
        not_comparable=tuple(reasons),
    )


def transcripts(flow: Flow, call_id: str) -> Transcripts:
    """Both sides of a row and what is different; only the recording while nothing is replayed. Raises NotFound."""
    call = CALLS.get(flow, call_id)
    try:
        kept = RESULTS.get(flow, call_id)
    except NotFound:
        return Transcripts(call=call, recorded=case_of(flow, call.row_id).recorded, replayed=None, comparison=None)
    last = kept.result.attempts[-1]
    return Transcripts(
        call=call,
        recorded=kept.case.recorded,
        replayed=last.run.conversation,
        comparison=last.comparison,
        run=last.run,
    )


def result_of(flow: Flow, call_id: str) -> CaseAndResult:
    """The newest result of a row with its case. Raises NotFound while there is none."""
    CALLS.get(flow, call_id)
    kept = RESULTS.get(flow, call_id)
    return CaseAndResult(case=kept.case, result=kept.result)


def compare_executions(flow: Flow, before_id: str, after_id: str) -> ComparedExecutions:
    """Two executions of the same rows side by side. Raises NotFound, BadSetting where they share no row."""
    before, after = ({call.row_id: call for call in CALLS.parts(flow, id)} for id in (before_id, after_id))
    if before and after and not before.keys() & after.keys():
        raise BadSetting("the two executions share no row, so there is nothing to compare", where="part")
    found: dict[str, list[ComparedRow]] = {"better": [], "worse": [], "other": [], "same": []}
    for row_id in {**before, **after}:
        kind, row = _compared(row_id, before.get(row_id), after.get(row_id))
        found[kind].append(row)
    better, worse = len(found["better"]), len(found["worse"])
    return ComparedExecutions(
        before=results(flow, before_id),
        after=results(flow, after_id),
        better=tuple(found["better"]),
        worse=tuple(found["worse"]),
        other=tuple(found["other"]),
        same=len(found["same"]),
        # Two-sided, as nobody has said beforehand which one should be worse.
        p_value=min(1.0, 2 * mcnemar(max(better, worse), min(better, worse))) if better + worse else None,
    )


def trend(flow: Flow, run_test_id: str, *, limit: int, after: str | None = None) -> Listed[TrendPoint]:
    """The executions of a run test with the share of rows that passed, the newest first. Raises NotFound."""
    RUN_TESTS.get(flow, run_test_id)
    page = EXECUTIONS.page(flow, parent=run_test_id, limit=limit, after=after)
    points = []
    for execution in page.things:
        counted = with_counts(flow, execution)
        judged = sum(number for kind, number in counted.verdicts.items() if kind != "inconclusive")
        rate = wilson(counted.verdicts.get("pass", 0), judged) if judged else None
        points.append(
            TrendPoint(
                execution=counted,
                pass_rate=rate.estimate if rate else None,
                low=rate.low if rate else None,
                high=rate.high if rate else None,
            )
        )
    return Listed(points, page.next)


def export(flow: Flow, id: str) -> Export:
    """The execution with every row. Raises NotFound."""
    return Export(results=results(flow, id), calls=tuple(CALLS.parts(flow, id)))


def as_csv(flow: Flow, id: str) -> str:
    """One line for each row, with the figures of both sides and a column for each score. Raises NotFound."""
    EXECUTIONS.get(flow, id)
    calls = list(CALLS.parts(flow, id))
    names = list(dict.fromkeys(score.name for call in calls for score in call.scores))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    sides = [f"{side}_{figure}" for figure in FIGURES for side in ("recorded", "replayed")]
    writer.writerow([_cell(name) for name in (*COLUMNS, *sides, *names)])
    for call in calls:
        writer.writerow([_cell(value) for value in _line(call, names)])
    return out.getvalue()


def _line(call: CallExecution, names: Sequence[str]) -> Iterator[JSON]:
    yield from (value(call) for value in COLUMNS.values())
    for figure in FIGURES.values():
        for side in (call.recorded, call.replayed):
            yield None if side is None else figure(side)
    judged = {score.name: score for score in call.scores}
    for name in names:
        score = judged.get(name)
        yield score.value if isinstance(score, Score) else None if score is None else f"unscored: {score.why}"


def _cell(value: JSON) -> str:
    """A text that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return f"'{text}" if text.lstrip().startswith(NO_FORMULA) or text.startswith(NO_FORMULA) else text


def _spreads(figures: Sequence[CallFigures]) -> dict[str, Spread]:
    return {
        name: _spread([value for one in figures if (value := figure(one)) is not None])
        for name, figure in FIGURES.items()
    }


def _spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(count=0, mean=None)
    low, high = _interval(values)
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return Spread(
        count=len(values),
        mean=fmean(values),
        low=low,
        high=high,
        minimum=min(values),
        maximum=max(values),
        p50=cuts[49],
        p95=cuts[94],
    )


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Both ends of the 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None, None
    if len(values) <= MOST_BOOTSTRAPPED:
        found = bootstrap_mean(values, seed=SEED, resamples=RESAMPLES)
        return found.low, found.high
    mean = fmean(values)
    variance = fmean([(value - mean) ** 2 for value in values])
    half = 1.96 * (variance / len(values)) ** 0.5
    return mean - half, mean + half


def _score_summaries(calls: Iterable[CallExecution]) -> Iterator[ScoreSummary]:
    by_name: dict[str, list[Score | Unscored]] = {}
    for call in calls:
        for score in call.scores:
            by_name.setdefault(score.name, []).append(score)
    return (_score_summary(name, scores) for name, scores in by_name.items())


def _score_summary(name: str, scores: Sequence[Score | Unscored]) -> ScoreSummary:
    values = [score.value for score in scores if isinstance(score, Score)]
    base = ScoreSummary(name=name, scored=len(values), unscored=len(scores) - len(values))
    if values and all(isinstance(value, bool) for value in values):
        rate = wilson(sum(value is True for value in values), len(values))
        return base.but(passed=sum(value is True for value in values), rate=rate.estimate, low=rate.low, high=rate.high)
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if values and len(numbers) == len(values):
        low, high = _interval(numbers)
        return base.but(mean=fmean(numbers), low=low, high=high)
    return base.but(labels=dict(Counter(str(value) for value in values)))


def _compared(row_id: str, before: CallExecution | None, after: CallExecution | None) -> tuple[str, ComparedRow]:
    verdicts = [call.verdict if call is not None else None for call in (before, after)]
    told = before or after
    assert told is not None, "the row is in one of the two"
    row = ComparedRow(
        row_id=row_id,
        case_id=told.case_id,
        before=verdicts[0],
        after=verdicts[1],
        before_call_id=before.id if before else None,
        after_call_id=after.id if after else None,
    )
    if verdicts[0] == verdicts[1]:
        return "same", row
    graveness = [GRAVENESS.get(verdict or "") for verdict in verdicts]
    if graveness[0] is None or graveness[1] is None:
        return "other", row
    return ("better" if graveness[1] < graveness[0] else "worse"), row

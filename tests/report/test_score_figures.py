from __future__ import annotations

from made_results import passed

from taketwo.report.score_figures import ScoreFigures
from taketwo.verdict import CaseResult, Score


def result(*values: float | str | bool, evaluator: str = "csat/1 m") -> CaseResult:
    """A case with an attempt for each value."""
    found = passed().result
    (attempt,) = found.attempts
    return found.but(
        attempts=tuple(attempt.but(scores=(Score(name="csat", value=one, evaluator=evaluator),)) for one in values)
    )


def lines(*results: CaseResult) -> list[str]:
    figures = ScoreFigures()
    for one in results:
        figures.add(one)
    return list(figures.lines())


def test_numbers_are_told_as_their_mean_over_cases_and_checks_are_not() -> None:
    assert lines(result(4.0, 6.0), result(9.0), result(True)) == ["csat: 7 on average, 5 to 9 (2 cases, csat/1 m)"]


def test_labels_are_counted() -> None:
    assert lines(result("better", "same"), result("better")) == ["csat: better 2 times, same 1 times (csat/1 m)"]


def test_scores_of_two_versions_are_never_one_figure() -> None:
    assert lines(result(4.0), result(9.0, evaluator="csat/2 m")) == [
        "csat: 4 on average (1 case, csat/1 m)",
        "csat: 9 on average (1 case, csat/2 m)",
    ]

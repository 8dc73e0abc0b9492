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
    told, _ = lines(result(4.0, 6.0), result(9.0), result(True))
    assert told == "csat: 7 on average, 5 to 9 (2 cases, csat/1 m)"


def test_labels_are_counted() -> None:
    assert lines(result("better", "same"), result("better")) == ["csat: better 2 times, same 1 times (csat/1 m)"]


def test_scores_of_two_versions_are_never_one_figure() -> None:
    assert lines(result(4.0), result(9.0, evaluator="csat/2 m")) == [
        "csat: 4 on average (1 case, csat/1 m)",
        "csat: 9 on average (1 case, csat/2 m)",
    ]


def test_the_noise_of_the_agent_and_of_the_judge_are_told_apart_where_repeats_allow() -> None:
    both = result(5.0, 7.0)
    asked_twice = both.but(
        attempts=tuple(
            one.but(scores=(one.scores[0].but(samples=(one.scores[0].value - 1, one.scores[0].value + 1)),))  # type: ignore[operator]  # numbers
            for one in both.attempts
        )
    )
    _, noise = lines(asked_twice)
    assert noise == (
        "  its noise, variance 3: agent 33%, judge 67%, "
        "user cannot be told (no case has attempts with the same and with other words of the user)"
    )
    _, once = lines(both)
    assert "judge cannot be told (each attempt was judged once, so it is within the agent's: --judge-repeats 3)" in once


def test_a_table_has_the_mean_with_its_interval_and_the_labels() -> None:
    gathered = ScoreFigures()
    for one in (result(4.0, 6.0), result(9.0), result("better")):
        gathered.add(one)
    number, label = gathered.figures()
    assert (number.mean, number.least, number.most, number.cases) == (7.0, 5.0, 9.0, 2)
    assert number.low is not None and 5.0 <= number.low <= 7.0 <= number.high <= 9.0
    assert (label.mean, label.labels, label.cases) == (None, (("better", 1),), 1)

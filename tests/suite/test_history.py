from __future__ import annotations

from datetime import UTC, datetime

from taketwo.report.words import past_in_words
from taketwo.suite.history import after
from taketwo.verdict import Past, SeenAt


def at(revision: str, day: int) -> SeenAt:
    return SeenAt(revision=revision, at=datetime(2026, 11, day, tzinfo=UTC))


A, B, C = at("a" * 40, 25), at("b" * 40, 26), at("c" * 40, 27)


def test_red_is_dated_from_the_first_run_that_failed_after_a_green_one() -> None:
    past = Past()
    for verdict, seen in (("pass", A), ("fail", B), ("fail", C)):
        past = after(past, verdict, seen)  # type: ignore[arg-type]  # one of the verdicts
    assert past == Past(green=A, red=B)
    assert past_in_words(past) == "red since bbbbbbbb (2026-11-26), green at aaaaaaaa (2026-11-25)"
    assert after(past, "pass", C) == Past(green=C)


def test_what_is_neither_green_nor_red_changes_nothing() -> None:
    past = Past(green=A, red=B)
    assert after(past, "inconclusive", C) == after(past, "changed", C) == after(past, "flaky", C) == past


def test_a_run_of_no_known_commit_is_never_taken_for_one() -> None:
    assert after(Past(green=A), "fail", None) == Past(green=A)
    assert past_in_words(Past(green=A)) == "last green at aaaaaaaa (2026-11-25)"
    assert after(Past(green=A, red=B), "pass", None) == Past(green=A)
    assert past_in_words(Past()) == "no green run is known"
    assert past_in_words(Past(red=B)) == "red at least since bbbbbbbb (2026-11-26), no green run is known"
    assert past_in_words(None) == ""


def test_what_fails_at_the_commit_at_which_it_passed_is_not_laid_upon_that_commit() -> None:
    assert "something besides that commit has changed" in past_in_words(Past(green=A, red=A.but(at=B.at)))

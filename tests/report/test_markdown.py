"""The first lines of a summary: what regressed, on which turn, since which commit, how sure."""

from __future__ import annotations

from datetime import UTC, datetime

import made_results as made
import pytest

from taketwo.events import CaseFinished, Event
from taketwo.report.markdown import MARKER, markdown_page
from taketwo.verdict import Past, Reason, SeenAt, Verdict


def written(*events: Event) -> list[str]:
    return markdown_page(made.gathered(made.suite(*events))).replace("\\", "").splitlines()


def with_reason(event: CaseFinished, reason: Reason) -> CaseFinished:
    return event.but(result=event.result.but(verdict=Verdict(kind="fail", reasons=(reason,))))


@pytest.mark.parametrize(
    ("turn_index", "told"), [(3, "turn 4"), (None, "leaves the recording in turn 4")], ids=["of a turn", "of the whole"]
)
def test_the_first_lines_name_the_turn_the_commit_and_how_sure_it_is(turn_index: int | None, told: str) -> None:
    event = with_reason(made.failed(), Reason(text="it pays twice", turn_index=turn_index))
    green, red = (
        SeenAt(revision=sign * 40, at=datetime(2026, 11, day, tzinfo=UTC)) for sign, day in (("a", 1), ("b", 2))
    )
    event = event.but(result=event.result.but(past=Past(green=green, red=red)))
    lines = written(event, made.passed())
    assert lines[:2] == [MARKER, "### ❌ 1 regression: it pays twice"]
    assert lines[3] == (
        f"- **sess-dana**: {told}; red since bbbbbbbb (2026-11-02), green at aaaaaaaa (2026-11-01); seen in one replay"
    )


def test_a_summary_of_one_of_each_begins_with_the_regressions() -> None:
    lines = written(*made.one_of_each())
    assert lines[1].startswith("### ❌ 2 regressions: ")
    folded = [line for line in lines if "<summary>" in line]
    kinds = [next(kind for kind in ORDER if kind in line) for line in folded]
    assert kinds == [kind for kind in ORDER if kind in kinds]


ORDER = ("fail", "not replayed", "flaky", "changed", "inconclusive")

from __future__ import annotations

from typing import get_args

import pytest

from taketwo.compare.severity import (
    TABLE,
    CallDifference,
    Grading,
    OtherDifference,
    Writes,
    severity_table,
)
from taketwo.comparison import FactKind
from taketwo.errors import BadSetting
from taketwo.value import JSON


def test_the_table_is_complete() -> None:
    assert set(TABLE) == {*get_args(CallDifference), *get_args(OtherDifference), *get_args(FactKind)}
    assert all(set(row) == {True, False, None} for row in TABLE.values() if not isinstance(row, str))


def test_a_project_says_otherwise() -> None:
    table = severity_table({"question": "major", "call_added": {"read": "wording"}, "call_lost": "minor"})
    grading = Grading(Writes(()), table)
    assert grading.of("question") == "major"
    assert grading.of_call("call_added", "get_order") == "wording"
    assert grading.of_call("call_added", "issue_refund") == "critical"
    assert grading.of_call("call_lost", "issue_refund") == "minor"
    assert grading.of("amount") == "major"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"qestion": "minor"}, "'qestion'"),
        ({"question": "grave"}, "'grave'"),
        ({"question": {"write": "minor"}}, "question"),
        ({"call_added": {"writes": "minor"}}, "'writes'"),
        ({"call_added": {"write": 1}}, "call_added.write"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_by_name(given: dict[str, JSON], named: str) -> None:
    with pytest.raises(BadSetting, match=named):
        severity_table(given)

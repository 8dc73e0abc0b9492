from __future__ import annotations

from typing import get_args

from taketwo.compare.severity import (
    CALL_SEVERITIES,
    SEVERITIES,
    CallDifference,
    OtherDifference,
)


def test_the_tables_are_complete() -> None:
    assert set(CALL_SEVERITIES) == set(get_args(CallDifference))
    assert set(SEVERITIES) == set(get_args(OtherDifference))
    assert all(set(row) == {True, False, None} for row in CALL_SEVERITIES.values())

from __future__ import annotations

import pytest

from taketwo.writes import READ_WORDS, WRITE_WORDS, writes_by_name


@pytest.mark.parametrize(
    ("tool", "writes"),
    [
        ("issue_refund", True),
        ("cancelReservation", True),
        ("book-flight", True),
        ("mcp__shop__delete_order", True),
        ("HTTPPost", True),
        ("get_refund", False),
        ("list_cancelled_orders", False),
        ("checkStatus", False),
        ("calculate", False),
        ("order_lookup", False),
        ("weather", None),
        ("", None),
        ("übersicht", None),
    ],
)
def test_the_first_telling_word_of_a_name_decides(tool: str, writes: bool | None) -> None:
    assert writes_by_name(tool) is writes


def test_no_word_both_reads_and_writes() -> None:
    assert not READ_WORDS & WRITE_WORDS

"""`-k EXPR`, held against pytest's own."""

from __future__ import annotations

import pytest
from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from taketwo.errors import BadSetting
from taketwo.suite.keywords import keywords

NAMES = ["refund-status.scenario.yaml", "refunds", "sess-dana", "slow", "german"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("dana", True),
        ("DANA", True),
        ("dan", True),
        ("bob", False),
        ("refund and not slow", False),
        ("refund and not (bob or kim)", True),
        ("bob or slow and german", True),
        ("not not slow", True),
        ("sess-dana", True),
    ],
)
def test_an_expression_asks_for_parts_of_names(text: str, fits: bool) -> None:
    assert keywords(text)(NAMES) is fits


WORDS = st.sampled_from(["refund", "slow", "bob", "german", "x"])
EXPRESSIONS = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda one: f"not {one}"),
        inner.map(lambda one: f"({one})"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_it_means_what_it_means_to_pytest(text: str) -> None:
    theirs = Expression.compile(text).evaluate(lambda word, /, **_: any(word.lower() in name for name in NAMES))
    assert keywords(text)(NAMES) is theirs


@pytest.mark.parametrize("text", ["", "  ", "and", "a and", "(a", "a)", "a b", "not", "()", "a or or b", "(" * 5000])
def test_what_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadSetting, match="-k"):
        keywords(text)

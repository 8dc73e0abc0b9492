from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.replay.matching import (
    canonical_key,
    differences,
    exact_key,
    nearest,
    read_arguments,
    shown,
)

SCALARS = st.none() | st.booleans() | st.integers(-30, 30) | st.sampled_from([25.0, "25", "x", "X", " x", "", 0.5])
ARGUMENTS = st.dictionaries(
    st.sampled_from("abc"), SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from("de"), SCALARS)
)


@given(ARGUMENTS, ARGUMENTS)
def test_equal_keys_and_no_differences_are_the_same(asked: dict[str, Any], recorded: dict[str, Any]) -> None:
    assert (canonical_key(asked) == canonical_key(recorded)) == (not differences(asked, recorded))


@given(ARGUMENTS, ARGUMENTS)
def test_what_is_exactly_equal_means_the_same(asked: dict[str, Any], recorded: dict[str, Any]) -> None:
    if exact_key(asked) == exact_key(recorded):
        assert not differences(asked, recorded)


@given(ARGUMENTS)
def test_the_order_of_keys_never_matters(arguments: dict[str, Any]) -> None:
    turned = dict(reversed(arguments.items()))
    assert exact_key(arguments) == exact_key(turned)
    assert canonical_key(arguments) == canonical_key(turned)


def test_a_whole_number_and_a_decimal_are_told_apart_only_by_the_exact_tier() -> None:
    assert exact_key({"amount": 25}) != exact_key({"amount": 25.0})
    assert canonical_key({"amount": 25}) == canonical_key({"amount": 25.0})


def test_differences_name_the_innermost_place() -> None:
    asked = {"order": {"id": "A-1", "items": [1, 2]}, "note": "x", "when": None}
    recorded = {"order": {"id": "A-2", "items": [1, 3]}, "limit": 5}
    assert differences(asked, recorded) == (
        "limit: recorded 5, not asked",
        'note: nothing recorded, asked "x"',
        'order.id: recorded "A-2", asked "A-1"',
        "order.items[1]: recorded 3, asked 2",
    )


def test_the_nearest_has_the_fewest_differences_and_then_the_most_similar_letters() -> None:
    asked = {"order_id": "A-1042", "amount": 25}
    assert nearest(asked, [{"order_id": "B-9", "amount": 20}, {"order_id": "B-9", "amount": 25}]) == 1
    assert nearest(asked, [{"order_id": "B-9", "amount": 25}, {"order_id": "A-1043", "amount": 25}]) == 1
    assert nearest(asked, []) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"a": 1}', ({"a": 1}, None)),
        ("", ({}, None)),
        ("  ", ({}, None)),
        ("null", ({}, None)),
        ("[1]", ({}, "[1]")),
        ("{'a': 1}", ({}, "{'a': 1}")),
        ('{"a": NaN}', ({}, '{"a": NaN}')),
        ("{" * 100_000, ({}, "{" * 100_000)),
        ('{"a":' * 3_000 + "1" + "}" * 3_000, ({}, '{"a":' * 3_000 + "1" + "}" * 3_000)),
        ("\ud800", ({}, "\ufffd")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_arguments_are_an_object_or_a_text(text: str, read: tuple[dict[str, Any], str | None]) -> None:
    assert read_arguments(text) == read


def test_long_values_are_cut_for_people() -> None:
    assert len(shown("x" * 500)) == 80

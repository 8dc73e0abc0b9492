from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.canonical import canonical
from taketwo.value import same_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "spellings",
    [
        (25, 25.0, "25", "25.0", " 25.00 "),
        (0, -0.0, "0", "-0", "0.0"),
        (-3.5, "-3.5", "-3.50"),
        (1e21, 10**21, "1000000000000000000000"),
        ("New York", "new  york", " NEW YORK\n"),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        (
            "2026-11-05",
            "2026/11/5",
            "05.11.2026",
            "5 Nov 2026",
            "November 5, 2026",
            "nov. 5th 2026",
            "5th of November 2026",
        ),
        ("Thursday, November 5, 2026", "Thu 5 Nov 2026", "2026-11-05"),
        ("25/11/2026", "11/25/2026", "2026-11-25"),
        ("2026-11-05T10:00:00Z", "2026-11-05 10:00:00+00:00", "2026-11-05T12:00:00+02:00", "2026-11-05t10:00Z"),
        ("+1 (555) 010-9999", "+15550109999", "1-555-010-9999", "1 555 010 9999", 15550109999),
        ("030 1234567", "0301234567", "(030) 123-4567"),
        ({"a": 1, "b": None}, {"a": "1"}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([{"x": None}, None], [{}, None]),
    ],
    ids=str,
)
def test_spellings_that_mean_the_same_become_the_same(spellings: tuple[object, ...]) -> None:
    assert len({repr(_sorted(canonical(spelling))) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("007", "7"),
        ("A-1042", "A-1043"),
        ("03/04/2026", "2026-03-04"),
        ("03/04/2026", "2026-04-03"),
        ("2026-02-30", "2026-03-02"),
        ("10.0.0.12", "100.0.1.2"),
        ("1234567890123456789012345678901", "1234567890123456789012345678902"),
        (True, 1),
        (True, "true"),
        (None, ""),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("2026-11-05T10:00:00", "2026-11-05T10:00:00Z"),
        ("2026-11-05", "2026-11-05T00:00:00"),
        ("12-345-67", "12-34-567"),
        ("4711 0815", "47110815"),
    ],
)
def test_what_may_mean_something_else_stays_apart(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12-345-67", "12-34-567"),
        ("1234-567-890", "123-4567-890"),
        ("a-1042", "A-1042"),
        ("dQwXyz", "DQwXyZ"),
        ({"id": ["X7 a"]}, {"id": ["x7 a"]}),
    ],
)
def test_ids_that_only_look_alike_stay_apart_where_ids_are_kept(one: object, other: object) -> None:
    assert canonical(one, keep_ids=True) != canonical(other, keep_ids=True)


@pytest.mark.parametrize(
    "spellings",
    [
        (25, 25.0, "25", " 25.00 "),
        ("2026-11-05", "5 Nov 2026"),
        ("+1 (555) 010-9999", "+15550109999"),
        ("Economy", "economy", " ECONOMY"),
        ("Too  late", "too late"),
        ({"a": " A-1042", "b": None}, {"a": "A-1042"}),
    ],
    ids=str,
)
def test_the_rest_is_spelled_alike_even_where_ids_are_kept(spellings: tuple[object, ...]) -> None:
    assert len({repr(_sorted(canonical(spelling, keep_ids=True))) for spelling in spellings}) == 1


@given(JSON_VALUES)
def test_what_is_the_same_with_its_ids_kept_is_the_same_without(value: object) -> None:
    assert canonical(canonical(value, keep_ids=True)) == canonical(value)
    kept = canonical(value, keep_ids=True)
    assert canonical(kept, keep_ids=True) == kept


@given(JSON_VALUES)
def test_the_one_spelling_is_its_own_spelling(value: object) -> None:
    assert canonical(canonical(value)) == canonical(value)


@given(st.text(alphabet="0123456789./- +()tzT:novmber", max_size=24))
def test_no_text_that_looks_like_a_number_or_a_date_is_an_error(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(st.integers(), st.integers())
def test_different_numbers_never_become_the_same(one: int, other: int) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_different_floats_never_become_the_same(one: float, other: float) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def _sorted(value: object) -> object:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value


SMALL = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 0.0, 1.0, 1.5]) | st.sampled_from(["", "0", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(SMALL, SMALL)
def test_json_is_the_same_where_it_is_written_the_same_without_nulls_and_with_one_spelling_of_numbers(
    one: object, other: object
) -> None:
    assert same_json(one, other) == (_spelled(one) == _spelled(other))


def _spelled(value: object) -> str:
    match value:
        case dict():
            there = {key: item for key, item in value.items() if item is not None}
            return f"{{{','.join(f'{key}:{_spelled(there[key])}' for key in sorted(there))}}}"
        case list():
            return f"[{','.join(map(_spelled, value))}]"
        case bool() | str() | None:
            return repr(value)
        case _:
            return repr(float(str(value)))

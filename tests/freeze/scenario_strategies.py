"""Scenarios of every shape, drawn from the types themselves, so that a new field is tested without a word here."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as kinds

from taketwo.comparison import ChangeKind
from taketwo.scenario import Floor, Scenario

CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)

FRAGMENTS = [
    *("no", "null", "true", "yes", "1e3", "0x1F", "12:30:00", "2026-01-01", "7", "~", "=", "<<", "---", "..."),
    *(" ", "  ", "\t", "\n", "\n\n", "\r\n", "\r", "\ufeff", "\x85", "\u2028", "\u2029", "\u202e", "\u200b", "\x00"),
    *(
        "\x1b",
        "\x7f",
        "\ufffe",
        "\U000e0041",
        "👩‍💻",
        "é",
        "\xa0",
        "x" * 130,
        ": ",
        " #",
        ":",
        "#",
        "'",
        '"',
        "\\",
        "- ",
    ),
    *("-", "{", "}", "[", "]", ",", "?", "|", ">", "%", "@", "`", "&a", "*a", "!t", "a", "$", "said"),
]

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join),
)
long_texts = st.builds(lambda text, times: f"{text} and so on\n" * times, texts, st.integers(60, 200))
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([25, 25.0, 1e300, -0.0, 1e16, 5e-324]),
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts | st.just("k" * 600), json_values, max_size=3)


def scenarios() -> st.SearchStrategy[Scenario]:
    """Any scenario that keeps its word: turns are numbered, ids differ, expectations count turns from 1."""
    return _values(kinds.type_info(Scenario)).map(_numbered)


SIMPLE: dict[type[kinds.Type], st.SearchStrategy[Any]] = {
    kinds.AnyType: json_values | long_texts,
    kinds.StrType: texts,
    kinds.IntType: st.integers(1, 2**70),
    kinds.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    kinds.BoolType: st.booleans(),
    kinds.NoneType: st.none(),
    kinds.DateType: st.dates(),
    kinds.DateTimeType: st.datetimes(timezones=st.just(UTC)),
    kinds.DictType: json_objects,
}


def _values(kind: kinds.Type) -> st.SearchStrategy[Any]:
    match kind:
        case kinds.DictType(value_type=kinds.StructType() as value):
            return st.dictionaries(texts, _values(value), max_size=2)
        case kinds.LiteralType(values=words):
            return st.sampled_from(words)
        case kinds.UnionType(types=types):
            return st.one_of([_values(part) for part in types])
        case kinds.VarTupleType(item_type=item):
            return st.lists(_values(item), min_size=1, max_size=3).map(tuple)
        case kinds.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _field(field) for field in fields})
        case _:
            return SIMPLE[type(kind)]


def _field(field: kinds.Field) -> st.SearchStrategy[Any]:
    """Often the default, as in most files."""
    if field.required:
        return _values(field.type)
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return st.just(default) | _values(field.type)


def _numbered(scenario: Scenario) -> Scenario:
    cases = [
        case.but(
            id=f"{case.id}{position}",
            kept=case.kept.but(quarantine=None if case.kept.quarantine is None else f"since {case.kept.quarantine}"),
            least_fidelity=None if case.least_fidelity is None else min(1.0, abs(case.least_fidelity)),
            floor=None if case.floor is None else _possible(case.floor, len(case.recorded.turns)),
            recorded=case.recorded.but(
                turns=tuple(turn.but(index=index) for index, turn in enumerate(case.recorded.turns))
            ),
        )
        for position, case in enumerate(scenario.cases)
    ]
    return scenario.but(cases=tuple(cases))


def _possible(floor: Floor, turns: int) -> Floor:
    """A floor that as many runs of so many turns can have shown."""
    runs, (learned_at, expires_at) = max(floor.runs, 1), sorted((floor.learned_at, floor.expires_at))
    changes = tuple(
        change.but(
            kind=CHANGE_KINDS[len(change.kind) % len(CHANGE_KINDS)],
            turn=None if change.turn is None or not turns else change.turn % turns + 1,
            seen=change.seen % runs + 1,
        )
        for change in floor.changes
    )
    passed = floor.passed % (runs + 1)
    return floor.but(runs=runs, passed=passed, learned_at=learned_at, expires_at=expires_at, changes=changes)


def to_the_letter(value: Any) -> Any:
    """Something that is equal only for values that are equal in type, sign and spelling too."""
    match value:
        case dict():
            return [(key, type(key), to_the_letter(item)) for key, item in value.items()]
        case list() | tuple():
            return [to_the_letter(item) for item in value]
        case float():
            return (value, math.copysign(1, value), float)
        case datetime():
            return value
        case msgspec.Struct():
            return type(value), to_the_letter(msgspec.structs.asdict(value))
        case _:
            return value, type(value)

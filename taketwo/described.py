"""The JSON Schema of a value, with the words that stand under its fields as descriptions."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect as kinds

from taketwo.value import Value

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def described_schema(kind: type[Value]) -> dict[str, Any]:
    """JSON Schema of what `to_json` writes, each field with the words that stand under it in the source."""
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for part in values_within(kind):
        properties = definitions[part.__name__]["properties"]
        for name, description in words_of(part).items():
            properties[name] = {"description": description, **properties[name]}
    return {"$schema": DIALECT, **reference, "$defs": definitions}


def values_within(kind: type[Value]) -> list[type[Value]]:
    """A kind of value and all others that its fields may hold."""
    found: list[type[Value]] = []
    waiting: list[kinds.Type] = [kinds.type_info(kind)]
    while waiting:
        match waiting.pop():
            case kinds.StructType(cls=cls, fields=fields) if issubclass(cls, Value) and cls not in found:
                found.append(cls)
                waiting += [field.type for field in fields]
            case kinds.UnionType(types=types) | kinds.TupleType(item_types=types):
                waiting += types
            case kinds.VarTupleType(item_type=item) | kinds.DictType(value_type=item):
                waiting.append(item)
            case _:  # a text, a number and the like
                pass
    return found


def words_of(kind: type[Value]) -> dict[str, str]:
    """The string under each field of the class, also those that it inherits; none where Python has no source."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if issubclass(one, Value) and one is not Value:
            found |= _own_words(one)
    return found


def _own_words(kind: type[Value]) -> dict[str, str]:
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except OSError:
        return {}
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }

"""Does a value fit a JSON Schema? Nothing is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from taketwo.evals.patterns import CannotJudge
from taketwo.value import JSON

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MESSAGE_LIMIT = 300
"""Characters of a message about a JSON Schema, which may hold the whole value."""


def validator_of(schema: dict[str, JSON]) -> Validator:
    """What says whether values fit. Raises CannotJudge when the schema is none."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind: Callable[..., Validator] = validator_for(schema)
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise CannotJudge(f"the JSON Schema is none: {error.message[:MESSAGE_LIMIT]}") from error
    return kind(schema, registry=Registry())


def misfit(value: JSON, validator: Validator) -> str | None:
    """The weightiest way in which a value does not fit; None when it does. Raises CannotJudge."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(validator.iter_errors(value))
    except Unresolvable as problem:
        raise CannotJudge(f"the JSON Schema refers to what it does not hold: {problem}") from problem
    return None if error is None else f"{error.json_path}: {error.message[:MESSAGE_LIMIT]}"

"""Is an expectation one that can ever be judged? A typo must be an error, not a test that is green for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

from taketwo.errors import ScenarioUnreadable
from taketwo.scenario import ArgumentsMatchSchema, Case, Expectation, MustNotSay, MustSay, ReplyMatchesSchema
from taketwo.value import JSON


def insist_on_sense(case: Case) -> None:
    """Raises ScenarioUnreadable naming the first expectation of the case that can never be judged, and why."""
    for number, expected in enumerate(case.expected, 1):
        for problem in _problems(expected, turns=len(case.recorded.turns)):
            where = f"expectation {number} of {case.id}"
            raise ScenarioUnreadable(problem, where=where, todo="mend it, else it can never fail")


def _problems(expected: Expectation, *, turns: int) -> Iterator[str]:
    turn = None if isinstance(expected, ArgumentsMatchSchema) else expected.turn
    if turn is not None and not 1 <= turn <= turns:
        yield f"there is no turn {turn}: the recording has {turns}"
    match expected:
        case MustSay() | MustNotSay():
            yield from _pattern_problems(expected.text)
        case ReplyMatchesSchema() | ArgumentsMatchSchema():
            yield from _schema_problems(expected.json_schema)
        case _:
            return


def _pattern_problems(text: str) -> Iterator[str]:
    if not text.strip():
        yield "it names no words"
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        try:
            re.compile(text[1:-1])
        except (re.error, OverflowError, RecursionError) as error:
            yield f"{text} is no regular expression: {error}"


def _schema_problems(schema: dict[str, JSON]) -> Iterator[str]:
    # Heavy, and few cases have a schema.
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        yield f"this is no JSON Schema: {error.message}"

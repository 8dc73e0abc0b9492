"""Is this the call that an expectation speaks of: its tool, its arguments, and what they must be like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from taketwo.conversation import Call
from taketwo.evals.patterns import find
from taketwo.scenario import Condition
from taketwo.value import JSON, canonical_json, in_words, same_json


def is_meant(call: Call, tool: str, arguments: Mapping[str, JSON] | None, where: Mapping[str, Condition]) -> bool:
    """Whether it is a call of the tool with these arguments; it may have others too. Raises CannotJudge."""
    if call.tool != tool:
        return False
    has_given = all(same_json(call.arguments.get(name), value) for name, value in (arguments or {}).items())
    return has_given and all(holds(condition, call.arguments.get(name)) for name, condition in where.items())


def holds(condition: Condition, value: JSON) -> bool:
    """Whether a value is as it must be; a missing one is None. Raises CannotJudge."""
    return all(_parts(condition, value))


def _parts(condition: Condition, value: JSON) -> Iterator[bool]:
    """What each thing that is said comes to."""
    if condition.equal is not None:
        yield same_json(value, condition.equal)
    if condition.not_equal is not None:
        yield not same_json(value, condition.not_equal)
    if condition.one_of:
        yield any(same_json(value, one) for one in condition.one_of)
    if condition.at_least is not None:
        yield (number := _number(value)) is not None and number >= condition.at_least
    if condition.at_most is not None:
        yield (number := _number(value)) is not None and number <= condition.at_most
    if condition.matches is not None:
        text = value if isinstance(value, str) else canonical_json(value)
        yield value is not None and find(condition.matches, text) is not None
    if condition.is_there is not None:
        yield (value is not None) == condition.is_there


def _number(value: JSON) -> float | None:
    """A number, also where it is written as text, as models like to do."""
    try:
        return None if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except ValueError:
        return None


def call_in_words(tool: str, arguments: Mapping[str, JSON] | None, where: Mapping[str, Condition]) -> str:
    """`issue_refund(order_id=A-1042, amount at most 50)`; the tool alone where nothing is said of arguments."""
    said = [f"{name}={in_words(value)}" for name, value in (arguments or {}).items()]
    said += [f"{name} {condition_in_words(condition)}" for name, condition in where.items()]
    return f"{tool}({', '.join(said)})" if said or arguments is not None else tool


def condition_in_words(condition: Condition) -> str:
    """`at least 1 and at most 50`."""
    return " and ".join(_words(condition)) or "as it may be"


def _words(condition: Condition) -> Iterator[str]:
    if condition.equal is not None:
        yield f"equal to {in_words(condition.equal)}"
    if condition.not_equal is not None:
        yield f"other than {in_words(condition.not_equal)}"
    if condition.one_of:
        yield f"one of {', '.join(map(in_words, condition.one_of))}"
    if condition.at_least is not None:
        yield f"at least {condition.at_least:g}"
    if condition.at_most is not None:
        yield f"at most {condition.at_most:g}"
    if condition.matches is not None:
        yield f"with {in_words(condition.matches)} in it"
    if condition.is_there is not None:
        yield "given" if condition.is_there else "not given"

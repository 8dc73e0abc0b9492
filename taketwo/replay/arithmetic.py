"""Tools whose every recorded result is the value of the arithmetic they were given, such as a calculator."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeAlias

from taketwo.conversation import Call
from taketwo.replay.matching import Arguments
from taketwo.replay.results import has_failed
from taketwo.value import JSON

EXPRESSION = re.compile(r"[\d+\-*/(). ]{1,2000}", re.ASCII)
ENOUGH = 3
"""So many recorded calls must come out to the letter before another one is worked out."""
LARGEST = 1e15
"""Beyond this a float no longer holds every whole number."""

Written: TypeAlias = Callable[[float], JSON]
"""How a tool writes its results."""
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worked_out(arguments: Arguments) -> float | None:
    """The value of the one expression among the arguments; None when there is none, or no value."""
    texts = [text for text in arguments.values() if isinstance(text, str)]
    if len(arguments) != 1 or len(texts) != 1 or not EXPRESSION.fullmatch(texts[0].strip()):
        return None
    try:
        value = _value(ast.parse(texts[0].strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None
    return value if abs(value) < LARGEST else None


def way_of_writing(calls: Sequence[Call], enough: int = ENOUGH) -> Written | None:
    """How these calls write what they work out; None when they do not, or are too few to tell."""
    told = [call for call in calls if not has_failed(call)]
    values = [worked_out(call.arguments) for call in told]
    if len(told) < enough or None in values:
        return None
    for digits, whole_as_float, as_text in product((None, 2, 0, 1, 3, 4, 6), (True, False), (True, False)):
        write = _writer(digits, whole_as_float=whole_as_float, as_text=as_text)
        if all(_same(write(value), call.result) for value, call in zip(values, told, strict=True) if value is not None):
            return write
    return None


def _writer(digits: int | None, *, whole_as_float: bool, as_text: bool) -> Written:
    def write(value: float) -> JSON:
        rounded = float(value) if digits is None else round(float(value), digits)
        number = int(rounded) if rounded == int(rounded) and not whole_as_float else rounded
        return str(number) if as_text else number

    return write


def _same(one: JSON, other: JSON) -> bool:
    return type(one) is type(other) and bool(one == other)


def _value(node: ast.expr) -> float:
    """Raises ValueError for whatever is no arithmetic."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError("no arithmetic")

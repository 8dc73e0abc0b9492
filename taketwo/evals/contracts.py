"""Contracts: what always holds in the calls of an agent. Mined from recordings, accepted by a person, then checked.

A contract has no opinion where its tool is not called. What is mined is only likely; support and counter-examples come
with it, and a person decides.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard, assert_never

from taketwo.conversation import Call, Conversation
from taketwo.evals.evaluator import Context
from taketwo.value import JSON, Value, canonical_json, in_words
from taketwo.verdict import Score, Unscored

EVALUATOR: Final = "contracts/1"
"""Name and version, as every score says it."""
LEAST_SUPPORT: Final = 5
"""In so many conversations a contract must hold to be proposed."""
LEAST_SHARE: Final = 0.95
"""In this share of those it speaks of."""
MOST_COUNTER_EXAMPLES: Final = 5
"""So many counter-examples are named."""
MOST_FIELDS: Final = 40
"""Numbers of one result that are compared with arguments."""


class Precedes(Value, tag_field="contract", tag="precedes"):
    """One tool is never called before another one was."""

    first: str
    """The tool that comes first."""
    tool: str
    """The tool that needs it."""


class AtMost(Value, tag_field="contract", tag="at_most"):
    """An argument is never greater than a number that was read before."""

    tool: str
    """The tool with the argument."""
    argument: str
    """The argument."""
    read: str
    """The tool whose latest result holds the bound."""
    field: str
    """Where in that result, as `order.total`."""


class Once(Value, tag_field="contract", tag="once"):
    """A tool is never called twice for the same thing in one conversation."""

    tool: str
    """The tool."""
    argument: str
    """The argument that names the thing."""


Contract: TypeAlias = Precedes | AtMost | Once


class ContractsFile(Value):
    """The file that accepted contracts live in."""

    contracts: tuple[Contract, ...] = ()
    """The contracts."""


class Proposal(Value):
    """A contract that likely holds, and what speaks for and against it."""

    contract: Contract
    """The contract."""
    support: int
    """In how many conversations it holds."""
    against: tuple[str, ...] = ()
    """Ids of conversations in which it does not hold, some of them."""
    counter_examples: int = 0
    """How many there are."""


def contract_in_words(contract: Contract) -> str:
    """`verify_identity precedes issue_refund`."""
    match contract:
        case Precedes():
            return f"{contract.first} precedes {contract.tool}"
        case AtMost():
            return f"{contract.tool}: {contract.argument} ≤ {contract.field} of {contract.read}"
        case Once():
            return f"{contract.tool}: never two calls with one {contract.argument}"
        case _:
            assert_never(contract)


def breach(contract: Contract, conversation: Conversation) -> tuple[bool, str, int | None] | None:
    """Whether it holds, the evidence, and the turn of the breach; None where the conversation does not speak of it."""
    calls = [(turn, call) for turn, _, call in conversation.calls() if call.error is None]
    match contract:
        case Precedes():
            return _precedes(contract, calls)
        case AtMost():
            return _at_most(contract, calls)
        case Once():
            return _once(contract, calls)
        case _:
            assert_never(contract)


def mine(conversations: Iterable[Conversation], writes: Callable[[str], bool | None]) -> list[Proposal]:
    """What likely holds of the tools that write, or may, the best supported first."""
    talks = list(conversations)
    candidates = dict.fromkeys(one for talk in talks for one in _candidates(talk, writes))
    proposals = [found for one in candidates if (found := _weighed(one, talks)) is not None]
    return sorted(proposals, key=lambda one: (one.counter_examples, -one.support, contract_in_words(one.contract)))


@dataclass(frozen=True)
class ContractKept:
    """The evaluator of one accepted contract."""

    contract: Contract
    """What must hold."""
    version = EVALUATOR

    @property
    def name(self) -> str:
        """The contract in words."""
        return contract_in_words(self.contract)

    def evaluate(self, context: Context) -> Score | Unscored:
        """Whether it holds in the conversation; Unscored where it does not speak of it."""
        found = breach(self.contract, context.conversation)
        if found is None:
            return Unscored(name=self.name, why=f"{self.contract.tool} was not called so", evaluator=EVALUATOR)
        holds, evidence, turn = found
        return Score(name=self.name, value=holds, reason=evidence, turn_index=turn, evaluator=EVALUATOR)


def _precedes(contract: Precedes, calls: Sequence[tuple[int, Call]]) -> tuple[bool, str, int | None] | None:
    seen: set[str] = set()
    is_spoken_of = False
    for turn, call in calls:
        if call.tool == contract.tool:
            is_spoken_of = True
            if contract.first not in seen:
                return False, f"{call.in_words} in turn {turn + 1}, without {contract.first} before it", turn
        seen.add(call.tool)
    return (True, f"{contract.first} came first", None) if is_spoken_of else None


def _at_most(contract: AtMost, calls: Sequence[tuple[int, Call]]) -> tuple[bool, str, int | None] | None:
    bound: float | None = None
    evidence: str | None = None
    for turn, call in calls:
        value = call.arguments.get(contract.argument)
        if call.tool == contract.tool and bound is not None and _is_number(value):
            evidence = f"{value} ≤ {bound:g}"
            if float(value) > bound:
                return False, f"{call.in_words} in turn {turn + 1}: more than {bound:g}", turn
        if call.tool == contract.read:
            bound = dict(_numbers(call.result)).get(contract.field, bound)
    return None if evidence is None else (True, evidence, None)


def _once(contract: Once, calls: Sequence[tuple[int, Call]]) -> tuple[bool, str, int | None] | None:
    seen: dict[bytes, int] = {}
    for turn, call in calls:
        if call.tool == contract.tool and contract.argument in call.arguments:
            key = canonical_json(call.arguments[contract.argument]).encode()
            if key in seen:
                value = in_words(call.arguments[contract.argument])
                return False, f"called again for {value} in turn {turn + 1}, after turn {seen[key] + 1}", turn
            seen[key] = turn
    return (True, f"{len(seen)} different", None) if seen else None


def _candidates(talk: Conversation, writes: Callable[[str], bool | None]) -> Iterator[Contract]:
    """Contracts that one conversation bears out."""
    before: dict[str, None] = {}
    read: dict[str, dict[str, float]] = defaultdict(dict)
    for _, _, call in talk.calls():
        if call.error is None and writes(call.tool) is not False:
            yield from (Precedes(first=first, tool=call.tool) for first in before if first != call.tool)
            yield from (Once(tool=call.tool, argument=name) for name, value in call.arguments.items() if _is_id(value))
            yield from _bounds(call, read)
        before[call.tool] = None
        read[call.tool].update(list(_numbers(call.result))[:MOST_FIELDS])


def _bounds(call: Call, read: dict[str, dict[str, float]]) -> Iterator[Contract]:
    for argument, value in call.arguments.items():
        if _is_number(value):
            for tool, fields in read.items():
                for field, bound in fields.items():
                    if float(value) <= bound and _may_bound(argument, field):
                        yield AtMost(tool=call.tool, argument=argument, read=tool, field=field)


def _may_bound(argument: str, field: str) -> bool:
    """A sum is bounded by a sum, a count by a count: anything else is below anything larger by chance."""
    kinds = [
        next((kind for kind in _KINDS if any(word in name.lower() for word in kind)), None)
        for name in (argument, field.rpartition(".")[2])
    ]
    return kinds[0] is not None and kinds[0] == kinds[1]


_KINDS: Final = (
    ("amount", "total", "price", "balance", "sum", "cost", "fee", "paid", "refund"),
    ("quantity", "count", "seats", "stock", "bags", "available", "items"),
)


def _weighed(contract: Contract, talks: Sequence[Conversation]) -> Proposal | None:
    held, against = 0, []
    for talk in talks:
        found = breach(contract, talk)
        if found is not None:
            held += found[0]
            against += [] if found[0] else [talk.id]
    if held < LEAST_SUPPORT or held < LEAST_SHARE * (held + len(against)):
        return None
    return Proposal(
        contract=contract,
        support=held,
        against=tuple(against[:MOST_COUNTER_EXAMPLES]),
        counter_examples=len(against),
    )


def _numbers(result: JSON, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a result that stands under keys alone, with its path."""
    if isinstance(result, str) and not path and result[:1] == "{":
        try:
            result = json.loads(result)
        except ValueError:
            return
    if isinstance(result, dict):
        for key, value in result.items():
            yield from _numbers(value, f"{path}.{key}" if path else key)
    elif path and _is_number(result):
        yield path, float(result)


def _is_number(value: JSON) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: JSON) -> bool:
    return isinstance(value, str) and any(map(str.isdigit, value)) and " " not in value

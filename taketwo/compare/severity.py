"""How grave a difference is: one table, and what it needs to know of a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from taketwo.comparison import SEVERITIES, FactKind, Severity
from taketwo.errors import BadSetting
from taketwo.value import JSON
from taketwo.writes import Writes

CallDifference: TypeAlias = Literal[
    "call_added",
    "call_lost",
    "arguments_changed",
    "arguments_respelled",
    "order_changed",
    "result_changed",
    "outcome_changed",
]
"""What can be different about a call. `arguments_respelled` is an `arguments_changed` that means the same, as 25 and
"25.0" do, `outcome_changed` a
`result_changed` where only one side is an error."""

OtherDifference: TypeAlias = Literal[
    "reply_reworded",
    "reply_missing",
    "reply_added",
    "turn_missing",
    "turn_added",
    "turn_moved",
    "turn_split",
    "claim_unbacked",
]
"""What can be different about words and turns. `turn_moved` is an `order_changed` of a whole turn, `turn_split` a turn,
added or missing, that only continues the reply before it."""

Weight: TypeAlias = Severity | Mapping[bool | None, Severity]
"""A severity, or one for tools that write, that only read, and of which nobody knows."""

TABLE: dict[str, Weight] = {
    # does the tool write?  yes                  no                nobody knows
    "call_added": {True: "critical", False: "minor", None: "major"},
    "call_lost": {True: "critical", False: "minor", None: "major"},
    "arguments_changed": {True: "critical", False: "minor", None: "major"},
    # The recording answers such a call as the same one, so a comparison must not make more of it.
    "arguments_respelled": "wording",
    # The same calls with the same arguments; a write at another moment may still meet another world.
    "order_changed": {True: "major", False: "minor", None: "minor"},
    # The agent did the same; the world, or what answered for it, was another.
    "result_changed": {True: "major", False: "minor", None: "minor"},
    "outcome_changed": "major",
    # It says that it did what none of its tools did.
    "claim_unbacked": "critical",
    "reply_missing": "major",
    "reply_added": "major",
    "turn_missing": "major",
    "turn_added": "major",
    "turn_moved": "minor",
    "turn_split": "wording",
    # What a reply states, as in `FactKind`.
    "amount": "major",
    "number": "major",
    "percentage": "major",
    "date": "major",
    "time": "major",
    "id": "major",
    "promise": "major",
    "refusal": "major",
    "negation": "major",
    "name": "minor",
    "question": "minor",
    "reply_reworded": "wording",
}
"""How grave each difference is. docs/comparison.md shows it to people, and a project may say otherwise."""
KINDS_OF_TOOL: dict[str, bool | None] = {"write": True, "read": False, "unknown": None}
"""How a configuration names the columns."""


def severity_table(given: Mapping[str, JSON]) -> dict[str, Weight]:
    """The table with what a project says otherwise: `{"question": "wording", "call_added": {"read": "wording"}}`.

    Raises BadSetting naming what there is no such thing as.
    """
    table = dict(TABLE)
    for name, said in given.items():
        if name not in TABLE:
            raise BadSetting(f"severity: there is no difference {name!r}", todo=f"there is: {', '.join(TABLE)}")
        table[name] = _row(name, TABLE[name], said) if isinstance(said, dict) else _severity(name, said)
    return table


def as_given(table: Mapping[str, Weight]) -> dict[str, JSON]:
    """A table in the form that `severity_table` reads."""
    return {
        name: weight if isinstance(weight, str) else {kind: weight[writes] for kind, writes in KINDS_OF_TOOL.items()}
        for name, weight in table.items()
    }


def _row(name: str, weight: Weight, said: Mapping[str, JSON]) -> Weight:
    if name not in get_args(CallDifference):
        raise BadSetting(f"severity: {name} has one severity, whatever the tool does", todo=f'{name} = "minor"')
    row = dict.fromkeys(KINDS_OF_TOOL.values(), weight) if isinstance(weight, str) else dict(weight)
    for kind, severity in said.items():
        if kind not in KINDS_OF_TOOL:
            raise BadSetting(f"severity: {name} has no {kind!r}", todo=f"there is: {', '.join(KINDS_OF_TOOL)}")
        row[KINDS_OF_TOOL[kind]] = _severity(f"{name}.{kind}", severity)
    return row


def _severity(name: str, said: JSON) -> Severity:
    for severity in SEVERITIES:
        if said == severity:
            return severity
    raise BadSetting(f"severity: {name} is {said!r}", todo=f"it is one of {', '.join(SEVERITIES)}")


class Grading:
    """How grave a difference is: the table, and which tools write."""

    def __init__(self, writes: Writes, table: Mapping[str, Weight] = TABLE) -> None:
        """table: as `severity_table` makes it."""
        self.writes = writes
        self._table = table

    def of_call(self, difference: CallDifference, tool: str) -> Severity:
        """The severity of what is different about a call of this tool."""
        weight = self._table[difference]
        return weight if isinstance(weight, str) else weight[self.writes(tool)]

    def of_vain(self, difference: CallDifference, tool: str) -> Severity:
        """The same of a call that failed: it brought nothing about, so it weighs no more than another outcome."""
        both = (self.of_call(difference, tool), self.of_call("outcome_changed", tool))
        return max(both, key=SEVERITIES.index)

    def of(self, difference: OtherDifference | FactKind) -> Severity:
        """The severity of what is different about words and turns."""
        weight = self._table[difference]
        assert isinstance(weight, str), "only calls have columns"
        return weight

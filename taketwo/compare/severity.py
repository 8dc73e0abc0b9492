"""How grave a difference is: tables, and what they need to know of a tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from taketwo.comparison import Severity
from taketwo.conversation import Conversation
from taketwo.tool_names import writes_by_name

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
"25.0" do, `outcome_changed` a `result_changed` where only one side is an error."""

OtherDifference: TypeAlias = Literal[
    "facts_changed",
    "reply_reworded",
    "reply_missing",
    "reply_added",
    "turn_missing",
    "turn_added",
    "turn_moved",
    "turn_split",
]
"""What can be different about words and turns. `facts_changed` is a `reply_reworded` whose facts differ, `turn_moved`
an `order_changed` of a whole turn, `turn_split` a turn, added or missing, that only continues the reply before it."""

CALL_SEVERITIES: dict[CallDifference, dict[bool | None, Severity]] = {
    # does the tool write?  yes                  no                nobody knows
    "call_added": {True: "critical", False: "minor", None: "major"},
    "call_lost": {True: "critical", False: "minor", None: "major"},
    "arguments_changed": {True: "critical", False: "minor", None: "major"},
    # The recording answers such a call as the same one, so a comparison must not make more of it.
    "arguments_respelled": {True: "wording", False: "wording", None: "wording"},
    # The same calls with the same arguments; a write at another moment may still meet another world.
    "order_changed": {True: "major", False: "minor", None: "minor"},
    # The agent did the same; the world, or what answered for it, was another.
    "result_changed": {True: "major", False: "minor", None: "minor"},
    "outcome_changed": {True: "major", False: "major", None: "major"},
}
"""The severity of what is different about a call, by whether its tool writes."""

SEVERITIES: dict[OtherDifference, Severity] = {
    "facts_changed": "major",
    "reply_reworded": "wording",
    "reply_missing": "major",
    "reply_added": "major",
    "turn_missing": "major",
    "turn_added": "major",
    "turn_moved": "minor",
    "turn_split": "wording",
}
"""The severity of what is different about words and turns."""


class Writes:
    """Which tools change the world: as a definition declares, else as a function says, else as the name suggests."""

    def __init__(
        self, conversations: Iterable[Conversation], otherwise: Callable[[str], bool | None] | None = None
    ) -> None:
        """otherwise: asked about tools that no definition in the conversations declares; None when it does not know."""
        self._otherwise = otherwise
        declared = [tool for side in conversations for tool in side.agent.tools if tool.writes is not None]
        # Where the two sides disagree, a tool is the worse of both.
        self._declared = {tool.name: tool.writes for tool in sorted(declared, key=lambda tool: tool.writes is True)}

    def __call__(self, tool: str) -> bool | None:
        """True for a write, False for a read, None when nobody knows."""
        if (declared := self._declared.get(tool)) is not None:
            return declared
        told = self._otherwise(tool) if self._otherwise is not None else None
        return told if told is not None else writes_by_name(tool)

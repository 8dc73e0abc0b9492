"""Which tools change the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from taketwo.conversation import Conversation
from taketwo.tool_names import writes_by_name


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

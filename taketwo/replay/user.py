"""The user side: who says the next line, given what has been said so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from taketwo.conversation import Conversation, Turn, UserLine
from taketwo.run import Evidence, Rung

UserMode: TypeAlias = Literal["verbatim", "anchored", "simulated"]
"""`verbatim`: the recorded lines in order, whatever the agent says; `anchored`: the recorded user's words, as they fit
what the agent says; `simulated`: the same, and a language model where they do not reach."""


class Line(NamedTuple):
    """What the user says next."""

    user: UserLine | None
    """The line; None when it is the agent's turn to speak without one."""
    rung: Rung
    """What it was taken from."""
    reason: str
    """Why, in words."""
    recorded_turn_index: int | None
    """The recorded turn that it stands in; None when it stands in no single one."""
    evidence: tuple[Evidence, ...] = ()
    """The stretches of recorded lines that it rests on."""
    seed: int | None = None
    """The seed that the model took which made it up; None when it took none, or no model did."""


class Unanswerable(NamedTuple):
    """The recording does not hold what the user would say now."""

    why: str
    """What is missing, in words."""


class UserSide(Protocol):
    """Whoever plays the user."""

    async def next_line(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """The next line after these turns; None when the user has said everything."""
        ...


class Verbatim:
    """Says the recorded lines in order, always."""

    def __init__(self, recorded: Conversation) -> None:
        """recorded: the conversation whose user is played."""
        self._turns = recorded.turns
        self._gaps = {gap.where: gap.why for gap in recorded.gaps}

    async def next_line(self, so_far: Sequence[Turn]) -> Line | Unanswerable | None:
        """The line of the recorded turn at this position."""
        position = len(so_far)
        if position >= len(self._turns):
            return None
        turn = self._turns[position]
        if not (turn.user and turn.user.text) and (why := hidden(self._gaps, position)):
            return Unanswerable(f"the recording does not say what the user said in turn {position + 1}: {why}")
        reason = "the recorded line, as the mode is verbatim" if turn.user else "the agent speaks first here"
        return Line(turn.user, "recorded", reason, position)


def hidden(gaps: Mapping[str, str], position: int) -> str | None:
    """Why nobody knows what the user said in this turn; None where no gap says so. gaps: why, by where."""
    return gaps.get(f"turns[{position}].user") or gaps.get(f"turns[{position}].user.text")

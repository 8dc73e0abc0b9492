"""Where a replay leaves the recording while it runs, and how that is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from taketwo.conversation import Call
from taketwo.replay.matching import shown
from taketwo.replay.recorded_calls import Recorded
from taketwo.run import Miss
from taketwo.value import cut_to

LONGEST_CALL = 160
"""How much of the arguments of a call people are shown."""


class CallOrder:
    """Watches whether the calls of one turn come in recorded order. Calls asked for together have no order."""

    def __init__(self, recorded_turn_index: int | None) -> None:
        """recorded_turn_index: the recorded turn whose line the user said; None when it was no single one."""
        self._turn_index = recorded_turn_index
        self._furthest: Call | None = None

    def broken_by(self, recorded: Recorded) -> str | None:
        """Why this call is out of order, in words; None when it is not."""
        call, place = recorded.call, recorded.place
        if self._turn_index is None:
            return None
        if place.turn_index != self._turn_index:
            return f"`{call.tool}` was recorded in turn {place.turn_index + 1}"
        before = self._furthest
        if before is not None and call.message < before.message:
            return f"`{call.tool}` was recorded before `{before.tool}`"
        self._furthest = call
        return None


def left_out_in_words(calls: Sequence[Call]) -> str:
    """Recorded calls of a turn that were not made."""
    return "not called: " + ", ".join(call_in_words(call.tool, call.arguments, call.arguments_text) for call in calls)


def missed_in_words(tool: str, miss: Miss, recorded_tools: Iterable[str]) -> str:
    """Why nothing recorded answers a call of this tool."""
    what = "; ".join(miss.differences)
    match miss.kind:
        case "never_recorded":
            known = ", ".join(sorted(recorded_tools))
            return f"the recording has no call of `{tool}` ({f'it has {known}' if known else 'nor of any other tool'})"
        case "other_arguments":
            return f"`{tool}` was recorded only with other arguments ({what})"
        case "used_up":
            return f"the recorded answers of `{tool}` are used up ({what})"
        case "after_divergence":
            return f"`{tool}` was recorded only for a past that this replay has left ({what})"
        case _:
            assert_never(miss.kind)


def call_in_words(tool: str, arguments: dict[str, object], text: str | None = None) -> str:
    """`check_status(order_id="A-1042")`, cut where it is long."""
    inside = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items()) if arguments else text or ""
    return f"{tool}({cut_to(inside, LONGEST_CALL)})"

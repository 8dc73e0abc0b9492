"""Which replayed turns an expectation is about, and whether the replay got through them."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from taketwo.comparison import Comparison
from taketwo.conversation import Call, Say, Turn
from taketwo.run import Ending, Run
from taketwo.scenario import Case

Found: TypeAlias = tuple[bool, str, int | None] | str
"""Whether it holds, the evidence, and the replayed turn that it hangs on; or why it cannot be judged."""

MOST_CALLS = 5
"""So many calls are named in a line; the rest is counted."""


class Part(NamedTuple):
    """The turns that an expectation is about."""

    turns: tuple[Turn, ...]
    """The replayed turns, as far as there are any."""
    why_incomplete: str | None
    """Why more could have happened in them, in words; None when the replay got through all of them."""
    in_words: str
    """Such as ` in turn 4`; empty for the whole conversation."""
    turn_index: int | None = None
    """Position of the one replayed turn; None for the whole conversation, or where there is none."""

    @property
    def calls(self) -> list[tuple[Turn, Call]]:
        """Every call with its turn."""
        return [(turn, call) for turn in self.turns for call in turn.calls]


def part(case: Case, run: Run, comparison: Comparison, number: int | None, *, with_held: bool = False) -> Part:
    """The replayed turn that belongs to a recorded one, or all of them.

    number: of the recorded turn, from 1; None for the whole conversation.
    with_held: whether that includes turns that were held as recorded, in which the agent had no say.
    """
    turns, ending = run.conversation.turns, run.ending
    if number is None:
        live = turns if with_held else turns[run.held_turns :]
        return Part(live, None if ending.reason == "completed" else _ended(ending), "")
    place = f" in turn {number}"
    recorded = len(case.recorded.turns)
    if not 1 <= number <= recorded:
        return Part((), f"the recording has no turn {number}, only {recorded}", place)
    if number <= run.held_turns:
        return Part((), f"turn {number} was held as recorded", place)
    index = _replayed_turn(run, comparison, number - 1)
    if index is None:
        why = "no turn of the replay belongs to it" if ending.reason == "completed" else _ended(ending)
        return Part((), f"turn {number} did not come: {why}", place)
    if index != number - 1:
        place += f" (turn {index + 1} of the replay)"
    ended_here = ending.reason != "completed" and ending.turn_index == index
    return Part((turns[index],), _ended(ending) if ended_here else None, place, index)


def _replayed_turn(run: Run, comparison: Comparison, recorded: int) -> int | None:
    """Where the recorded turn's line was said; the replay knows, and likeness is asked only where it does not."""
    said = [answer.turn_index for answer in run.user_answers if answer.recorded_turn_index == recorded]
    aligned = [pair.replayed for pair in comparison.pairs if pair.recorded == recorded]
    return next(iter([*said, *aligned]), None)


def told(turn: Turn) -> str:
    """All that the user was told in a turn, a text a line."""
    texts = [step.text for step in turn.steps if isinstance(step, Say)]
    if turn.reply is not None and turn.reply not in texts:
        texts.append(turn.reply)
    return "\n".join(texts)


def turn_in_words(turn: Turn) -> str:
    """`turn 4`, of the replay."""
    return f"turn {turn.index + 1}"


def calls_in_words(part: Part) -> str:
    """What was called there: `turn 4 called issue_refund(order_id=A-1042)`."""
    if part.turn_index is None:
        named = list(dict.fromkeys(call.tool for _, call in part.calls))
        return f"called were {', '.join(named)}" if named else "no tool was called"
    calls = [call.in_words for _, call in part.calls]
    more = f" and {len(calls) - MOST_CALLS} more" if len(calls) > MOST_CALLS else ""
    return f"turn {part.turn_index + 1} called {', '.join(calls[:MOST_CALLS]) or 'no tool'}{more}"


def _ended(ending: Ending) -> str:
    place = "" if ending.turn_index is None else f" in turn {ending.turn_index + 1}"
    why = {
        "missed": "a tool call had no recorded answer",
        "unanswerable": "the recording holds no answer of the user",
        "agent_failed": "the agent failed",
        "timed_out": "the agent took too long",
        "cancelled": "it was cancelled",
        "completed": "it was over",
    }[ending.reason]
    return f"the replay ended{place}: {why}"

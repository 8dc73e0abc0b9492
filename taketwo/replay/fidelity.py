"""How far a run can be trusted to be the recorded conversation, met by another agent: one number with its parts.

    fidelity = user · tools · state · clock · (0.8 + 0.2 · prefix)

A part that there was nothing to measure of counts as 1. docs/fidelity.md explains it to people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from taketwo.conversation import Conversation
from taketwo.replay.tools import CONFIDENCE
from taketwo.run import Ending, Fidelity, Run, Rung, Tier, ToolAnswer, UserAnswer

RUNG_WEIGHTS: dict[Rung, float] = {
    "recorded": 1.0,
    "reordered": 0.9,
    "facts": 0.8,
    "simulated": 0.5,
    "unanswerable": 0.0,
}
"""How sure it is that the user would have said a line of each rung."""
TIER_WEIGHTS: dict[Tier, float] = {"live": 0.7, "miss": 0.0}
"""How sure an answer is that does not say so itself. What the agent brought itself is not counted."""
PREFIX_SHARE = 0.2
"""How much of the number hangs on the length of the common prefix: leaving the recording is no fault by itself."""


def with_fidelity(run: Run, recorded: Conversation, chance: Mapping[str, int | None]) -> Run:
    """The run with its fidelity. chance: the seeds that were taken in it, see `Fidelity.chance`."""
    return run.but(fidelity=fidelity(run, recorded).but(chance=dict(chance)))


def fidelity(run: Run, recorded: Conversation, before: int | None = None) -> Fidelity:
    """How faithful a run was.

    before: only what came before the agent acted in this replayed turn, from 0, the user's line of that turn among it;
    None for the whole run.
    """
    end = len(run.conversation.turns) if before is None else before
    users = [answer for answer in run.user_answers if answer.turn_index <= end]
    ending = run.ending if before is None else None
    rungs: dict[Rung, int] = {}
    for user in users:
        rungs[user.rung] = rungs.get(user.rung, 0) + 1
    if ending is not None and ending.reason == "unanswerable":
        rungs["unanswerable"] = rungs.get("unanswerable", 0) + 1
    tools = _tools(run, None if before is None else end)
    prefix = min(_common_turns(run, users, ending), end)
    total = max(min(len(recorded.turns), end), prefix)
    has_dates = recorded.started_at is not None or any(turn.user and turn.user.at for turn in recorded.turns)
    return of_parts(
        user=_mean([RUNG_WEIGHTS[rung] for rung, times in rungs.items() for _ in range(times)]),
        tools=_mean(tools.others),
        state=_state(tools.states, tools.repeated),
        clock=1.0 if has_dates else None,
        prefix=prefix / total if total else None,
    ).but(
        rungs=rungs,
        tiers=tools.tiers,
        common_turns=prefix,
    )


class _Tools(NamedTuple):
    """What answered the tool calls."""

    tiers: dict[Tier, int]
    """How many calls each tier answered."""
    states: list[float]
    """How sure the answers from the state of the world are."""
    repeated: list[float]
    """How sure those to writes made again are."""
    others: list[float]
    """How sure all others are."""


def _tools(run: Run, end: int | None) -> _Tools:
    """end: only calls of turns before this one; None for all."""
    again = {(one.turn_index, one.step_index) for one in run.divergences if one.kind == "write_repeated"}
    found = _Tools({}, [], [], [])
    for answer in run.tool_answers:
        tier, place = answer.tier, answer.place
        if tier == "agent" or (end is not None and place.turn_index >= end):
            continue
        found.tiers[tier] = found.tiers.get(tier, 0) + 1
        is_repeated = bool(again) and (place.turn_index, place.step_index) in again
        if is_repeated:
            found.repeated.append(_weight(answer))
        if tier == "state":
            found.states.append(_weight(answer))
        elif not is_repeated:
            found.others.append(_weight(answer))
    return found


def of_parts(
    *,
    user: float | None = None,
    tools: float | None = None,
    state: float | None = None,
    clock: float | None = None,
    prefix: float | None = None,
) -> Fidelity:
    """The number from its parts; it never falls when a part rises."""
    score = 1.0
    for part in (user, tools, state, clock):
        score *= 1.0 if part is None else part
    score *= 1 - PREFIX_SHARE + PREFIX_SHARE * (1.0 if prefix is None else prefix)
    return Fidelity(score=score, user=user, tools=tools, state=state, clock=clock, prefix=prefix)


def _state(states: Sequence[float], repeated: Sequence[float]) -> float | None:
    """The mean; but whatever comes after a write made again stands on what that is taken to have done."""
    mean = _mean(states)
    return min((*repeated, *(() if mean is None else (mean,))), default=None)


def _weight(answer: ToolAnswer) -> float:
    if answer.confidence is None:
        return TIER_WEIGHTS.get(answer.tier, 0.0)
    # The same call in the same place is as sure as an answer can be.
    return min(1.0, answer.confidence / CONFIDENCE["exact"])


def _common_turns(run: Run, users: Sequence[UserAnswer], ending: Ending | None) -> int:
    """How many turns went as recorded before the first that did not."""
    left = [divergence.turn_index for divergence in run.divergences]
    left += [answer.turn_index for answer in users if answer.rung != "recorded"]
    if ending is not None and ending.reason != "completed" and ending.turn_index is not None:
        left.append(ending.turn_index)
    return min(left, default=len(run.conversation.turns))


def _mean(weights: Iterable[float]) -> float | None:
    known = list(weights)
    return sum(known) / len(known) if known else None

"""Turns that a replay holds as they were recorded, so that the agent acts only from a later one on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from taketwo.conversation import Call, Conversation, Gap, Say, Turn
from taketwo.errors import BadSetting
from taketwo.replay.agents import Message
from taketwo.replay.agents.tool_loop import as_text, asking_message, tool_message
from taketwo.replay.current import AskedCall


def held_turns(recorded: Conversation, from_turn: int) -> tuple[Turn, ...]:
    """The turns before that one, counted from 1, as turns of a replay. Raises BadSetting when there is no such turn."""
    if not 1 <= from_turn <= len(recorded.turns):
        what = f"there is no turn {from_turn} to begin from: the recording has {len(recorded.turns)}"
        raise BadSetting(what, where=recorded.id, todo="--from-turn counts from 1")
    return tuple(_without_source(turn) for turn in recorded.turns[: from_turn - 1])


def gaps_of(recorded: Conversation, turns: int) -> list[Gap]:
    """What is not known of the first turns."""
    prefixes = tuple(f"turns[{index}]" for index in range(turns))
    return [gap for gap in recorded.gaps if gap.where.startswith(prefixes)]


def agent_messages(turn: Turn) -> Iterator[Message]:
    """What the agent said and did in a turn, as it sees it in the next one."""
    prefix = f"held_{turn.index}"
    for number, steps in groupby(turn.steps, key=lambda step: step.message):
        said = list(steps)
        calls = [step for step in said if isinstance(step, Call)]
        words = "".join(step.text for step in said if isinstance(step, Say))
        if not calls:
            # A model's last words are the reply, which comes below.
            if words and words != turn.reply:
                yield {"role": "assistant", "content": words}
            continue
        asked = [_asked(call, f"{prefix}_{number}_{place}") for place, call in enumerate(calls)]
        yield asking_message(words or None, asked)
        for call, one in zip(calls, asked, strict=True):
            yield tool_message(one, as_text(call.result) if call.error is None else call.error)
    if turn.reply is not None:
        yield {"role": "assistant", "content": turn.reply}


def _asked(call: Call, id: str) -> AskedCall:
    return AskedCall(call.tool, call.arguments, call.call_id or id, call.arguments_text)


def _without_source(turn: Turn) -> Turn:
    user = None if turn.user is None else turn.user.but(source=None)
    return turn.but(user=user, steps=tuple(step.but(source=None) for step in turn.steps))

"""The figures of a call, from the times in which each party speaks: one formula each, for both sides and every source.

docs/voice.md says each formula in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from taketwo.conversation import Conversation, Say
from taketwo.value import Value

CALL_METRICS: Final = "call_metrics"
"""Key of a replayed call's metadata: figures of both calls, by `recorded` and `replayed`."""
CALL_ENDED: Final = "call_ended"
"""Key of a replayed call's metadata: why both calls ended, by `recorded` and `replayed`; None where nobody says."""
TURN_GAP_S: Final = 1.0
"""Stretches of one party closer than this are one turn of speaking: it takes breath."""
BACKCHANNEL_S: Final = 0.7
"""What is shorter and lies within the other's speaking is a sign of listening: no turn and no interruption."""
SILENCE_S: Final = 2.0
"""A pause of both parties from which on it is called a silence."""
INTERRUPTS_BEFORE_END_S: Final = 0.2
"""Who begins later than this before the other's end does not interrupt: people do not wait for the last syllable."""


class Spoken(NamedTuple):
    """One turn of speaking."""

    party: str
    """`caller` or `agent`."""
    start_s: float
    end_s: float


class CallMetrics(Value):
    """Figures of one call; None where the call has nothing to measure them by."""

    duration_s: float | None = None
    """From the beginning of the first word to the end of the last, in seconds."""
    turns: int | None = None
    """Turns of speaking of both parties, without signs of listening."""
    mean_latency_ms: float | None = None
    """Mean time from the caller's end to the agent's beginning, in milliseconds."""
    p50_latency_ms: float | None = None
    """Half of them are not longer."""
    p95_latency_ms: float | None = None
    """Nineteen of twenty are not longer."""
    user_wpm: float | None = None
    """Words a minute of the caller's own speaking time."""
    agent_wpm: float | None = None
    """Words a minute of the agent's own speaking time."""
    talk_ratio: float | None = None
    """The agent's share of all speaking time, from 0 to 1."""
    user_interruptions: int | None = None
    """How often the caller began while the agent spoke."""
    agent_interruptions: int | None = None
    """How often the agent began while the caller spoke."""
    mean_stop_ms: float | None = None
    """Mean time from the caller's interruption to the agent's silence, in milliseconds."""
    silences: int | None = None
    """How often both said nothing for two seconds or more."""
    longest_silence_s: float | None = None
    """The longest time in which both said nothing, in seconds."""
    overlap_s: float | None = None
    """Time in which both spoke, in seconds."""
    cost_usd: float | None = None
    """What it costs by the prices that are set, in US dollars."""


def measure(
    caller: Sequence[tuple[float, float]],
    agent: Sequence[tuple[float, float]],
    *,
    caller_words: int | None = None,
    agent_words: int | None = None,
) -> CallMetrics:
    """The figures of a call from the times, start and end in seconds, in which each party speaks."""
    if not caller and not agent:
        return CallMetrics()
    caller, agent = _without_breaths(caller), _without_breaths(agent)
    turns = speaking_turns(caller, agent)
    waits = list(latencies_s(turns))
    stops = list(_stops_s(turns))
    talk = sum(end - start for start, end in caller), sum(end - start for start, end in agent)
    pauses = list(_pauses_s(turns))
    return CallMetrics(
        duration_s=max(end for _, end in (*caller, *agent)) - min(start for start, _ in (*caller, *agent)),
        turns=len(turns),
        mean_latency_ms=_mean(waits, 1000),
        p50_latency_ms=percentile(waits, 0.5, 1000),
        p95_latency_ms=percentile(waits, 0.95, 1000),
        user_wpm=None if caller_words is None or not talk[0] else caller_words / talk[0] * 60,
        agent_wpm=None if agent_words is None or not talk[1] else agent_words / talk[1] * 60,
        talk_ratio=talk[1] / sum(talk) if sum(talk) else None,
        user_interruptions=sum(1 for _ in interruptions(turns, by="caller")),
        agent_interruptions=sum(1 for _ in interruptions(turns, by="agent")),
        mean_stop_ms=_mean(stops, 1000),
        silences=sum(pause >= SILENCE_S for pause in pauses),
        longest_silence_s=max(pauses, default=0.0),
        overlap_s=_overlap_s(caller, agent),
    )


def measure_conversation(conversation: Conversation) -> CallMetrics:
    """The figures of a conversation whose lines say when they were spoken; all None where they do not."""
    caller: list[tuple[float, float]] = []
    agent: list[tuple[float, float]] = []
    words = [0, 0]
    for turn in conversation.turns:
        heard = [(0, turn.user.text, turn.user.audio)] if turn.user is not None else []
        heard += [(1, step.text, step.audio) for step in turn.steps if isinstance(step, Say)]
        for party, text, audio in heard:
            if audio is None or audio.start_s is None or audio.end_s is None or audio.end_s <= audio.start_s:
                continue
            (agent if party else caller).append((audio.start_s, audio.end_s))
            words[party] += len(text.split())
    return measure(caller, agent, caller_words=words[0], agent_words=words[1])


def speaking_turns(caller: Iterable[tuple[float, float]], agent: Iterable[tuple[float, float]]) -> list[Spoken]:
    """Who speaks when, in order of beginning: without signs of listening, and over the breaths that a party takes."""
    every = sorted(
        [Spoken("caller", *each) for each in _without_breaths(caller)]
        + [Spoken("agent", *each) for each in _without_breaths(agent)],
        key=lambda one: (one.start_s, one.end_s),
    )
    return [one for one in every if not _is_backchannel(one, every)]


def latencies_s(turns: Sequence[Spoken]) -> Iterable[float]:
    """From each end of the caller to the agent's next beginning; none where the agent had begun before that end."""
    for before, after in pairwise(turns):
        if before.party == "caller" and after.party == "agent" and after.start_s >= before.end_s:
            yield after.start_s - before.end_s


def interruptions(turns: Sequence[Spoken], *, by: str) -> Iterable[tuple[Spoken, Spoken]]:
    """Turns of a party that began while the other spoke and would have gone on, each with the turn it broke into."""
    for place, one in enumerate(turns):
        if one.party != by:
            continue
        for other in turns[:place]:
            if other.party != by and other.end_s - one.start_s > INTERRUPTS_BEFORE_END_S:
                yield one, other


def percentile(values: Sequence[float], share: float, times: float = 1.0) -> float | None:
    """The smallest of the values that this share of them does not exceed; None of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] * times if values else None


def _without_breaths(stretches: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The stretches of one party, those joined between which it only takes breath."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(stretches):
        if found and round(start - found[-1][1], 6) < TURN_GAP_S:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _is_backchannel(one: Spoken, every: Sequence[Spoken]) -> bool:
    return round(one.end_s - one.start_s, 6) < BACKCHANNEL_S and any(
        other.party != one.party and other.start_s < one.start_s and one.end_s < other.end_s for other in every
    )


def _stops_s(turns: Sequence[Spoken]) -> Iterable[float]:
    return (broken.end_s - one.start_s for one, broken in interruptions(turns, by="caller"))


def _pauses_s(turns: Sequence[Spoken]) -> Iterable[float]:
    end = turns[0].end_s if turns else 0.0
    for one in turns[1:]:
        if one.start_s > end:
            yield one.start_s - end
        end = max(end, one.end_s)


def _overlap_s(caller: Iterable[tuple[float, float]], agent: Iterable[tuple[float, float]]) -> float:
    theirs = list(agent)
    return sum(max(0.0, min(end, e) - max(start, s)) for start, end in caller for s, e in theirs)


def _mean(values: Sequence[float], times: float) -> float | None:
    return sum(values) / len(values) * times if values else None

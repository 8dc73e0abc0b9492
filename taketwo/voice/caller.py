"""The caller of a recorded call, to be played again: what was said, and what made it be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from taketwo.conversation import Audio, Conversation, Gap, UserLine
from taketwo.value import Value
from taketwo.voice.audio import HEARING_RATE, Samples, loudness, resampled
from taketwo.voice.parties import Parties, said_by_agent, shifted
from taketwo.voice.speak import SPEAKING_RATE, Speaker
from taketwo.voice.stretches import Stretch
from taketwo.voice.telephone import Telephone

AudioMode: TypeAlias = Literal["original", "synthesised"]

USUAL_PAUSE_S: Final = 0.5
"""How long a caller waits after the agent where the recording does not say."""
_PAD_S: Final = 0.06
"""What is cut with an utterance on either side, so that soft beginnings and ends are heard."""
_NEAR_S: Final = 1.0
"""How far a platform's times may be off."""
_SILENT: Final = 0.01
_USUAL_VOICE: Samples = np.full(HEARING_RATE, 0.08, dtype=np.float32)
_BED_S: Final = 0.4
"""The shortest pause that shows how noisy a line is."""


class Trigger(Value):
    """What makes the caller speak."""

    after: Literal["call_began", "agent_ended", "agent_began", "caller_ended"]
    """The event: the call began; the agent ended its turn; the agent began one, so that the caller barges in; or the
    caller's own last line ended, with the agent silent."""
    offset_s: float
    """Seconds after it."""


class Utterance(NamedTuple):
    """One line of the caller, ready to be played at 16,000 samples a second."""

    samples: Samples
    trigger: Trigger
    lead_s: float = 0.0
    """What stands before the first sound of it, in seconds."""
    trail_s: float = 0.0
    """What stands after the last."""

    @property
    def length_s(self) -> float:
        """Seconds, with what stands before and after."""
        return len(self.samples) / HEARING_RATE


class Caller:
    """Plays the caller of one recorded call. Cutting and speaking may take long: call it from a thread."""

    def __init__(
        self,
        recorded: Conversation,
        parties: Parties | None,
        speaker: Speaker | None,
        mode: AudioMode = "original",
        line: Telephone | None = None,
    ) -> None:
        """Cut the caller's lines.

        parties: the recording; None where there is none. speaker: says what was not recorded; None for nobody.
        line: what a synthetic voice goes through; None for nothing.
        """
        self._recorded = recorded
        self._parties = parties if parties is not None and parties.belongs else None
        self._speaker = speaker
        self._mode = mode
        self.gaps: list[Gap] = list(parties.gaps) if parties is not None else []
        self.original = self.synthesised = 0
        self._cuts = {turn: self._stretch(turn) for turn in range(len(recorded.turns))}
        self._line = line
        self.bed = _bed(self._parties) if line is None else line.bed(_USUAL_VOICE)

    def utterance(self, line: UserLine, recorded_turn: int | None, turn: int) -> Utterance | None:
        """How this line sounds, and when it is due; None where nothing can say it.

        turn: the turn of the replay, for the gap that says that a line is not the caller's own voice.
        """
        trigger = self.trigger(recorded_turn)
        cut = self._cut(recorded_turn) if self._mode == "original" and recorded_turn is not None else None
        if cut is not None:
            self.original += 1
            samples, lead_s, trail_s = cut
            return Utterance(samples, trigger, lead_s, trail_s)
        if self._speaker is None:
            return None
        spoken = trimmed(resampled(self._speaker.speak(line.text), SPEAKING_RATE, HEARING_RATE))
        self.synthesised += 1
        self.gaps.append(Gap(where=f"turns[{turn}].user.audio", why=self._why_spoken(recorded_turn)))
        return Utterance(self._through(self._as_loud(spoken)), trigger)

    def trigger(self, recorded_turn: int | None) -> Trigger:
        """What made the caller say the line of that recorded turn."""
        cut = self._cuts.get(recorded_turn) if recorded_turn is not None else None
        if cut is None:
            return Trigger(after="agent_ended", offset_s=USUAL_PAUSE_S)
        before = [one.end_s for turn, one in self._cuts.items() if one is not None and turn < (recorded_turn or 0)]
        own_end = max(before, default=0.0)
        agent = self._agent_turn_before(cut.start_s, own_end)
        if agent is None:
            after: Literal["caller_ended", "call_began"] = "caller_ended" if before else "call_began"
            return Trigger(after=after, offset_s=max(0.0, cut.start_s - own_end))
        if agent.end_s > cut.start_s:
            return Trigger(after="agent_began", offset_s=cut.start_s - agent.start_s)
        return Trigger(after="agent_ended", offset_s=cut.start_s - agent.end_s)

    def _agent_turn_before(self, at_s: float, since_s: float) -> Stretch | None:
        """The agent's speaking since the caller's last line, as one stretch; None where it was silent."""
        spoken = [each for each in self._agent_speech() if each.end_s > since_s and each.start_s < at_s]
        return Stretch(spoken[0].start_s, spoken[-1].end_s) if spoken else None

    def _agent_speech(self) -> Sequence[Stretch]:
        if self._parties is not None:
            return self._parties.agent_speech
        return list(said_by_agent(self._recorded))

    def _stretch(self, turn: int) -> Stretch | None:
        """When the line of a recorded turn was spoken: what was heard where the transcript has it, or near it."""
        user = self._recorded.turns[turn].user
        audio = self._audio(user)
        if audio is None or audio.start_s is None:
            return None
        told = Stretch(audio.start_s, audio.end_s if audio.end_s is not None else audio.start_s + _NEAR_S)
        if self._parties is None or self._parties.agent is None:
            return told if audio.end_s is not None else None
        return _heard_at(told, self._parties.caller_speech, self._limits(turn)) or told

    def _audio(self, line: UserLine | None) -> Audio | None:
        """When a line was spoken by its transcript, in the times of the recording."""
        audio = None if line is None else line.audio
        return audio if audio is None or self._parties is None else shifted(audio, self._parties.late_s)

    def _limits(self, turn: int) -> tuple[float, float]:
        """Between which times the line of a turn must lie: after the line before, before the line after."""
        starts = [
            (place, audio)
            for place, one in enumerate(self._recorded.turns)
            if (audio := self._audio(one.user)) is not None and audio.start_s is not None
        ]
        before = max((_end(audio) for place, audio in starts if place < turn), default=0.0)
        after = min((audio.start_s or 0.0 for place, audio in starts if place > turn), default=float("inf"))
        return before, after

    def _cut(self, turn: int) -> tuple[Samples, float, float] | None:
        """The sound of a recorded line, and how much stands before and after it."""
        cut = self._cuts.get(turn)
        if cut is None or self._parties is None:
            return None
        first_s = max(0.0, cut.start_s - _PAD_S)
        last = min(round((cut.end_s + _PAD_S) * HEARING_RATE), len(self._parties.caller))
        samples = self._parties.caller[round(first_s * HEARING_RATE) : last]
        trail_s = last / HEARING_RATE - cut.end_s
        return (samples, cut.start_s - first_s, max(0.0, trail_s)) if len(samples) else None

    def _why_spoken(self, recorded_turn: int | None) -> str:
        if self._mode == "synthesised":
            return "spoken by a synthetic voice, as asked for"
        where = "no recorded line was used" if recorded_turn is None else "the recording does not hold this line"
        return f"spoken by a synthetic voice: {where}"

    def _through(self, samples: Samples) -> Samples:
        return samples if self._line is None else self._line.through(samples)

    def _as_loud(self, spoken: Samples) -> Samples:
        """As loud as the caller was."""
        if self._parties is None or not self._parties.caller_speech or not len(spoken):
            return spoken
        heard = np.concatenate(
            [
                self._parties.caller[round(one.start_s * HEARING_RATE) : round(one.end_s * HEARING_RATE)]
                for one in self._parties.caller_speech
            ]
        )
        return spoken * np.float32(loudness(heard) / max(loudness(spoken), 1e-6))


def trimmed(samples: Samples) -> Samples:
    """A voice without the silence before and after it."""
    loud = np.flatnonzero(np.abs(samples) > _SILENT * float(np.max(np.abs(samples), initial=0.0)))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def _end(audio: Audio) -> float:
    return audio.end_s if audio.end_s is not None else (audio.start_s or 0.0)


def _heard_at(told: Stretch, spoken: Sequence[Stretch], limits: tuple[float, float]) -> Stretch | None:
    """What was spoken at that time, as one stretch; None where nothing was."""
    middle = [each for each in spoken if each.end_s > told.start_s and each.start_s < told.end_s]
    if not middle:
        near = (each for each in spoken if abs(each.start_s - told.start_s) < _NEAR_S)
        middle = [each for each in near if limits[0] <= each.start_s < limits[1]]
    if not middle:
        return None
    return Stretch(max(middle[0].start_s, limits[0]), min(middle[-1].end_s, limits[1]))


def _bed(parties: Parties | None) -> Samples:
    """The noise of the caller's line."""
    if parties is None or parties.agent is None:
        return np.zeros(HEARING_RATE, dtype=np.float32)
    return noise_bed(parties.caller, parties.caller_speech)


def noise_bed(channel: Samples, speech: Sequence[Stretch]) -> Samples:
    """The noise of a line while its party is silent; silence where it never is."""
    edges = [0.0, *(at for one in speech for at in one), len(channel) / HEARING_RATE]
    pauses = [Stretch(start + 0.1, end - 0.1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    longest = max(pauses, key=lambda one: one.length_s)
    if longest.length_s < _BED_S:
        return np.zeros(HEARING_RATE, dtype=np.float32)
    start = round(longest.start_s * HEARING_RATE)
    piece = channel[start : start + min(round(longest.length_s * HEARING_RATE), 2 * HEARING_RATE)]
    # Forwards and backwards, so that it has no seam when it is repeated.
    return np.concatenate([piece, piece[::-1]])

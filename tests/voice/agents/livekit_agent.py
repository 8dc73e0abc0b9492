"""An agent of LiveKit's own framework: it greets, and answers what it was told; its ear and mouth need no account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, StopResponse, stt
from spoken_calls import AGENT, CALLER, clip

from taketwo.voice.audio import HEARING_RATE, from_pcm16, pcm16, resampled

RATE = 24_000
server = AgentServer()


async def frames(text: str) -> AsyncIterator[rtc.AudioFrame]:
    samples = resampled(clip(text), HEARING_RATE, RATE)
    for at in range(0, len(samples), RATE // 50):
        piece = samples[at : at + RATE // 50]
        yield rtc.AudioFrame(pcm16(piece), RATE, 1, len(piece))


class Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You sell flowers.")

    async def stt_node(self, audio: Any, model_settings: Any) -> AsyncIterator[stt.SpeechEvent]:
        """Hears by loudness that somebody has ended, and knows what it was."""
        loud = quiet = 0
        async for frame in audio:
            heard = float(np.abs(from_pcm16(bytes(frame.data))).max(initial=0.0)) > 0.05
            loud, quiet = loud + heard, 0 if heard else quiet + 1
            if loud > 10 and quiet * frame.duration > 0.4:
                loud = 0
                said = stt.SpeechData(language="en", text=CALLER[1])
                yield stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])
                yield stt.SpeechEvent(type=stt.SpeechEventType.END_OF_SPEECH)

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        self.session.say(AGENT[3], audio=frames(AGENT[3]))
        raise StopResponse


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    session: AgentSession[None] = AgentSession(turn_detection="stt")
    await session.start(Desk(), room=ctx.room)
    session.say(AGENT[0], audio=frames(AGENT[0]))

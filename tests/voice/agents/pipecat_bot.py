"""A bot of Pipecat's own runner and pipeline: it greets, hears when the caller has ended, looks up, and answers.

Its ear is how loud the sound is and its mouth are recorded clips, so that it needs no account with anybody.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipecat.evals.transport import EvalTransportParams
from pipecat.frames.frames import (
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import create_transport
from spoken_calls import AGENT, clip

from taketwo.voice.audio import HEARING_RATE, from_pcm16, pcm16, resampled

RATE = 24_000


class Desk(FrameProcessor):
    """Greets, and answers the first line."""

    def __init__(self) -> None:
        super().__init__()
        self._loud = self._quiet = 0
        self._answered = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame) and not self._answered:
            loud = float(np.abs(from_pcm16(frame.audio)).max(initial=0.0)) > 0.05
            self._loud, self._quiet = self._loud + loud, 0 if loud else self._quiet + 1
            if self._loud > 10 and self._quiet > 20:
                self._answered = True
                asked: Any = {"function_name": "book", "tool_call_id": "c1", "arguments": {"day": 4}}
                await self.push_frame(FunctionCallInProgressFrame(**asked))
                await self.push_frame(FunctionCallResultFrame(**asked, result="booked"))
                await self.say(AGENT[3])

    async def say(self, text: str) -> None:
        await self.push_frame(TTSStartedFrame())
        samples = resampled(clip(text), HEARING_RATE, RATE)
        for at in range(0, len(samples), RATE // 10):
            piece = pcm16(samples[at : at + RATE // 10])
            await self.push_frame(TTSAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
        await self.push_frame(TTSTextFrame(text, text_type="sentence"))
        await self.push_frame(TTSStoppedFrame())


async def bot(runner_args: Any) -> None:
    """What the runner calls for each session."""
    transport = await create_transport(
        runner_args, {"eval": lambda: EvalTransportParams(audio_in_enabled=True, audio_out_enabled=True)}
    )
    desk = Desk()
    task = PipelineTask(
        Pipeline([transport.input(), desk, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=HEARING_RATE, audio_out_sample_rate=RATE),
    )

    @task.rtvi.event_handler("on_client_ready")
    async def greet(rtvi: Any) -> None:
        await rtvi.set_bot_ready()
        await desk.say(AGENT[0])

    await PipelineRunner(handle_sigint=False).run(task)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()

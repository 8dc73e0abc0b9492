"""One call while it goes on: 20 ms of the caller one way, 20 ms of the agent the other, on one timeline.

Time is counted in frames. A transport that needs real time gets its frames by the clock; one that lives in this process
gets them as fast as it can take them, and the call's time has nothing to do with the clock on the wall.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from taketwo.conversation import Tokens
from taketwo.voice.activity import QUIET, Ear
from taketwo.voice.audio import HEARING_RATE, Samples, Sound
from taketwo.voice.transports import Received, Transport

FRAME_S: Final = 0.02
FRAME: Final = round(FRAME_S * HEARING_RATE)
_QUIET: Final = 10 ** (-75 / 20)
"""What is below -75 dB is a pause, whatever the ear still thinks."""
_BELOW_LEVEL: Final = 10 ** (-40 / 20)
"""What is 40 dB below a voice is not part of it any more: so its end is where `edges` has it in the recording."""
_ABOVE_NOISE: Final = 1.5
"""So much louder than the noise of the line something must be to be part of a voice."""
_GRAIN: Final = 80
_GRAIN_S: Final = _GRAIN / HEARING_RATE
_NEW_SOUND_S: Final = 0.2
_FADES_S: Final = 0.06
"""A voice that the ear has given up is followed to its last sound, over pauses as short as that of a t."""
_ONSET_S: Final = 0.2
"""How late the ear may be to notice a beginning."""
_BREATHE_EVERY: Final = 25
"""In virtual time other tasks get their turn after so many frames."""


class Playout:
    """What the agent has sent and was not heard yet: agents send faster than they speak."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._pieces: deque[Samples | str] = deque()
        self.waiting = 0
        """Samples that are still to be heard."""
        self.sounding = 0
        """Of these, up to the last that is no silence: synthetic voices send half a second of it after a sentence."""

    def add(self, received: Received) -> None:
        """Take what came; a `clear` throws away what was not heard yet, and its marks are passed at once."""
        if received.clear:
            marks = [piece for piece in self._pieces if isinstance(piece, str)]
            self._pieces = deque(marks)
            self.waiting = self.sounding = 0
        if len(received.audio):
            loud = np.flatnonzero(np.abs(received.audio) >= QUIET)
            self.sounding = self.waiting + int(loud[-1]) + 1 if len(loud) else self.sounding
            self._pieces.append(received.audio)
            self.waiting += len(received.audio)
        self._pieces.extend(received.marks)

    def take(self, count: int) -> tuple[Samples, list[str]]:
        """The next samples, silence where there are none, and the marks that they pass."""
        frame: Samples = np.zeros(count, dtype=np.float32)
        filled, marks = 0, list[str]()
        while self._pieces and (filled < count or isinstance(self._pieces[0], str)):
            piece = self._pieces.popleft()
            if isinstance(piece, str):
                marks.append(piece)
                continue
            taken = min(len(piece), count - filled)
            frame[filled : filled + taken] = piece[:taken]
            filled += taken
            if taken < len(piece):
                self._pieces.appendleft(piece[taken:])
        self.waiting -= filled
        self.sounding = max(0, self.sounding - filled)
        return frame, marks


class Line:
    """The line between caller and agent, and what is heard on it."""

    def __init__(self, transport: Transport, bed: Samples) -> None:
        """bed: the noise of the caller's line. Raises MissingExtra."""
        self.agent_began_s: float | None = None
        """When the agent began what it says now or said last; None while it has said nothing."""
        self.agent_ended_s: float | None = None
        """When it ended that; None while it speaks."""
        self.ended: str | None = None
        """Why the agent has hung up; None while it has not."""
        self.broke = False
        """Whether it did not hang up, but the connection broke."""
        self.busy = False
        """Whether the agent says that it is still at it."""
        self.said: list[str] = []
        """Its words since they were last taken, where the transport tells them."""
        self.understood: list[str] = []
        """What it has understood of the caller since that was last taken, where it tells that."""
        self.tokens: list[Tokens] = []
        """What its model has counted since that was last taken, where it tells that."""
        self.lateness_s: list[float] = []
        """By how much each frame was late, in real time."""
        self._transport = transport
        self._bed, self._bed_at = bed, 0
        self._began = datetime.now(UTC)
        self._playout = Playout()
        self._ear = Ear(sparing=3)
        self._loud_until = self._loud_since = 0.0
        self._levels: deque[float] = deque(maxlen=100)
        self._noise: deque[float] = deque(maxlen=50)
        self._frames: tuple[list[Samples], list[Samples]] = ([], [])
        self._outgoing: deque[Samples] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._ticked = asyncio.Condition()
        self._error: BaseException | None = None

    def begin(self, at: datetime) -> None:
        """The call begins."""
        self._began = at

    @property
    def now_s(self) -> float:
        """Seconds since the call began."""
        return len(self._frames[0]) * FRAME_S

    def now(self) -> datetime:
        """The time of the call."""
        return self.moment(self.now_s)

    def moment(self, at_s: float) -> datetime:
        """The time of the call after so many seconds."""
        return self._began + timedelta(seconds=at_s)

    @property
    def is_speaking(self) -> bool:
        """Whether the caller still has something to say."""
        return bool(self._outgoing)

    @property
    def has_more(self) -> bool:
        """Whether the agent will go on: it says so, or has sent what was not heard yet."""
        return self.busy or self._playout.sounding > 0

    @property
    def _is_over(self) -> bool:
        """Whether nothing more will be heard: the agent has hung up, and what it said before is over."""
        return self.ended is not None and (not self._playout.waiting or (self._pump is not None and self._pump.done()))

    def say(self, samples: Samples, *, after_s: float = 0.0) -> None:
        """Begin to play an utterance of the caller, within the next frame where it is due so much later."""
        before = self._pause()[: round(after_s * HEARING_RATE)] if after_s > 0 else samples[:0]
        whole = np.concatenate([before, samples, np.zeros(-(len(before) + len(samples)) % FRAME, dtype=np.float32)])
        self._outgoing.extend(whole[at : at + FRAME] for at in range(0, len(whole), FRAME))

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Let the call go on until something holds; False where it does not within so many seconds of the call."""
        end_s = self.now_s + timeout_s
        if self._transport.is_paced and self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._keep_time())
        while not holds():
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self.now_s >= end_s or self._is_over:
                return holds()
            await self._next_frame()
        return True

    async def hang_up(self) -> None:
        """End the call."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
        await self._transport.close()

    def recording(self) -> Sound:
        """The call so far: the caller on the first channel, the agent on the second."""
        silent: list[Samples] = [np.zeros(FRAME, dtype=np.float32)]
        return Sound(
            (np.concatenate(self._frames[0] or silent), np.concatenate(self._frames[1] or silent)), HEARING_RATE
        )

    def agent_heard(self, start_s: float, end_s: float) -> Samples:
        """What the agent said between two times."""
        first, last = round(start_s / FRAME_S), round(end_s / FRAME_S) + 1
        return np.concatenate([np.zeros(0, dtype=np.float32), *self._frames[1][max(0, first) : last]])

    async def _next_frame(self) -> None:
        if self._pump is None:
            await self._frame()
            if len(self._frames[0]) % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)
            return
        async with self._ticked:
            await self._ticked.wait()

    async def _keep_time(self) -> None:
        """Frames by the clock, until the call is over."""
        began, frames = time.perf_counter(), 0
        try:
            while self.ended is None or self._playout.waiting:
                frames += 1
                due = began + frames * FRAME_S
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                self.lateness_s.append(max(0.0, time.perf_counter() - due))
                await self._frame()
                async with self._ticked:
                    self._ticked.notify_all()
        except Exception as error:  # told to whoever waits for the call to go on
            self._error = error
        async with self._ticked:
            self.ended = self.ended or "the line broke"
            self._ticked.notify_all()

    async def _frame(self) -> None:
        """20 ms both ways."""
        mine = self._outgoing.popleft() if self._outgoing else self._pause()
        received = await self._transport.exchange(mine)
        self._playout.add(received)
        self.said += received.said
        self.understood += received.understood
        self.tokens += received.tokens
        self.busy = received.busy
        self.ended = received.ended or self.ended
        self.broke = self.broke or received.broke
        theirs, marks = self._playout.take(FRAME)
        if marks:
            await self._transport.played(marks)
        self._frames[0].append(mine)
        self._frames[1].append(theirs)
        self._listen(theirs)

    def _pause(self) -> Samples:
        at = self._bed_at
        self._bed_at = (at + FRAME) % max(FRAME, len(self._bed) - FRAME)
        piece = self._bed[at : at + FRAME]
        return piece if len(piece) == FRAME else np.zeros(FRAME, dtype=np.float32)

    def _listen(self, frame: Samples) -> None:
        """Notice when the agent begins and ends to speak."""
        end_s = self.now_s
        heard = self._ear.hear(frame)
        energies = np.square(frame).reshape(-1, _GRAIN).sum(axis=1) / _GRAIN
        level = math.sqrt(float(energies.sum()) / len(energies))
        if heard and not any(heard) and end_s - self._loud_until > _NEW_SOUND_S:
            self._noise.append(level)
        quiet = max(_QUIET, _BELOW_LEVEL * max(self._levels, default=0.0), _ABOVE_NOISE * _mean(self._noise))
        loud = np.flatnonzero(energies >= quiet**2)
        if len(loud):
            began_s = end_s - FRAME_S
            if began_s - self._loud_until > _NEW_SOUND_S:
                self._loud_since = began_s + int(loud[0]) * _GRAIN_S
                self._levels.clear()
            self._loud_until = began_s + (int(loud[-1]) + 1) * _GRAIN_S
            self._levels.append(level)
            if self.agent_ended_s is not None and 0 < began_s - self.agent_ended_s < _FADES_S:
                self.agent_ended_s = self._loud_until
        if (any(heard) and self.agent_ended_s is not None) or (any(heard) and self.agent_began_s is None):
            self.agent_began_s, self.agent_ended_s = max(self._loud_since, end_s - _ONSET_S), None
        elif heard and not any(heard) and self.agent_began_s is not None and self.agent_ended_s is None:
            self.agent_ended_s = self._loud_until


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values) if values else 0.0
